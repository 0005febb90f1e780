package imagefs

import (
	"encoding/binary"
	"syscall"

	"github.com/sealift/sealift/image/squashfs/format"
)

// Opcodes of include/uapi/linux/fuse.h.
const (
	opLookup      = 1
	opForget      = 2
	opGetattr     = 3
	opSetattr     = 4
	opReadlink    = 5
	opSymlink     = 6
	opMknod       = 8
	opMkdir       = 9
	opUnlink      = 10
	opRmdir       = 11
	opRename      = 12
	opLink        = 13
	opOpen        = 14
	opRead        = 15
	opWrite       = 16
	opStatfs      = 17
	opRelease     = 18
	opSetxattr    = 21
	opGetxattr    = 22
	opListxattr   = 23
	opRemovexattr = 24
	opInit        = 26
	opOpendir     = 27
	opReaddir     = 28
	opReleasedir  = 29
	opCreate      = 35
	opInterrupt   = 36
	opDestroy     = 38
	opIoctl       = 39
	opNotifyReply = 41
	opBatchForget = 42
	opFallocate   = 43
	opReaddirplus = 44
	opRename2     = 45
	opTmpfile     = 51
)

// Flags of FUSE_INIT.
const (
	asyncRead         = 1 << 0
	doReaddirplus     = 1 << 13
	readdirplusAuto   = 1 << 14
	noOpenSupport     = 1 << 17
	parallelDirops    = 1 << 18
	maxPages          = 1 << 22
	cacheSymlinks     = 1 << 23
	noOpendirSupport  = 1 << 24
	explicitInvalData = 1 << 25

	wantedFlags = asyncRead | doReaddirplus | readdirplusAuto | noOpenSupport | parallelDirops |
		maxPages | cacheSymlinks | noOpendirSupport | explicitInvalData
)

// Sizes of the protocol's structures, and limits, in bytes.
const (
	inHeaderSize   = 40
	outHeaderSize  = 16
	attrSize       = 88
	attrOutSize    = 16 + attrSize
	entryOutSize   = 40 + attrSize
	direntSize     = 24 // without the name
	initInSize     = 16
	initOutSize    = 64
	readInSize     = 40
	getxattrInSize = 8
	openOutSize    = 16
	statfsOutSize  = 80

	// maxRequest is more than any request that a read-only file system needs
	// read; the kernel itself fails longer ones. It insists on 8 KiB.
	maxRequest = 16 << 10
	// maxData is the longest READ and listing: the kernel's default of 32
	// pages, which is also the read-ahead that an unprivileged mount gets.
	maxData  = 128 << 10
	maxReply = outHeaderSize + maxData
	// congestion is how many READs may wait before the kernel reads less ahead.
	congestion = 12

	protoMajor  = 7
	protoMinor  = 31 // the newest whose structures are used here
	oldestMinor = 23 // the first with 64-byte FUSE_INIT replies

	// forever is the life of cached attributes and entries, in seconds.
	forever = 1 << 32
)

var le = binary.NativeEndian

// request is a message from the kernel.
type request struct {
	op     uint32
	unique uint64
	node   uint64
	uid    uint32
	body   []byte
}

// parseRequest splits a message into header and body. It returns false for
// what is too short or does not have the length it claims.
func parseRequest(msg []byte) (request, bool) {
	if len(msg) < inHeaderSize || uint64(le.Uint32(msg)) != uint64(len(msg)) {
		return request{}, false
	}
	return request{
		op: le.Uint32(msg[4:]), unique: le.Uint64(msg[8:]), node: le.Uint64(msg[16:]),
		uid: le.Uint32(msg[24:]), body: msg[inHeaderSize:],
	}, true
}

// putHeader writes the header of a reply with n bytes of payload.
func putHeader(out []byte, n int, errno syscall.Errno, unique uint64) {
	le.PutUint32(out, uint32(outHeaderSize+n))
	le.PutUint32(out[4:], uint32(-int32(errno)))
	le.PutUint64(out[8:], unique)
}

// putEntry writes a fuse_entry_out, which is a node id, its lifetimes and the
// node's attributes.
func (s *Server) putEntry(p []byte, n node) {
	clear(p[:40])
	le.PutUint64(p, n.id)
	le.PutUint64(p[16:], forever)
	le.PutUint64(p[24:], forever)
	s.putAttr(p[40:], n)
}

// putAttr writes a fuse_attr.
func (s *Server) putAttr(p []byte, n node) {
	a := s.attr(n)
	le.PutUint64(p, a.ino)
	le.PutUint64(p[8:], a.size)
	le.PutUint64(p[16:], a.blocks)
	for i := range uint64(3) { // atime, mtime, ctime
		le.PutUint64(p[24+8*i:], a.mtime)
		le.PutUint32(p[48+4*i:], 0)
	}
	le.PutUint32(p[60:], a.mode)
	le.PutUint32(p[64:], a.nlink)
	le.PutUint32(p[68:], a.uid)
	le.PutUint32(p[72:], a.gid)
	le.PutUint32(p[76:], a.rdev)
	le.PutUint32(p[80:], s.super.BlockSize)
	le.PutUint32(p[84:], 0) // flags
}

// attr is what stat(2) shows of a node.
type attr struct {
	ino, size, blocks, mtime    uint64
	mode, nlink, uid, gid, rdev uint32
}

func (s *Server) attr(n node) attr {
	var a attr
	if ino := n.ino; ino != nil {
		a = attr{
			ino: uint64(ino.Number), size: ino.Size, mtime: uint64(ino.MTime),
			mode: ino.Mode, nlink: ino.Nlink, uid: ino.UID, gid: ino.GID, rdev: ino.Rdev,
		}
		switch ino.Type {
		case format.Reg, format.LReg:
			a.blocks = (ino.Size - min(ino.Sparse, ino.Size) + 511) / 512
		case format.Symlink, format.LSymlink:
			a.size = uint64(len(ino.Target))
		}
	}
	if x := n.x; x != nil {
		a.ino, a.nlink = x.number, x.nlink
		if x.base == nil {
			a.mode, a.size, a.mtime = x.mode, uint64(len(x.data)), uint64(s.super.ModTime)
			a.blocks = (a.size + 511) / 512
		}
	}
	if s.owner != nil {
		a.uid, a.gid = s.owner.UID, s.owner.GID
	}
	return a
}
