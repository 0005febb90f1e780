// Package ui is how the program meets its user: the process's own inputs, the
// terminal, flags that the environment may set, and the end by a signal.
//
// Input: what main read of the process. Output: lines on the standard streams,
// and the only exit. A command's package gets a Process and hands on what it
// needs; this package knows no command.
package ui

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Process is what only a program's main may read.
type Process struct {
	Terminal
	Args                  []string // without the program's name
	Name                  string   // under which the program was called
	Environ               []string
	Site                  []string // variables that count where the environment has none: SEALIFT_X=VALUE
	SiteError             error    // why these could not be read
	Cwd                   string // empty when there is none
	Executable            string // path of this program
	Stdin, Stdout, Stderr *os.File
	Interrupted           bool // SIGINT came, and ended the payload
	// AtDeath is the signal that the process has asked for at its parent's death, 0 for
	// none (PR_GET_PDEATHSIG(2const)).
	AtDeath int
}

// PassAtDeath has the calling thread get the signal at the parent's death that the process
// was started with: it is the thread's, and that of a program which the thread executes.
// The goroutine stays on its thread.
func (p *Process) PassAtDeath() error {
	if p.AtDeath == 0 {
		return nil
	}
	runtime.LockOSThread()
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(p.AtDeath), 0, 0, 0))
}

// LeaveTerminal has the standard streams lead nowhere.
func (*Process) LeaveTerminal() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	for fd := range 3 {
		err = errors.Join(err, unix.Dup3(int(null.Fd()), fd, 0))
	}
	return errors.Join(err, null.Close())
}

// Conceal keeps other processes of the same user from this one's memory and
// environment, and the kernel from writing them to a core dump (PR_SET_DUMPABLE of
// prctl(2)). The files of this process and its children in /proc belong to root
// from then on, until a child executes a program: no user namespace can be mapped.
func (*Process) Conceal() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}

// Variable returns the value of an environment variable, empty where there is
// none.
func (p *Process) Variable(name string) string {
	for _, kv := range p.Environ {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

// TempDir is the directory for temporary files that need not be near an output:
// that of a flag, unless it is empty.
func (p *Process) TempDir(flag string) string {
	switch dir := p.Variable("TMPDIR"); {
	case flag != "":
		return flag
	case filepath.IsAbs(dir):
		return dir
	}
	return "/tmp"
}

// UserConfig returns the path of a configuration file of the user, empty without a
// home.
func (p *Process) UserConfig(name string) string {
	if dir := p.Variable("SEALIFT_CONFIGDIR"); dir != "" {
		return filepath.Join(dir, name)
	}
	if dir := p.Variable("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "sealift", name)
	}
	if dir := p.Variable("HOME"); dir != "" {
		return filepath.Join(dir, ".config/sealift", name)
	}
	return ""
}

// ConfigDir returns the directory of a user's files that Apptainer has too, empty
// where no variable names one.
func (p *Process) ConfigDir() string {
	for _, name := range []string{"SEALIFT_CONFIGDIR", "APPTAINER_CONFIGDIR"} {
		if dir := p.Variable(name); dir != "" {
			return dir
		}
	}
	if home := p.Variable("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".apptainer")
	}
	return ""
}
