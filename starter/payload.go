package main

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/hold"
	"github.com/sealift/sealift/starter/plan"
	"github.com/sealift/sealift/starter/program"
	"github.com/sealift/sealift/starter/seccomp"
)

// payload executes pr. It returns only when that failed or, after Init, with
// the payload's exit status.
func (m *machine) payload(pr *plan.Process) (status int, f *plan.Report) {
	if pr.Hold {
		if err := errors.Join(forbidTracing(), hold.Hold(m.report, m.user, pr.Meet)); err != nil {
			return 0, failure(plan.StagePlan, -1, err)
		}
		return 0, nil
	}
	if err := enterFirst(pr.Dirs); err != nil {
		return 0, failure(plan.StageDir, -1, err)
	}
	if len(pr.Args) == 0 { // with Stay
		status, err := m.supervise("", pr)
		if err != nil {
			f = failure(plan.StagePlan, -1, err)
		}
		return status, f
	}
	path, err := program.Find(pr.Args[0], pr.Env)
	if err != nil {
		return 0, failure(plan.StageFind, -1, err)
	}
	if pr.Init {
		if f := m.startMounters(pr); f != nil {
			return 0, f
		}
		status, err = m.supervise(path, pr)
	} else {
		err = m.exec(path, pr)
	}
	if err != nil {
		return 0, failure(plan.StageExec, -1, err)
	}
	return status, nil
}

// exec replaces this process by path.
func (m *machine) exec(path string, pr *plan.Process) error {
	if pr.User != nil {
		if err := setUser(pr.User); err != nil {
			return err
		}
		// Another user has no signal at the parent's death (PR_SET_PDEATHSIG(2const)).
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
			return err
		}
	}
	if m.filter != nil {
		if err := seccomp.InstallSilent(m.filter, m.filterFlags); err != nil {
			return err
		}
	}
	return orScript(path, pr.Args, func(path string, args []string) error { return unix.Exec(path, args, pr.Env) })
}

// orScript executes path by do. A text without a #! line is a script of the shell's,
// as execvp(3) has it; the container may have no shell.
func orScript(path string, args []string, do func(path string, args []string) error) error {
	err := do(path, args)
	if err != unix.ENOEXEC || !program.IsText(path) {
		return err
	}
	const shell = "/bin/sh"
	if do(shell, append([]string{shell, path}, args[1:]...)) == nil {
		return nil
	}
	return err
}

// setUser makes this process u. Groups first: a user other than root may not
// change them.
func setUser(u *plan.User) error {
	if u == nil {
		return nil
	}
	groups := make([]int, len(u.Groups))
	for i, g := range u.Groups {
		groups[i] = int(g)
	}
	if err := unix.Setgroups(groups); err != nil {
		return err
	}
	if err := unix.Setresgid(int(u.GID), int(u.GID), int(u.GID)); err != nil {
		return err
	}
	return unix.Setresuid(int(u.UID), int(u.UID), int(u.UID))
}

// enterFirst makes the first of dirs that it can the working directory.
func enterFirst(dirs []string) error {
	var first error
	for _, dir := range dirs {
		err := chdir(dir)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// chdir refuses a directory outside the root, which can be named by way of an
// inherited descriptor, /proc/self/fd/N: getcwd(2) has no path for it.
func chdir(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return err
	}
	buf := make([]byte, unix.PathMax)
	if n, err := unix.Getcwd(buf); err != nil || n < 1 || buf[0] != '/' {
		if err := unix.Chdir("/"); err != nil {
			return err
		}
		return unix.ENOENT
	}
	return nil
}
