package format

import (
	"encoding/binary"
	"math"
)

// DirHeaderSize is the length in bytes of a directory header, and
// DirEntrySize that of an entry without its name.
const (
	DirHeaderSize = 12
	DirEntrySize  = 8
)

// RunLength returns how many of the first of entries one directory header can
// cover: at most MaxDirCount, all with inodes in one metadata block and inode
// numbers that differ from the first's by a signed 16-bit number.
func RunLength(entries []DirEntry) int {
	for i := range entries {
		delta := int64(entries[i].Number) - int64(entries[0].Number)
		if i == MaxDirCount || entries[i].Ref.Block() != entries[0].Ref.Block() ||
			delta < math.MinInt16 || delta > math.MaxInt16 {
			return i
		}
	}
	return len(entries)
}

// AppendDirRun appends a directory header and the entries it covers, which
// must be at least one and pass RunLength.
func AppendDirRun(b []byte, entries []DirEntry) []byte {
	le := binary.LittleEndian
	first := entries[0]
	b = le.AppendUint32(b, uint32(len(entries)-1))
	b = le.AppendUint32(b, uint32(first.Ref.Block()))
	b = le.AppendUint32(b, first.Number)
	for _, e := range entries {
		b = le.AppendUint16(b, e.Ref.Offset())
		b = le.AppendUint16(b, uint16(e.Number-first.Number))
		b = le.AppendUint16(b, e.Type)
		b = le.AppendUint16(b, uint16(len(e.Name)-1))
		b = append(b, e.Name...)
	}
	return b
}
