// Package talk is how the starter and launch talk while a plan is carried out: by
// messages over the report socket, with a descriptor or none (unix(7)).
//
// Input and output: reports and descriptors. It knows nothing of what they are about.
package talk

import (
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
)

// Detach is the first argument of a starter that only executes a program in the background.
// Then come how many descriptors it gets, from 0 on, its path, and its arguments from its
// name on.
const Detach = "detach"

// Tell sends r with descriptors as one message.
func Tell(socket int, r *plan.Report, fds ...int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	for {
		err := unix.Sendmsg(socket, r.Encode(), rights, nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// Ask is Tell, and waits for the answer: a message without meaning, with a descriptor
// or none, which is -1. Where launch is gone, or has given up, the error is
// ECONNRESET.
func Ask(socket int, r *plan.Report, fds ...int) (fd int, err error) {
	if err := Tell(socket, r, fds...); err != nil {
		return -1, err
	}
	msg, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(socket, msg, rights, unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EINTR:
			continue
		case err == nil && n == 0:
			err = unix.ECONNRESET
		}
		if err != nil {
			return -1, err
		}
		return Received(rights[:oobn]), nil
	}
}

// Answer answers what was asked, with a descriptor unless fd is -1.
func Answer(socket, fd int) error {
	var rights []byte
	if fd >= 0 {
		rights = unix.UnixRights(fd)
	}
	for {
		err := unix.Sendmsg(socket, []byte{'.'}, rights, nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// Received returns the one descriptor in a control message, or -1.
func Received(rights []byte) int {
	msgs, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(msgs) == 0 {
		return -1
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) == 0 {
		return -1
	}
	return fds[0]
}
