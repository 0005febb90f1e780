package format

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Super is the superblock.
type Super struct {
	Inodes      uint32
	ModTime     uint32 // seconds since the epoch
	BlockSize   uint32
	Fragments   uint32
	Compression uint16
	Flags       uint16
	IDs         uint16
	Root        Ref
	BytesUsed   uint64

	// Offsets of the tables in the image, None where absent.
	IDTable, XattrTable, InodeTable, DirTable, FragmentTable, ExportTable uint64
}

// Bytes returns the superblock's 96 bytes.
func (s *Super) Bytes() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, SuperSize)
	b = le.AppendUint32(b, Magic)
	b = le.AppendUint32(b, s.Inodes)
	b = le.AppendUint32(b, s.ModTime)
	b = le.AppendUint32(b, s.BlockSize)
	b = le.AppendUint32(b, s.Fragments)
	b = le.AppendUint16(b, s.Compression)
	b = le.AppendUint16(b, uint16(bits.Len32(s.BlockSize)-1))
	b = le.AppendUint16(b, s.Flags)
	b = le.AppendUint16(b, s.IDs)
	b = le.AppendUint16(b, 4)
	b = le.AppendUint16(b, 0)
	for _, v := range []uint64{
		uint64(s.Root), s.BytesUsed, s.IDTable, s.XattrTable,
		s.InodeTable, s.DirTable, s.FragmentTable, s.ExportTable,
	} {
		b = le.AppendUint64(b, v)
	}
	return b
}

// ParseSuper reads the superblock at the start of b and checks every field
// that can be judged without the rest of the image.
func ParseSuper(b []byte) (*Super, error) {
	if len(b) < SuperSize {
		return nil, fmt.Errorf("squashfs: superblock is %d bytes, not %d", len(b), SuperSize)
	}
	le := binary.LittleEndian
	if m := le.Uint32(b); m != Magic {
		return nil, fmt.Errorf("squashfs: magic is %#x, not %#x", m, Magic)
	}
	s := &Super{
		Inodes: le.Uint32(b[4:]), ModTime: le.Uint32(b[8:]), BlockSize: le.Uint32(b[12:]),
		Fragments: le.Uint32(b[16:]), Compression: le.Uint16(b[20:]), Flags: le.Uint16(b[24:]),
		IDs: le.Uint16(b[26:]), Root: Ref(le.Uint64(b[32:])), BytesUsed: le.Uint64(b[40:]),
		IDTable: le.Uint64(b[48:]), XattrTable: le.Uint64(b[56:]), InodeTable: le.Uint64(b[64:]),
		DirTable: le.Uint64(b[72:]), FragmentTable: le.Uint64(b[80:]), ExportTable: le.Uint64(b[88:]),
	}
	log, major, minor := le.Uint16(b[22:]), le.Uint16(b[28:]), le.Uint16(b[30:])
	switch {
	case major != 4 || minor != 0:
		return nil, fmt.Errorf("squashfs: version %d.%d is not 4.0", major, minor)
	case s.BlockSize < MinBlockSize || s.BlockSize > MaxBlockSize || bits.OnesCount32(s.BlockSize) != 1:
		return nil, fmt.Errorf("squashfs: block size %d is not a power of two from 4096 to 1048576", s.BlockSize)
	case int(log) != bits.Len32(s.BlockSize)-1:
		return nil, fmt.Errorf("squashfs: block size %d does not match its logarithm %d", s.BlockSize, log)
	case s.Compression < Gzip || s.Compression > Zstd:
		return nil, fmt.Errorf("squashfs: unknown compression %d", s.Compression)
	case s.Inodes == 0 || s.IDs == 0:
		return nil, fmt.Errorf("squashfs: %d inodes and %d ids; both must be positive", s.Inodes, s.IDs)
	}
	return s, nil
}

// LZ4Options returns the compressor options without which the kernel does not
// mount an LZ4 image (fs/squashfs/lz4_wrapper.c): version 1, no flags.
func LZ4Options() []byte { return []byte{1, 0, 0, 0, 0, 0, 0, 0} }
