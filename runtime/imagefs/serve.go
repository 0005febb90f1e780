package imagefs

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Serve answers the requests that arrive on fd, a /dev/fuse on which a file
// system is mounted, and closes it in the end: when the file system has been
// unmounted or Close was called, which is success, or when the device fails.
// It is called once.
//
// Each worker is a blocking read on its own thread, because the kernel wakes
// one of those for a request, where it would wake all that sleep in poll(2).
func (s *Server) Serve(fd int) error {
	defer unix.Close(fd)
	if err := unix.SetNonblock(fd, false); err != nil {
		return fmt.Errorf("fuse device: %w", err)
	}
	if err := s.greet(fd); err != nil {
		return unlessUnmounted(err)
	}
	s.publish(fd)
	defer s.publish(-1)
	results := make(chan error, s.workers)
	for range s.workers {
		go func() { results <- s.work(fd) }()
	}
	err := errors.Join(unlessUnmounted(<-results), s.Close())
	for range s.workers - 1 {
		err = errors.Join(err, unlessUnmounted(<-results))
	}
	return err
}

// greet answers messages up to FUSE_INIT, which the kernel has sent when it
// made the file system.
func (s *Server) greet(fd int) error {
	in, out := make([]byte, maxRequest), make([]byte, maxReply)
	for !s.greeted.Load() && !s.stopping.Load() {
		if err := s.serveOne(fd, in, out); err != nil {
			return err
		}
		if err := s.Err(); err != nil {
			return err
		}
	}
	return nil
}

// work answers requests until the device fails or the server is to stop.
func (s *Server) work(fd int) error {
	in, out := make([]byte, maxRequest), make([]byte, maxReply)
	for !s.stopping.Load() {
		if err := s.serveOne(fd, in, out); err != nil {
			return err
		}
	}
	return nil
}

// serveOne reads a message into in and answers it through out.
func (s *Server) serveOne(fd int, in, out []byte) error {
	n, err := unix.Read(fd, in)
	switch err {
	case nil:
	case unix.EINTR, unix.EAGAIN, unix.ENOENT: // ENOENT: the request was withdrawn
		return nil
	default:
		return fmt.Errorf("read a request from the fuse device: %w", err)
	}
	reply := s.handle(in[:n], out)
	if reply == nil {
		return nil
	}
	switch err := write(fd, reply); err {
	case nil, unix.ENOENT, unix.ENODEV: // withdrawn; unmounted, as the next read tells
		return nil
	default:
		return fmt.Errorf("write a reply of %d bytes to the fuse device: %w", len(reply), err)
	}
}

// write writes a message, which the device takes whole or not at all.
func write(fd int, msg []byte) error {
	for {
		if _, err := unix.Write(fd, msg); err != unix.EINTR {
			return err
		}
	}
}

// unlessUnmounted drops the error that says that the file system is gone.
func unlessUnmounted(err error) error {
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// publish tells Close the device, or that there is none any more.
func (s *Server) publish(fd int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fd = fd
}

// Close makes Serve return; requests being answered are finished first. What is
// left of the mount then fails with ENOTCONN.
//
// A thread in read(2) cannot be woken by closing the device, so the kernel is
// asked to send a message to each: FUSE_NOTIFY_RETRIEVE of nothing from the
// root directory's page cache, which it answers with FUSE_NOTIFY_REPLY.
func (s *Server) Close() error {
	s.stopping.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return nil
	}
	const notifyRetrieve, size = 5, outHeaderSize + 32
	var msg [size]byte
	le.PutUint32(msg[:], size)
	le.PutUint32(msg[4:], notifyRetrieve)
	le.PutUint64(msg[outHeaderSize+8:], rootID)
	for range s.workers {
		err := write(s.fd, msg[:])
		if err == syscall.ENODEV {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wake the readers of the fuse device: %w", err)
		}
	}
	return nil
}
