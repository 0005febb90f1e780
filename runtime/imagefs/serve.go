package imagefs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Serve answers the requests that arrive on fd, a /dev/fuse on which a file
// system is mounted, and closes it in the end: when the file system has been
// unmounted or Close was called, which is success, or when the device fails. It
// returns earlier, with a *merkle.Mismatch, when the image is not what its hash
// tree says. What asked gets EIO for that, and for nothing else: requests
// are answered until whoever uses the file system has ended. It is called once.
func (s *Server) Serve(fd int) error {
	ended := make(chan error, 1)
	go func() { ended <- s.serve(fd) }()
	select {
	case m := <-s.wrong:
		return m
	case err := <-ended:
		select {
		case m := <-s.wrong:
			return m
		default:
			return err
		}
	}
}

func (s *Server) serve(fd int) error {
	defer unix.Close(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return fmt.Errorf("fuse device: %w", err)
	}
	if err := s.openBell(); err != nil {
		return err
	}
	defer s.closeBell()
	results := make(chan error, s.workers)
	for range s.workers {
		go func() { results <- s.work(fd) }()
	}
	err := errors.Join(<-results, s.Close())
	for range s.workers - 1 {
		if e := <-results; err == nil { // one fault of the device is news enough
			err = e
		}
	}
	return err
}

// work answers requests until the file system is gone or the server closed.
//
// The workers take turns: one waits at the device and answers while the others
// sleep. Only for a request that takes long does it pass the turn on first. With
// all of them waiting, the kernel would wake another for each request that a
// quick client sends before the last one is back: wasted work, and on busy
// processors a delay.
func (s *Server) work(fd int) error {
	in, out := make([]byte, maxRequest), make([]byte, maxReply)
	s.turn.Lock()
	defer s.turn.Unlock()
	for !s.closed.Load() {
		n, err := unix.Read(fd, in)
		switch err {
		case unix.EAGAIN:
			err = s.wait(fd)
		case nil:
			reply, ready := s.handle(in[:n], out, false)
			if ready {
				err = s.reply(fd, reply)
				break
			}
			s.turn.Unlock()
			reply, _ = s.handle(in[:n], out, true)
			err = s.reply(fd, reply)
			s.turn.Lock()
		}
		switch err {
		case nil, unix.EINTR, unix.ENOENT: // ENOENT: the request was withdrawn
		case unix.ENODEV:
			return nil
		default:
			return fmt.Errorf("fuse device: %w", err)
		}
	}
	return nil
}

// wait returns when the device has a request or Close was called. (A blocking
// read could not be ended as long as the file system stays mounted.)
func (s *Server) wait(fd int) error {
	events := [...]unix.PollFd{
		{Fd: int32(fd), Events: unix.POLLIN},
		{Fd: int32(s.bell), Events: unix.POLLIN},
	}
	_, err := unix.Poll(events[:], -1)
	return err
}

// reply writes an answer, if there is one.
func (s *Server) reply(fd int, msg []byte) error {
	if msg == nil {
		return nil
	}
	return write(fd, msg)
}

// write writes a message, which the device takes whole or not at all.
func write(fd int, msg []byte) error {
	for {
		if _, err := unix.Write(fd, msg); err != unix.EINTR {
			return err
		}
	}
}

// openBell makes the eventfd(2) that Close rings.
func (s *Server) openBell() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	s.bell = bell
	return nil
}

func (s *Server) closeBell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	unix.Close(s.bell)
	s.bell = -1
}

// Close makes Serve return, at once if it is called later; requests being
// answered are finished first. What is left of the mount fails with ENOTCONN.
func (s *Server) Close() error {
	s.closed.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bell < 0 {
		return nil
	}
	if err := write(s.bell, le.AppendUint64(nil, 1)); err != nil {
		return fmt.Errorf("wake the image server: %w", err)
	}
	return nil
}
