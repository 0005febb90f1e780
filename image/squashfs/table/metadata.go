package table

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
)

// metadata is a table in the making: a stream cut into metadata blocks of
// format.MetaBlockSize bytes, each compressed and led by its 16-bit length.
type metadata struct {
	c      codec.Compressor
	out    []byte   // finished blocks
	starts []uint64 // where in out each begins
	open   []byte   // the unfinished block
	err    error    // the first error; nothing is kept after it
}

// ref is where the next byte will be.
func (m *metadata) ref() format.Ref {
	return format.MakeRef(uint64(len(m.out)), uint16(len(m.open)))
}

// room is how many bytes the unfinished block still takes; at least one.
func (m *metadata) room() int { return format.MetaBlockSize - len(m.open) }

func (m *metadata) write(b []byte) {
	for len(b) > 0 && m.err == nil {
		n := min(len(b), m.room())
		m.open = append(m.open, b[:n]...)
		b = b[n:]
		if m.room() == 0 {
			m.flush()
		}
	}
}

func (m *metadata) flush() {
	if len(m.open) == 0 {
		return
	}
	start := len(m.out)
	m.starts = append(m.starts, uint64(start))
	m.out = append(m.out, 0, 0)
	out, err := m.c.Compress(m.out, m.open)
	if err != nil {
		m.err = fmt.Errorf("squashfs: compress metadata: %w", err)
		return
	}
	length := len(out) - start - 2
	if length >= len(m.open) {
		out = append(out[:start+2], m.open...)
		length = len(m.open) | format.MetaUncompressed
	}
	binary.LittleEndian.PutUint16(out[start:], uint16(length))
	m.out, m.open = out, m.open[:0]
}

// finish returns the table's bytes. References into it are 32 bits wide in
// directories and 48 in inodes, so it must end below 4 GiB.
func (m *metadata) finish(name string) ([]byte, error) {
	m.flush()
	if m.err == nil && len(m.out) > math.MaxUint32 {
		m.err = fmt.Errorf("squashfs: the %s table is %d bytes; the format ends at 4 GiB", name, len(m.out))
	}
	return m.out, m.err
}

// indexed finishes a table that is found through an index, for writing at
// position pos: its blocks, and the 64-bit position of each.
func (m *metadata) indexed(pos uint64) (blocks, index []byte, err error) {
	m.flush()
	for _, start := range m.starts {
		index = binary.LittleEndian.AppendUint64(index, pos+start)
	}
	return m.out, index, m.err
}
