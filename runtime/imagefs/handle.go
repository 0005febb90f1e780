package imagefs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"syscall"

	"github.com/sealift/sealift/image/squashfs"
)

// handle answers one message. It returns the reply, built in out, which must
// have maxReply bytes, or nil when the message wants none. Unless it may wait,
// it does not answer what takes long, the reading and decoding of file data:
// ready is false then. Metadata blocks are small, few, and kept.
func (s *Server) handle(msg, out []byte, wait bool) (reply []byte, ready bool) {
	q, ok := parseRequest(msg)
	if !ok {
		return nil, true
	}
	switch q.op {
	case opForget, opBatchForget, opInterrupt, opNotifyReply:
		return nil, true
	}
	n, err := s.dispatch(q, out[outHeaderSize:maxReply], wait)
	if err == squashfs.ErrNotReady {
		return nil, false
	}
	errno := s.errno(err)
	if errno != 0 {
		n = 0
	}
	putHeader(out, n, errno, q.unique)
	return out[:outHeaderSize+n], true
}

// dispatch carries out the request, writes the reply's payload to p and returns
// its length. ENOSYS tells the kernel not to ask again: files and directories
// need no opening, and permissions are its own to check (default_permissions).
func (s *Server) dispatch(q request, p []byte, wait bool) (int, error) {
	switch q.op {
	case opLookup:
		return s.doLookup(q, p)
	case opGetattr:
		return s.doGetattr(q, p)
	case opReadlink:
		return s.doReadlink(q, p)
	case opRead:
		return s.doRead(q, p, wait)
	case opReaddir, opReaddirplus:
		return s.doReaddir(q, p)
	case opGetxattr, opListxattr:
		return s.doXattr(q, p)
	case opStatfs:
		return s.doStatfs(p), nil
	case opInit:
		return s.doInit(q, p)
	case opOpen:
		return s.doOpen(noOpenSupport, p)
	case opOpendir:
		return s.doOpen(noOpendirSupport, p)
	case opRelease, opReleasedir, opDestroy:
		return 0, nil
	case opIoctl:
		return 0, syscall.ENOTTY
	case opSetattr, opSymlink, opMknod, opMkdir, opUnlink, opRmdir, opRename, opRename2, opLink,
		opWrite, opSetxattr, opRemovexattr, opCreate, opFallocate, opTmpfile:
		return 0, syscall.EROFS
	}
	return 0, syscall.ENOSYS
}

// doInit negotiates: the kernel offers its version, read-ahead and flags.
func (s *Server) doInit(q request, p []byte) (int, error) {
	if len(q.body) < initInSize {
		return 0, syscall.EINVAL
	}
	major, minor := le.Uint32(q.body), le.Uint32(q.body[4:])
	if major < protoMajor || major == protoMajor && minor < oldestMinor {
		return 0, fmt.Errorf("the kernel speaks FUSE %d.%d; %d.%d is the oldest that is understood: %w",
			major, minor, protoMajor, oldestMinor, syscall.EPROTO)
	}
	clear(p[:initOutSize])
	le.PutUint32(p, protoMajor)
	le.PutUint32(p[4:], protoMinor)
	if major > protoMajor { // it asks again with ours
		return initOutSize, nil
	}
	flags := le.Uint32(q.body[12:]) & wantedFlags
	le.PutUint32(p[8:], le.Uint32(q.body[8:])) // its read-ahead
	le.PutUint32(p[12:], flags)
	// The kernel reads files in the background: with this many READs at a time,
	// however slow the storage is, a worker is left for the rest.
	le.PutUint16(p[16:], uint16(min(max(s.workers-1, 1), math.MaxUint16)))
	le.PutUint16(p[18:], congestion)
	le.PutUint32(p[20:], 4096) // the least max_write that is allowed
	le.PutUint32(p[24:], 1)    // time granularity in nanoseconds
	le.PutUint16(p[28:], maxData/4096)
	s.flags.Store(flags)
	return initOutSize, nil
}

// doOpen answers OPEN and OPENDIR of a kernel that needs to be told so once, or,
// before Linux 5.1 for directories, each time, that the cache stays valid.
func (s *Server) doOpen(support uint32, p []byte) (int, error) {
	if s.flags.Load()&support != 0 {
		return 0, syscall.ENOSYS
	}
	const keepCache, cacheDir = 1 << 1, 1 << 3
	clear(p[:openOutSize])
	le.PutUint32(p[8:], keepCache|cacheDir)
	return openOutSize, nil
}

// doLookup answers a missing name with node id 0, which the kernel remembers.
func (s *Server) doLookup(q request, p []byte) (int, error) {
	name, ok := cString(q.body)
	if !ok {
		return 0, syscall.EINVAL
	}
	dir, err := s.node(q.node)
	if err != nil {
		return 0, err
	}
	n, err := s.lookup(dir, name)
	if err != nil {
		if err != syscall.ENOENT {
			return 0, err
		}
		clear(p[:entryOutSize])
		le.PutUint64(p[16:], forever)
		return entryOutSize, nil
	}
	s.putEntry(p, n)
	return entryOutSize, nil
}

func (s *Server) doGetattr(q request, p []byte) (int, error) {
	n, err := s.node(q.node)
	if err != nil {
		return 0, err
	}
	clear(p[:16])
	le.PutUint64(p, forever)
	s.putAttr(p[16:], n)
	return attrOutSize, nil
}

func (s *Server) doReadlink(q request, p []byte) (int, error) {
	n, err := s.node(q.node)
	if err != nil {
		return 0, err
	}
	text, ok := n.link()
	if !ok {
		return 0, syscall.EINVAL
	}
	return copy(p, text), nil
}

// doRead answers READ; less than was asked for means end of file.
func (s *Server) doRead(q request, p []byte, wait bool) (int, error) {
	if len(q.body) < readInSize {
		return 0, syscall.EINVAL
	}
	off, size := le.Uint64(q.body[8:]), le.Uint32(q.body[16:])
	p = p[:min(uint64(size), uint64(len(p)))]
	n, err := s.node(q.node)
	switch {
	case err != nil:
		return 0, err
	case n.isDir():
		return 0, syscall.EISDIR
	case off > math.MaxInt64:
		return 0, syscall.EINVAL
	case n.x != nil:
		return copy(p, n.x.data[min(off, uint64(len(n.x.data))):]), nil
	}
	read := s.r.ReadReady
	if wait {
		read = s.r.ReadAt
	}
	got, err := read(n.ino, p, int64(off))
	if err == squashfs.ErrNotReady {
		return 0, err
	}
	if s.trace != nil {
		s.trace(n.ino, int64(off), int64(len(p)))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	return got, nil
}

// doStatfs shows a file system without free space.
func (s *Server) doStatfs(p []byte) int {
	clear(p[:statfsOutSize])
	size := uint64(s.super.BlockSize)
	le.PutUint64(p, (s.super.BytesUsed+size-1)/size)
	le.PutUint64(p[24:], uint64(s.super.Inodes)+uint64(len(s.extras)))
	le.PutUint32(p[40:], s.super.BlockSize)
	le.PutUint32(p[44:], maxName)
	le.PutUint32(p[48:], s.super.BlockSize)
	return statfsOutSize
}

// cString returns the string before the NUL that ends b.
func cString(b []byte) (string, bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return "", false
	}
	return string(b[:i]), true
}
