package main

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/fds"
	"github.com/sealift/sealift/starter/plan"
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
	discardKeys(signals)
	// Launch takes the end of the report socket for success, and who reads
	// from a pipe of the caller's waits for the payload, not for us.
	fds.CloseOthers(m.emulator.FDs())
	m.emulator.Serve() // not before: the threads open files
	if m.stay {
		ended := make(chan int, 1)
		go end(signals, child, ended)
		return outlive(child, ended)
	}
	go forward(signals, child)
	return reap(child)
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

// catch starts to receive the signals that launch sends on. One that the
// caller ignores stays ignored, here and in the payload. The list is short
// because each costs a round trip between threads of the Go runtime.
func catch() chan os.Signal {
	c := make(chan os.Signal, 64)
	for _, n := range []syscall.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM,
		unix.SIGUSR1, unix.SIGUSR2, unix.SIGTSTP, unix.SIGCONT,
	} {
		if !signal.Ignored(n) {
			signal.Notify(c, n)
		}
	}
	return c
}

// discardKeys drops the terminal's signals that came before this process left
// the process group: the payload had them, too. Others are put back.
func discardKeys(c chan os.Signal) {
	for range len(c) {
		switch s := <-c; s {
		case unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP:
		default:
			select {
			case c <- s:
			default: // so many came meanwhile that one more says nothing new
			}
		}
	}
}

// forward sends what arrives on c to the process child.
func forward(c <-chan os.Signal, child int) {
	for s := range c {
		if n, ok := s.(syscall.Signal); ok {
			unix.Kill(child, n) // fails only when child has just ended
		}
	}
}

// reap waits for every orphan of the namespace and returns when child ended.
func reap(child int) (status int, err error) {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case pid == child && ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case pid == child:
			return ws.ExitStatus(), nil
		}
	}
}

// end sends what arrives on c to the process child, if there is one, and a signal
// that ends programs to every process of the namespace; ended gets the first of those.
func end(c <-chan os.Signal, child int, ended chan<- int) {
	for s := range c {
		n, _ := s.(syscall.Signal)
		switch n {
		case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
			select {
			case ended <- int(n):
			default:
			}
			unix.Kill(-1, n) // fails when there is none
		default:
			if child > 0 {
				unix.Kill(child, n) // fails when it has ended
			}
		}
	}
}

// outlive waits for every process of the namespace, and then for a signal unless child
// has failed. It returns the status of child, or what a signal makes of it.
func outlive(child int, ended <-chan int) (status int, err error) {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
		case err == unix.ECHILD && status != 0:
			return status, nil
		case err == unix.ECHILD:
			return 128 + <-ended, nil
		case err != nil:
			return 0, err
		case pid == child && ws.Signaled():
			status = 128 + int(ws.Signal())
		case pid == child:
			status = ws.ExitStatus()
		}
	}
}
