package share

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// task is one that shares.
type task struct {
	pid    int
	handle *os.File // of pidfd_open(2)
	stderr *os.File
	inside bool // it has been let in
}

// meet hears what a task says first.
func meet(conn *os.File) (*task, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	var got error
	if err := raw.Control(func(fd uintptr) { peer, got = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil || got != nil {
		return nil, errors.Join(err, got)
	}
	// As long as it waits for an answer, its number is its own.
	pidfd, err := unix.PidfdOpen(int(peer.Pid), unix.PIDFD_NONBLOCK)
	if err == unix.EINVAL { // Linux 5.3 to 5.9
		if pidfd, err = unix.PidfdOpen(int(peer.Pid), 0); err == nil {
			err = unix.SetNonblock(pidfd, true)
		}
	}
	if err != nil {
		return nil, err
	}
	t := &task{pid: int(peer.Pid), handle: os.NewFile(uintptr(pidfd), "task")}
	text, fds, err := receive(conn)
	if err != nil || len(fds) != 1 || int(peer.Uid) != os.Getuid() {
		closeAll(fds)
		t.handle.Close()
		return nil, errors.Join(err, errors.New("that is no task"))
	}
	t.stderr = os.NewFile(uintptr(fds[0]), "stderr")
	var h hello
	if err := decode(text, &h); err != nil || h.Version != formatVersion {
		t.close()
		return nil, errors.Join(err, errors.New("that is no task of this version"))
	}
	return t, nil
}

// wait waits for the end of the task.
func (t *task) wait() {
	raw, err := t.handle.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
}

// stop kills those of the tasks that have been let in, and returns their standard errors, of
// which each file is there once. None may be closed meanwhile.
func stop(list ...*task) (hear []*os.File) {
	seen := map[[2]uint64]bool{}
	for _, t := range list {
		if !t.inside {
			continue // it hears why
		}
		_ = unix.PidfdSendSignal(int(t.handle.Fd()), unix.SIGKILL, nil, 0) // unless it has ended
		var st unix.Stat_t
		if unix.Fstat(int(t.stderr.Fd()), &st) != nil || seen[[2]uint64{uint64(st.Dev), st.Ino}] {
			continue
		}
		seen[[2]uint64{uint64(st.Dev), st.Ino}] = true
		if fd, err := unix.FcntlInt(t.stderr.Fd(), unix.F_DUPFD_CLOEXEC, 3); err == nil {
			hear = append(hear, os.NewFile(uintptr(fd), "stderr"))
		}
	}
	return hear
}

func (t *task) close() {
	t.handle.Close()
	if t.stderr != nil {
		t.stderr.Close()
	}
}
