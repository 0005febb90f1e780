package format

import (
	"encoding/binary"
	"math"
)

// inodeSizes holds the length in bytes of each inode type's fixed part. An
// extended symbolic link has four more bytes, its xattr index, behind the
// target.
var inodeSizes = [...]int{
	Dir: 32, Reg: 32, Symlink: 24, Block: 24, Char: 24, FIFO: 20, Socket: 20,
	LDir: 40, LReg: 56, LSymlink: 24, LBlock: 28, LChar: 28, LFIFO: 24, LSocket: 24,
}

// InodeSize returns the length in bytes of the fixed part of an inode of the
// type that b, the inode's first two bytes, names.
func InodeSize(b []byte) (int, error) {
	typ := binary.LittleEndian.Uint16(b)
	if typ < Dir || typ > LSocket {
		return 0, Corrupt("inode type %d is unknown", typ)
	}
	return inodeSizes[typ], nil
}

// ParseInode parses the fixed part of an inode, InodeSize bytes, of an image
// with the given block size. tail is the number of items that follow: block
// lengths of 4 bytes (files), bytes of the target (symbolic links) or index
// entries (extended directories). A symbolic link's target length is also its
// Size.
func ParseInode(b []byte, blockSize uint32) (ino Inode, tail uint64, err error) {
	le := binary.LittleEndian
	ino = Inode{
		Type: le.Uint16(b), Perm: le.Uint16(b[2:]) & 0o7777, UIDIdx: le.Uint16(b[4:]), GIDIdx: le.Uint16(b[6:]),
		MTime: le.Uint32(b[8:]), Number: le.Uint32(b[12:]), Nlink: 1, Xattr: NoXattr, Fragment: NoFragment,
	}
	if ino.Number == 0 {
		return ino, 0, Corrupt("inode number is 0")
	}
	rest := b[16:]
	switch ino.Type {
	case Dir, LDir:
		tail = ino.parseDir(rest)
	case Reg, LReg:
		tail, err = ino.parseReg(rest, blockSize)
	case Symlink, LSymlink:
		ino.Nlink, ino.Size = le.Uint32(rest), uint64(le.Uint32(rest[4:]))
		if tail = ino.Size; tail == 0 || tail > MaxSymlink {
			err = Corrupt("symbolic link of %d bytes; 1 to %d are possible", tail, MaxSymlink)
		}
	default:
		ino.parseSpecial(rest)
	}
	return ino, tail, err
}

func (i *Inode) parseDir(b []byte) (index uint64) {
	le := binary.LittleEndian
	if i.Type == Dir {
		i.DirBlock, i.Nlink = le.Uint32(b), le.Uint32(b[4:])
		i.Size, i.DirOffset = uint64(le.Uint16(b[8:])), le.Uint16(b[10:])
		i.Parent = le.Uint32(b[12:])
		return 0
	}
	i.Nlink, i.Size = le.Uint32(b), uint64(le.Uint32(b[4:]))
	i.DirBlock, i.Parent = le.Uint32(b[8:]), le.Uint32(b[12:])
	i.DirOffset, i.Xattr = le.Uint16(b[18:]), le.Uint32(b[20:])
	return uint64(le.Uint16(b[16:]))
}

func (i *Inode) parseReg(b []byte, blockSize uint32) (blocks uint64, err error) {
	le := binary.LittleEndian
	if i.Type == Reg {
		i.Start, i.Fragment = uint64(le.Uint32(b)), le.Uint32(b[4:])
		i.FragOff, i.Size = le.Uint32(b[8:]), uint64(le.Uint32(b[12:]))
	} else {
		i.Start, i.Size, i.Sparse = le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:])
		i.Nlink, i.Fragment = le.Uint32(b[24:]), le.Uint32(b[28:])
		i.FragOff, i.Xattr = le.Uint32(b[32:]), le.Uint32(b[36:])
	}
	if i.Size > math.MaxInt64 {
		return 0, Corrupt("file of %d bytes", i.Size)
	}
	blocks = i.Size / uint64(blockSize)
	if i.Fragment == NoFragment && i.Size%uint64(blockSize) != 0 {
		blocks++
	}
	return blocks, nil
}

// parseSpecial parses devices, FIFOs and sockets: the link count, the device
// number of a device, and the xattr index of an extended type.
func (i *Inode) parseSpecial(b []byte) {
	le := binary.LittleEndian
	i.Nlink, b = le.Uint32(b), b[4:]
	switch i.Type {
	case Block, Char, LBlock, LChar:
		i.Rdev, b = le.Uint32(b), b[4:]
	}
	if i.Type >= LDir {
		i.Xattr = le.Uint32(b)
	}
}

// BasicType returns the basic type of a basic or extended inode type.
func BasicType(typ uint16) uint16 {
	if typ >= LDir {
		return typ - (LDir - Dir)
	}
	return typ
}

// Mode returns the inode's st_mode: file type and permissions as in inode(7).
func (i *Inode) Mode() uint32 {
	var types = [...]uint32{
		Dir: 0o040000, Reg: 0o100000, Symlink: 0o120000, Block: 0o060000,
		Char: 0o020000, FIFO: 0o010000, Socket: 0o140000,
	}
	return types[BasicType(i.Type)] | uint32(i.Perm)&0o7777
}

// StoredLen parses the length word of a data block or fragment: the number of
// bytes stored, at most blockSize, and whether they are compressed.
func StoredLen(word, blockSize uint32) (n uint32, compressed bool, err error) {
	n = word &^ BlockUncompressed
	if n > blockSize {
		return 0, false, Corrupt("block length word %#x exceeds the block size %d", word, blockSize)
	}
	return n, word&BlockUncompressed == 0, nil
}

// ParseFragment parses an entry of the fragment table, FragmentSize bytes.
func ParseFragment(b []byte, blockSize uint32) (Fragment, error) {
	f := Fragment{Start: binary.LittleEndian.Uint64(b), Size: binary.LittleEndian.Uint32(b[8:])}
	n, _, err := StoredLen(f.Size, blockSize)
	if err == nil && n == 0 {
		err = Corrupt("fragment of 0 bytes")
	}
	return f, err
}
