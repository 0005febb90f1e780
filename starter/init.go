package main

import (
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/fds"
	"github.com/sealift/sealift/starter/plan"
	"github.com/sealift/sealift/starter/reaper"
)

// supervise runs path as a child of this process, which is PID 1, and returns
// its exit status. When this process then exits, the kernel kills what is left
// in the PID namespace (pid_namespaces(7)).
func (m *machine) supervise(path string, pr *plan.Process) (status int, err error) {
	if err := forbidTracing(); err != nil {
		return 0, err
	}
	credential, err := m.become(pr.User)
	if err != nil {
		return 0, err
	}
	if err := m.emulator.Attach(); err != nil {
		return 0, err
	}
	if path == "" {
		return m.attend(0)
	}
	attr := syscall.ProcAttr{Env: pr.Env, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Credential: credential}}
	var child int
	err = orScript(path, pr.Args, func(path string, args []string) (err error) {
		child, err = syscall.ForkExec(path, args, &attr)
		return err
	})
	if err != nil {
		return 0, err
	}
	return m.attend(child)
}

// delegate has a second starter carry out p, without an init, and is its init.
// The filter of the payload would stop the calls of whoever starts it; this
// way only the second starter's execve(2) is made under it.
func (m *machine) delegate(p *plan.Plan) (status int, f *plan.Report) {
	if err := forbidTracing(); err != nil {
		return 0, failure(plan.StagePlan, -1, err)
	}
	rest := *p
	rest.Process.Init, rest.Process.Stay = false, false
	data, err := plan.Encode(&rest)
	if err != nil {
		return 0, failure(plan.StagePlan, -1, err)
	}
	child, err := m.second(data)
	if err == nil {
		status, err = m.attend(child)
	}
	if err != nil {
		return 0, failure(plan.StagePlan, -1, err)
	}
	return status, nil
}

// second starts a starter with the descriptors of this one and sends it a plan.
func (m *machine) second(data []byte) (pid int, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return 0, err
	}
	defer unix.Close(ends[1])
	for _, fd := range []int{ends[0], m.report} {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return 0, err
		}
	}
	args := []string{"sealift-starter", strconv.Itoa(ends[0]), strconv.Itoa(m.report)}
	pid, err = syscall.ForkExec("/proc/self/exe", args, &syscall.ProcAttr{Env: []string{}, Files: []uintptr{0, 1, 2}})
	if err != nil {
		return 0, err
	}
	for len(data) > 0 {
		n, err := unix.Write(ends[1], data)
		if err != nil && err != unix.EINTR {
			return 0, err // EPIPE: it has failed, and said so
		}
		data = data[max(n, 0):]
	}
	return pid, nil
}

// attend is the init of child, 0 for none, and returns its exit status.
func (m *machine) attend(child int) (status int, err error) {
	signals := <-m.signals
	// The payload stays in the caller's process group, to which the terminal
	// sends its signals; this process leaves it, lest it forward them as well.
	// EPERM: it leads the session, and then nobody shares its group.
	if err := unix.Setpgid(0, 0); err != nil && err != unix.EPERM {
		return 0, err
	}
	reaper.DiscardKeys(signals)
	// Launch takes the end of the report socket for success, and who reads
	// from a pipe of the caller's waits for the payload, not for us.
	fds.CloseOthers(m.emulator.FDs())
	m.emulator.Serve() // not before: the threads open files
	if m.stay {
		return reaper.Outlive(child, signals)
	}
	go reaper.Forward(signals, child)
	return reaper.Reap(child)
}

// become has the payload be u. Where users are emulated nothing is left to the
// kernel, and the result is nil.
func (m *machine) become(u *plan.User) (*syscall.Credential, error) {
	switch {
	case u == nil:
		return nil, nil
	case m.emulator != nil:
		return nil, m.emulator.Become(u.UID, u.GID, u.Groups)
	}
	return &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}, nil
}

// forbidTracing keeps a payload of the same user from tracing this process and
// opening its /proc files, such as exe: its other threads still have the
// capabilities that dropCaps took from this one (ptrace(2), PR_SET_DUMPABLE).
func forbidTracing() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
