package imagefs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sealift/sealift/starter/plan"
)

// message builds a request.
func message(op uint32, node uint64, body ...byte) []byte {
	b := make([]byte, inHeaderSize, inHeaderSize+len(body))
	b = append(b, body...)
	le.PutUint32(b, uint32(len(b)))
	le.PutUint32(b[4:], op)
	le.PutUint64(b[8:], 42)
	le.PutUint64(b[16:], node)
	return b
}

func text(s string) []byte { return append([]byte(s), 0) }

// readBody is a fuse_read_in.
func readBody(off uint64, size uint32) []byte {
	b := make([]byte, readInSize)
	le.PutUint64(b[8:], off)
	le.PutUint32(b[16:], size)
	return b
}

func initBody(major, minor, flags uint32) []byte {
	b := make([]byte, 64)
	le.PutUint32(b, major)
	le.PutUint32(b[4:], minor)
	le.PutUint32(b[8:], 128<<10)
	le.PutUint32(b[12:], flags)
	return b
}

// ask has s answer one message and returns the payload and errno.
func ask(t testing.TB, s *Server, msg []byte) ([]byte, syscall.Errno) {
	t.Helper()
	reply, _ := s.handle(msg, make([]byte, maxReply), true)
	if len(reply) < outHeaderSize || int(le.Uint32(reply)) != len(reply) || le.Uint64(reply[8:]) != 42 {
		t.Fatalf("reply %x", reply[:min(len(reply), 32)])
	}
	return reply[outHeaderSize:], syscall.Errno(-int32(le.Uint32(reply[4:])))
}

func TestInit(t *testing.T) {
	s := newServer(t, images(t).plain, Options{})
	for _, c := range []struct {
		body  []byte
		errno syscall.Errno
		flags uint32
	}{
		{initBody(7, 45, ^uint32(0)), 0, wantedFlags},
		{initBody(7, 31, asyncRead|noOpenSupport), 0, asyncRead | noOpenSupport},
		{initBody(8, 0, ^uint32(0)), 0, 0},
		{initBody(7, 22, ^uint32(0)), syscall.EIO, 0},
		{initBody(6, 40, ^uint32(0)), syscall.EIO, 0},
		{nil, syscall.EINVAL, 0},
	} {
		p, errno := ask(t, s, message(opInit, 0, c.body...))
		if errno != c.errno {
			t.Errorf("%v: %v", c.body, errno)
			continue
		}
		if errno == 0 && (len(p) != initOutSize || le.Uint32(p) != 7 || le.Uint32(p[4:]) != protoMinor || le.Uint32(p[12:]) != c.flags) {
			t.Errorf("%v: %v", c.body, p)
		}
		if c.flags != 0 && le.Uint16(p[16:]) != defaultWorkers-1 {
			t.Errorf("%d READs in the background", le.Uint16(p[16:]))
		}
	}
	if err := s.Err(); !errors.Is(err, syscall.EPROTO) || !strings.Contains(err.Error(), "FUSE 7.22") {
		t.Errorf("reported %v", err)
	}
}

// TestOpen: a kernel that cannot do without is told what it may keep.
func TestOpen(t *testing.T) {
	s := newServer(t, images(t).plain, Options{})
	ask(t, s, message(opInit, 0, initBody(7, 27, noOpenSupport)...))
	if _, errno := ask(t, s, message(opOpen, 1)); errno != syscall.ENOSYS {
		t.Errorf("OPEN: %v", errno)
	}
	p, errno := ask(t, s, message(opOpendir, 1))
	if errno != 0 || len(p) != openOutSize || le.Uint32(p[8:]) == 0 {
		t.Errorf("OPENDIR: %v %v", p, errno)
	}
}

func TestErrnos(t *testing.T) {
	f := images(t)
	s := newServer(t, f.plain, Options{Extra: []plan.Op{plan.Do(plan.Write, "/x", "0644", "x")}})
	passwd, err := s.lookupPath("etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		msg  []byte
		want syscall.Errno
	}{
		"read a directory":         {message(opRead, 1, readBody(0, 100)...), syscall.EISDIR},
		"read far behind the end":  {message(opRead, passwd.id, readBody(1<<62, 100)...), 0},
		"read at a negative place": {message(opRead, passwd.id, readBody(1<<63, 100)...), syscall.EINVAL},
		"read a made file too far": {message(opRead, extraBit|1, readBody(1<<62, 100)...), 0},
		"read too little said":     {message(opRead, passwd.id, 1, 2, 3), syscall.EINVAL},
		"list a file":              {message(opReaddir, passwd.id, readBody(0, 100)...), syscall.ENOTDIR},
		"list far behind the end":  {message(opReaddir, 1, readBody(1<<63, 100)...), 0},
		"link of a file":           {message(opReadlink, passwd.id), syscall.EINVAL},
		"look up in a file":        {message(opLookup, passwd.id, text("x")...), syscall.ENOTDIR},
		"look up in a made file":   {message(opLookup, extraBit|1, text("x")...), syscall.ENOTDIR},
		"look up an endless name":  {message(opLookup, 1, 'x'), syscall.EINVAL},
		"node 0":                   {message(opGetattr, 0), syscall.ESTALE},
		"no such made node":        {message(opGetattr, extraBit|1000), syscall.ESTALE},
		"no such inode":            {message(opGetattr, 1<<62), syscall.EIO},
		"ioctl":                    {message(opIoctl, passwd.id), syscall.ENOTTY},
		"flush":                    {message(25, passwd.id), syscall.ENOSYS},
		"access":                   {message(34, passwd.id), syscall.ENOSYS},
		"unlink":                   {message(opUnlink, 1, text("x")...), syscall.EROFS},
		"release":                  {message(opRelease, passwd.id), 0},
		"getxattr":                 {message(opGetxattr, passwd.id, make([]byte, 20)...), syscall.ENOSYS},
		"the future":               {message(9999, 1), syscall.ENOSYS},
	} {
		if _, errno := ask(t, s, c.msg); errno != c.want {
			t.Errorf("%s: %v, want %v", name, errno, c.want)
		}
	}
	for _, msg := range [][]byte{message(opForget, 1), message(opBatchForget, 0), message(opInterrupt, 0), {1, 2, 3}, message(opInit, 0)[:39]} {
		if reply, _ := s.handle(msg, make([]byte, maxReply), true); reply != nil {
			t.Errorf("reply %x to %x", reply, msg)
		}
	}
}

// lookupPath finds a path without following links.
func (s *Server) lookupPath(path string) (n node, err error) {
	n = s.root
	for _, name := range split(path) {
		if n, err = s.lookup(n, name); err != nil {
			return n, fmt.Errorf("%s: %w", name, err)
		}
	}
	return n, nil
}

func TestXattrSizes(t *testing.T) {
	f := images(t)
	if f.full == "" {
		t.Skip("the temporary directory takes no extended attributes")
	}
	s := newServer(t, f.full, Options{Extra: []plan.Op{plan.Do(plan.Mkdir, "/files/more", "0755"), plan.Do(plan.Mkfile, "/made", "0644")}})
	one, err := s.lookupPath("files/one")
	if err != nil {
		t.Fatal(err)
	}
	get := func(op uint32, node uint64, size uint32, name string) string {
		body := make([]byte, getxattrInSize)
		le.PutUint32(body, size)
		p, errno := ask(t, s, message(op, node, append(body, text(name)...)...))
		if errno != 0 {
			return errno.Error()
		}
		return string(p)
	}
	files, err := s.lookupPath("files")
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.lookupPath("made")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ got, want string }{
		{get(opGetxattr, one.id, 0, "user.colour"), "\x06\x00\x00\x00\x00\x00\x00\x00"},
		{get(opGetxattr, one.id, 6, "user.colour"), "blue\x00!"},
		{get(opGetxattr, one.id, 5, "user.colour"), syscall.ERANGE.Error()},
		{get(opGetxattr, one.id, 5, "user.color"), syscall.ENODATA.Error()},
		{get(opListxattr, one.id, 100, ""), "user.colour\x00"},
		{get(opListxattr, one.id, 11, ""), syscall.ERANGE.Error()},
		{get(opListxattr, files.id, 100, ""), "user.empty\x00"},
		{get(opListxattr, made.id, 100, ""), ""},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// TestReaddirPieces reads listings through the smallest replies, with nodes.
func TestReaddirPieces(t *testing.T) {
	s := newServer(t, images(t).plain, Options{Extra: []plan.Op{plan.Do(plan.Mkdir, "/etc/extra", "0755")}})
	etc, err := s.lookupPath("etc")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for off := uint64(0); ; {
		p, errno := ask(t, s, message(opReaddirplus, etc.id, readBody(off, 170)...))
		if errno != 0 {
			t.Fatal(errno)
		}
		if len(p) == 0 {
			break
		}
		entry := p[entryOutSize:]
		off = le.Uint64(entry[8:])
		name := string(entry[direntSize : direntSize+le.Uint32(entry[16:])])
		names = append(names, name)
		id := le.Uint64(p)
		if name == "." || name == ".." {
			if id != 0 {
				t.Errorf("%s has node id %d", name, id)
			}
			continue
		}
		n, err := s.lookup(etc, name)
		if err != nil || n.id != id || le.Uint64(entry) != s.attr(n).ino || le.Uint32(entry[20:]) != s.attr(n).mode>>12 {
			t.Errorf("%s: listing and lookup differ", name)
		}
	}
	if want := []string{".", "..", "group", "passwd", "shadow", "extra"}; !slices.Equal(names, want) {
		t.Errorf("got %q", names)
	}
	if s.lists.get(etc.id) != nil {
		t.Error("the listing is still kept")
	}
}

// TestListingsAreBounded: listings not read to their end give way.
func TestListingsAreBounded(t *testing.T) {
	var c listings
	for id := uint64(1); id <= 100; id++ {
		c.put(id, &listing{})
	}
	kept := 0
	for id := uint64(1); id <= 100; id++ {
		if c.get(id) != nil {
			kept++
		}
	}
	if kept != len(c.slots) || c.get(100) == nil {
		t.Errorf("%d are kept", kept)
	}
}

func FuzzRequest(f *testing.F) {
	s := newServer(f, cmp.Or(images(f).full, images(f).plain), Options{Extra: []plan.Op{
		plan.Do(plan.Write, "/etc/made", "0644", "x"), plan.Do(plan.Symlink, "/l", "y"),
	}})
	for op := range uint32(52) {
		f.Add(op, uint64(1), text("etc"))
		f.Add(op, uint64(2), readBody(3, 4000))
		f.Add(op, uint64(extraBit|1), readBody(1<<40, 1<<31))
	}
	f.Add(uint32(opInit), uint64(0), initBody(7, 31, wantedFlags))
	out := make([]byte, maxReply+1)
	f.Fuzz(func(t *testing.T, op uint32, node uint64, body []byte) {
		msg := message(op, node, body...)
		out[maxReply] = 0xa5
		reply, _ := s.handle(msg, out, true)
		if reply != nil && (len(reply) < outHeaderSize || int(le.Uint32(reply)) != len(reply)) {
			t.Errorf("reply of %d bytes: %x", len(reply), reply[:min(len(reply), 64)])
		}
		if out[maxReply] != 0xa5 {
			t.Error("the reply exceeds its buffer")
		}
		if op == opRead && len(body) >= readInSize && len(reply) > outHeaderSize+int(le.Uint32(body[16:])) {
			t.Errorf("%d bytes were read where %d were asked for", len(reply)-outHeaderSize, le.Uint32(body[16:]))
		}
		s.handle(bytes.Clone(body), out, true) // a message that may not even have a header
	})
}

func TestCacheBytes(t *testing.T) {
	for limit, want := range map[int64]int64{
		0: usualCache, -1: usualCache, 1 << 40: usualCache, 256 << 20: 4 << 20, 64 << 20: 1 << 20, 1: 1,
	} {
		if got := CacheBytes(limit); got != want {
			t.Errorf("with a limit of %d bytes: %d, want %d", limit, got, want)
		}
	}
}
