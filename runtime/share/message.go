package share

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// send sends a message with descriptors.
func send(c *os.File, what any, fds ...int) error {
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		sent = unix.Sendmsg(int(fd), text, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL)
		return sent != unix.EAGAIN && sent != unix.EINTR
	})
	return errors.Join(err, sent)
}

// receive receives a message, and the descriptors that come with it. The end of the
// connection is io.EOF.
func receive(c *os.File) (text []byte, fds []int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	buf, rights := make([]byte, mostText), make([]byte, unix.CmsgSpace(4*mostFDs))
	var n, oobn, flags int
	var got error
	err = raw.Read(func(fd uintptr) bool {
		n, oobn, flags, _, got = unix.Recvmsg(int(fd), buf, rights, unix.MSG_CMSG_CLOEXEC)
		return got != unix.EAGAIN && got != unix.EINTR
	})
	if err = errors.Join(err, got); err != nil {
		return nil, nil, err
	}
	fds = received(rights[:oobn])
	switch {
	case flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
		closeAll(fds)
		return nil, nil, errors.New("a message is too long")
	case n == 0:
		closeAll(fds)
		return nil, nil, io.EOF
	}
	return buf[:n], fds, nil
}

// received returns the descriptors in control messages.
func received(rights []byte) (fds []int) {
	msgs, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil
	}
	for i := range msgs {
		list, err := unix.ParseUnixRights(&msgs[i])
		if err == nil {
			fds = append(fds, list...)
		}
	}
	return fds
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// decode reads a message strictly enough: both ends are of one version.
func decode(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("a message is malformed: %w", err)
	}
	return nil
}
