package main

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
	"github.com/sealift/sealift/starter/program"
)

// startMounters starts the programs that serve the file systems whose descriptors
// were kept, one after the other, as each may need what the one before shows.
func (m *machine) startMounters(pr *plan.Process) *plan.Report {
	for i, x := range pr.Mounters {
		if err := m.startMounter(m.kept[i], x, pr); err != nil {
			return failure(plan.StageMounter, i, err)
		}
	}
	return nil
}

// startMounter starts a program with the descriptor dev, and waits until it serves.
// It is a child of this process, which is PID 1: the kernel kills it when the payload
// has ended.
func (m *machine) startMounter(dev int, x plan.Mounter, pr *plan.Process) error {
	path, err := program.Find(x.Args[0], pr.Env)
	if err != nil {
		return err
	}
	// A pipe without a writer: it must not read what is for the payload.
	var input [2]int
	if err := unix.Pipe2(input[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	unix.Close(input[1])
	// Keys on the terminal are not for it, thus a group of its own.
	sys := &syscall.SysProcAttr{Setpgid: true}
	if u := pr.User; u != nil && m.emulator == nil {
		sys.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}
	}
	files := []uintptr{uintptr(input[0]), 2, 2, uintptr(dev)}
	_, err = syscall.ForkExec(path, x.Args, &syscall.ProcAttr{Env: pr.Env, Files: files, Sys: sys})
	unix.Close(input[0])
	unix.Close(dev) // or its death would go unnoticed
	if err != nil {
		return err
	}
	return served(x.Target)
}

// served waits until the FUSE file system at path is served. The kernel lets no
// request pass before the server has said which protocol it speaks; ENOTCONN is that
// its descriptor was closed everywhere.
func served(path string) error {
	var st unix.Statfs_t
	for {
		switch err := unix.Statfs(path, &st); err {
		case unix.EINTR:
		case unix.ENOTCONN, unix.ECONNABORTED:
			return unix.ENOTCONN
		default:
			return nil // other errors are the server's answers
		}
	}
}
