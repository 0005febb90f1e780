package hostcmd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Call is what a program of the container asks for.
type Call struct {
	// Name is the command, and Args are its arguments.
	Name string
	Args []string
	// Dir is the caller's working directory, and Env its environment.
	Dir string
	Env []string
}

// largest bounds a call. It is more than the kernel lets a command line and its
// environment have.
const largest = 8 << 20

// encode returns the call as one text: none of its parts has a NUL.
func (c *Call) encode() []byte {
	var b bytes.Buffer
	for _, part := range append([]string{c.Name, c.Dir, strconv.Itoa(len(c.Args))}, c.Args...) {
		b.WriteString(part + "\x00")
	}
	for _, kv := range c.Env {
		b.WriteString(kv + "\x00")
	}
	return b.Bytes()
}

// decode is the inverse of encode. It trusts nothing.
func decode(text []byte) (*Call, error) {
	parts := bytes.Split(text, []byte{0})
	if len(parts) < 4 || len(parts[len(parts)-1]) != 0 {
		return nil, errors.New("a call is cut off")
	}
	n, err := strconv.Atoi(string(parts[2]))
	parts = parts[:len(parts)-1]
	if err != nil || n < 0 || n > len(parts)-3 {
		return nil, errors.New("a call has a wrong number of arguments")
	}
	c := &Call{Name: string(parts[0]), Dir: string(parts[1])}
	for i, part := range parts[3:] {
		if i < n {
			c.Args = append(c.Args, string(part))
		} else {
			c.Env = append(c.Env, string(part))
		}
	}
	return c, nil
}

// send sends a call and the three standard streams.
func (c *Call) send(conn *net.UnixConn, streams [3]*os.File) error {
	text := c.encode()
	if len(text) > largest {
		return fmt.Errorf("the arguments and the environment have %d bytes, more than a program may get", len(text))
	}
	rights := unix.UnixRights(int(streams[0].Fd()), int(streams[1].Fd()), int(streams[2].Fd()))
	head := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	if _, _, err := conn.WriteMsgUnix(head, rights, nil); err != nil {
		return err
	}
	_, err := conn.Write(text)
	return err
}

// receive is the other end of send. The streams are closed with an error.
func receive(conn *net.UnixConn) (c *Call, streams []*os.File, err error) {
	defer func() {
		if err != nil {
			closeAll(streams)
			streams = nil
		}
	}()
	head, rights := make([]byte, 4), make([]byte, unix.CmsgSpace(3*4))
	n, oobn, flags, _, err := conn.ReadMsgUnix(head, rights)
	if err != nil {
		return nil, nil, err
	}
	streams, err = received(rights[:oobn])
	if err == nil && flags&unix.MSG_CTRUNC != 0 || len(streams) != 3 {
		err = errors.New("a call has not three streams")
	}
	if err == nil {
		_, err = io.ReadFull(conn, head[n:])
	}
	if err != nil {
		return nil, streams, err
	}
	size := binary.BigEndian.Uint32(head)
	if size > largest {
		return nil, streams, errors.New("a call is too long")
	}
	text := make([]byte, size)
	if _, err = io.ReadFull(conn, text); err != nil {
		return nil, streams, err
	}
	c, err = decode(text)
	return c, streams, err
}

// received returns the descriptors of a control message.
func received(rights []byte) (files []*os.File, err error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "stream"))
		}
	}
	return files, err
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
