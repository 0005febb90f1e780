package format

import (
	"encoding/binary"
	"math"
)

// Type returns the basic inode type (Dir to Socket) of an st_mode, or 0 for
// none.
func Type(mode uint32) uint16 {
	switch mode & 0o170000 {
	case 0o040000:
		return Dir
	case 0o100000:
		return Reg
	case 0o120000:
		return Symlink
	case 0o060000:
		return Block
	case 0o020000:
		return Char
	case 0o010000:
		return FIFO
	case 0o140000:
		return Socket
	}
	return 0
}

// Extend turns i.Type from basic to extended if some field of i does not fit
// the basic form.
func (i *Inode) Extend() {
	extended := i.Xattr != NoXattr
	switch i.Type {
	case Dir:
		extended = extended || i.Size > math.MaxUint16 || len(i.Index) > 0
	case Reg:
		extended = extended || i.Nlink != 1 || i.Sparse > 0 ||
			i.Size > math.MaxUint32 || i.Start > math.MaxUint32
	}
	if extended && i.Type <= Socket {
		i.Type += LDir - Dir
	}
}

// Append appends the inode as the inode table holds it. The fields must fit
// the form that i.Type names; see Extend. An unknown type appends the common
// header alone.
func (i *Inode) Append(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint16(b, i.Type)
	b = le.AppendUint16(b, i.Perm)
	b = le.AppendUint16(b, i.UIDIdx)
	b = le.AppendUint16(b, i.GIDIdx)
	b = le.AppendUint32(b, i.MTime)
	b = le.AppendUint32(b, i.Number)
	switch i.Type {
	case Dir, LDir:
		return i.appendDir(b)
	case Reg, LReg:
		return i.appendReg(b)
	case Symlink, LSymlink:
		b = le.AppendUint32(b, i.Nlink)
		b = le.AppendUint32(b, uint32(len(i.Target)))
		b = append(b, i.Target...)
	case Block, Char, LBlock, LChar:
		b = le.AppendUint32(b, i.Nlink)
		b = le.AppendUint32(b, i.Rdev)
	case FIFO, Socket, LFIFO, LSocket:
		b = le.AppendUint32(b, i.Nlink)
	}
	if i.Type >= LDir {
		b = le.AppendUint32(b, i.Xattr)
	}
	return b
}

func (i *Inode) appendReg(b []byte) []byte {
	le := binary.LittleEndian
	if i.Type == Reg {
		b = le.AppendUint32(b, uint32(i.Start))
		b = le.AppendUint32(b, i.Fragment)
		b = le.AppendUint32(b, i.FragOff)
		b = le.AppendUint32(b, uint32(i.Size))
	} else {
		b = le.AppendUint64(b, i.Start)
		b = le.AppendUint64(b, i.Size)
		b = le.AppendUint64(b, i.Sparse)
		b = le.AppendUint32(b, i.Nlink)
		b = le.AppendUint32(b, i.Fragment)
		b = le.AppendUint32(b, i.FragOff)
		b = le.AppendUint32(b, i.Xattr)
	}
	for _, n := range i.Blocks {
		b = le.AppendUint32(b, n)
	}
	return b
}

func (i *Inode) appendDir(b []byte) []byte {
	le := binary.LittleEndian
	if i.Type == Dir {
		b = le.AppendUint32(b, i.DirBlock)
		b = le.AppendUint32(b, i.Nlink)
		b = le.AppendUint16(b, uint16(i.Size))
		b = le.AppendUint16(b, i.DirOffset)
		return le.AppendUint32(b, i.Parent)
	}
	b = le.AppendUint32(b, i.Nlink)
	b = le.AppendUint32(b, uint32(i.Size))
	b = le.AppendUint32(b, i.DirBlock)
	b = le.AppendUint32(b, i.Parent)
	b = le.AppendUint16(b, uint16(len(i.Index)))
	b = le.AppendUint16(b, i.DirOffset)
	b = le.AppendUint32(b, i.Xattr)
	for _, x := range i.Index {
		b = le.AppendUint32(b, x.Offset)
		b = le.AppendUint32(b, x.Block)
		b = le.AppendUint32(b, uint32(len(x.Name)-1))
		b = append(b, x.Name...)
	}
	return b
}
