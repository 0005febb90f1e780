package hostcmd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Ask has the server at socket make a call, passes on the signals that arrive, and returns
// the exit status of the program, which is 128+n where signal n ended it.
func Ask(socket string, c *Call, streams [3]*os.File, signals <-chan os.Signal) (status int, err error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return 0, fmt.Errorf("nobody runs commands of the host for this container any more: %w", err)
	}
	defer conn.Close()
	if err := c.send(conn, streams); err != nil {
		return 0, err
	}
	answered := make(chan struct{})
	defer close(answered)
	go pass(conn, signals, answered)
	answer := make([]byte, 8)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return 0, fmt.Errorf("the program that runs commands of the host has ended: %w", err)
	}
	code, size := binary.BigEndian.Uint32(answer), binary.BigEndian.Uint32(answer[4:])
	if size == 0 {
		return int(code), nil
	}
	text := make([]byte, min(size, 1<<16))
	if _, err := io.ReadFull(conn, text); err != nil {
		return 0, err
	}
	return int(code), errors.New(string(text))
}

// pass passes signals on until there is an answer.
func pass(conn net.Conn, signals <-chan os.Signal, answered <-chan struct{}) {
	for {
		select {
		case s, more := <-signals:
			if !more {
				return
			}
			if n, ok := s.(syscall.Signal); ok {
				_, _ = conn.Write([]byte{byte(n)}) // whose end shows in what is read
			}
		case <-answered:
			return
		}
	}
}

// answer tells how a program ended, or why it did not start.
func answer(conn *net.UnixConn, status int, text string) {
	b := binary.BigEndian.AppendUint32(nil, uint32(status))
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	_, _ = conn.Write(append(b, text...)) // to somebody who may be gone
}

// peer returns the user at the other end.
func peer(conn *net.UnixConn) (uid uint32, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	control := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(control, err); err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
