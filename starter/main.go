//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command sealift-starter makes a container and becomes its first process.
//
// Input: a plan (starter/plan) on one inherited descriptor. Output: reports on
// another, and then the payload, which replaces it or, as PID 1, is its child.
// It runs inside namespaces that launch made, decides nothing, prints nothing
// and looks at no environment of its own: its arguments and its environment are for all to
// see, and what it detaches gets the environment as it came. Its start-up time is the
// product's: it imports starter/plan, the lightest standard packages and x/sys/unix.
//
// It opens no file through package os: that would start the Go runtime's
// poller, whose descriptors the init closes with all others. For the same
// reason, and to start sooner, the runtime does not watch its cgroup.
package main

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/enter"
	"github.com/sealift/sealift/starter/fds"
	"github.com/sealift/sealift/starter/plan"
	"github.com/sealift/sealift/starter/reaper"
	"github.com/sealift/sealift/starter/talk"
)

// exitFailed is the status of every failure of the starter's own.
const exitFailed = 125

// maxPlan bounds the plan's length in bytes: an environment and arguments that
// execve(2) would take (6 MiB), several times over.
const maxPlan = 64 << 20

// main locks the goroutine to its thread first: capabilities, no_new_privs and
// the parent-death signal belong to a thread, and the payload inherits this
// one's.
func main() {
	runtime.LockOSThread()
	os.Exit(run(os.Args))
}

// run interprets sealift-starter PLANFD REPORTFD [ENTER [PROGRAMFD ARG...]], or
// sealift-starter detach DESCRIPTORS PROGRAM ARG.... With ENTER the starter has entered namespaces
// before main (package enter). With PROGRAMFD it is nobody's child who waits for reports:
// when it fails, it executes that program, with the descriptor of the plan and the report
// as its last arguments.
func run(args []string) int {
	if len(args) > 2 && args[1] == talk.Detach {
		return detach(args[2:])
	}
	planFD, reportFD, ok := descriptors(args)
	if !ok {
		const usage = "sealift-starter: started by sealift only\n"
		unix.Write(2, []byte(usage)) //nolint: there is nowhere else to say it
		return exitFailed
	}
	t := talk.Teller{Report: reportFD, Program: -1}
	atDeath := int(unix.SIGKILL)
	if len(args) > 4 {
		if t.Program, ok = number(args[4]); !ok {
			return exitFailed
		}
		unix.CloseOnExec(t.Program)
		t.Plan, t.Args = planFD, args[5:]
	}
	if len(args) > enter.Index {
		signal, err := enter.Result(args[enter.Index])
		if err != nil {
			return tell(&t, failure(plan.StageEnter, int(enter.Failed()), err))
		}
		if t.Program >= 0 {
			atDeath = signal
		}
	}
	// Before the plan is read: should launch die from here on, either this
	// process is killed or the plan ends early.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(atDeath), 0, 0, 0); err != nil {
		return tell(&t, failure(plan.StagePlan, -1, err))
	}
	// The plan is still being computed; what takes time is done meanwhile.
	signals := make(chan (chan os.Signal), 1)
	if t.Program < 0 {
		go func() { signals <- reaper.Catch() }()
	}
	p, err := readPlan(planFD)
	if err != nil {
		return tell(&t, failure(plan.StagePlan, -1, err))
	}
	if t.Program < 0 {
		unix.Close(planFD)
	}
	if orphaned(reportFD) {
		return tell(&t, failure(plan.StagePlan, -1, unix.ECONNRESET))
	}
	m := machine{report: reportFD, session: -1, root: -1, signals: signals}
	status, f := m.run(p)
	if f != nil {
		return tell(&t, f)
	}
	return status
}

// detach executes a program with the first descriptors, whose number comes first in args,
// as a child of nobody who knows of it, in a session of its own: this process ends at once.
func detach(args []string) int {
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 3 || len(args) < 3 {
		return exitFailed
	}
	attr := syscall.ProcAttr{Env: os.Environ(), Sys: &syscall.SysProcAttr{Setsid: true}}
	var kept []int
	for fd := range n {
		kept, attr.Files = append(kept, fd), append(attr.Files, uintptr(fd))
	}
	fds.HideOthers(kept, 2)
	// Whoever has started this process may be bound to some processors; the program is to
	// use all that its control group has (sched_setaffinity(2)). Where it may not, it does
	// with those.
	var all unix.CPUSet
	for cpu := range len(all) * strconv.IntSize {
		all.Set(cpu)
	}
	_ = unix.SchedSetaffinity(0, &all)
	if _, err := syscall.ForkExec(args[1], args[2:], &attr); err != nil {
		return exitFailed
	}
	return 0
}

// descriptors checks the arguments and what the descriptors are, and marks
// them close-on-exec.
func descriptors(args []string) (planFD, reportFD int, ok bool) {
	if len(args) < 3 {
		return 0, 0, false
	}
	planFD, ok = number(args[1])
	reportFD, ok2 := number(args[2])
	if !ok || !ok2 || planFD == reportFD {
		return 0, 0, false
	}
	// A pipe, or a file in memory.
	var st unix.Stat_t
	if unix.Fstat(planFD, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO && st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, 0, false
	}
	kind, err := unix.GetsockoptInt(reportFD, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_SEQPACKET {
		return 0, 0, false
	}
	unix.CloseOnExec(planFD)
	unix.CloseOnExec(reportFD)
	return planFD, reportFD, true
}

// number is that of a descriptor which is none of the standard streams.
func number(arg string) (fd int, ok bool) {
	fd, err := strconv.Atoi(arg)
	return fd, err == nil && fd > 2
}

// readPlan reads to the end of fd. The end comes when launch has written the
// whole plan, mapped the ids of this user namespace, and closed the pipe.
func readPlan(fd int) (*plan.Plan, error) {
	data, err := readAll(fd, maxPlan)
	if err != nil {
		return nil, err
	}
	return plan.Parse(data)
}

// readAll reads to the end of fd. More than limit bytes are E2BIG.
func readAll(fd, limit int) ([]byte, error) {
	buf := make([]byte, 0, 16<<10)
	for {
		if len(buf) == cap(buf) {
			if len(buf) > limit {
				return nil, unix.E2BIG
			}
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, err
		case n == 0:
			return buf, nil
		default:
			buf = buf[:len(buf)+n]
		}
	}
}

// orphaned reports whether launch's end of the report socket is gone.
func orphaned(report int) bool {
	fds := []unix.PollFd{{Fd: int32(report)}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
}

// failure is the report of err.
func failure(stage plan.Stage, index int, err error) *plan.Report {
	errno := unix.EINVAL // a plan that Parse refuses
	errors.As(err, &errno)
	return &plan.Report{Stage: stage, Index: index, Errno: int(errno)}
}

// tell tells of a failure, and returns the status. When launch is gone, nobody is left to
// be told.
func tell(t *talk.Teller, r *plan.Report) int {
	t.Fail(r)
	return exitFailed
}
