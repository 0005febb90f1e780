package plan

import (
	"strconv"
	"strings"
)

// Stage says what the starter was doing.
type Stage string

// The stages, in the order in which the starter goes through them.
const (
	// Reading the plan.
	StagePlan Stage = "plan"
	// Opening the host path of Ops[Index], before anything is mounted.
	StageSource Stage = "source"
	// Executing Ops[Index].
	StageOp Stage = "op"
	// Entering a working directory.
	StageDir Stage = "cwd"
	// Looking for the command.
	StageFind Stage = "find"
	// Starting Process.Mounters[Index], and waiting until it serves: ENOTCONN is
	// that it has ended.
	StageMounter Stage = "mounter"
	// Executing the command, which exists: ENOENT is about its interpreter.
	StageExec Stage = "exec"
	// Entering the namespaces of another container, whose kind (package enter) is Index.
	StageEnter Stage = "enter"

	// StageHold is no failure: the plan is carried out, and Process.Hold has begun.
	StageHold Stage = "hold"
	// StageFuse is no failure: the message carries the descriptor of
	// /dev/fuse for Ops[Index].
	StageFuse Stage = "fuse"
	// StageFill is no failure: the message carries the descriptor (O_PATH) of the
	// directory of Ops[Index], and launch is to answer when it is filled.
	StageFill Stage = "fill"
)

// Report is one message from the starter to launch over the report socket, a
// SOCK_SEQPACKET pair. The end of the stream without a failure says that the
// payload runs.
type Report struct {
	Stage Stage
	// Index is the position in Plan.Ops, or what the stage says, or -1.
	Index int
	// Errno is the error of the system call that failed.
	Errno int
}

// Encode returns the message: stage, index and errno, separated by spaces.
func (r Report) Encode() []byte {
	return []byte(string(r.Stage) + " " + strconv.Itoa(r.Index) + " " + strconv.Itoa(r.Errno))
}

// ParseReport is the inverse of Encode. It does not know how many operations
// there are; the caller checks Index.
func ParseReport(msg []byte) (Report, error) {
	f := strings.Split(string(msg), " ")
	if len(f) != 3 {
		return Report{}, ErrSyntax
	}
	index, err := strconv.Atoi(f[1])
	errno, err2 := strconv.Atoi(f[2])
	if err != nil || err2 != nil || index < -1 || errno < 0 {
		return Report{}, ErrSyntax
	}
	return Report{Stage(f[0]), index, errno}, nil
}
