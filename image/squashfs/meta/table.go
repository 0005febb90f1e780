package meta

import (
	"encoding/binary"
	"fmt"

	"github.com/sealift/sealift/image/squashfs/format"
)

// Table is a lookup table: entries of one size in metadata blocks, each full
// but the last, and a list of where these blocks lie. The zero Table is empty.
type Table struct {
	r      *Reader
	name   string
	count  uint32
	size   int      // bytes of an entry
	blocks []uint64 // offsets in the image
	end    uint64   // no block reaches beyond
}

// Table reads the list at offset off of the blocks that hold count entries of
// size bytes, which divides a metadata block's. The blocks lie one behind the
// other from floor on and before the list. name is for errors.
func (r *Reader) Table(name string, off, floor uint64, count uint32, size int) (Table, error) {
	t := Table{r: r, name: name, count: count, size: size, end: off}
	n := (uint64(count)*uint64(size) + format.MetaBlockSize - 1) / format.MetaBlockSize
	if !Within(off, 8*n, r.src.Size) {
		return t, format.Corrupt("%s table of %d entries at %d lies beyond its end", name, count, off)
	}
	b := make([]byte, 8*n)
	if err := r.src.ReadFull(b, off); err != nil {
		return t, fmt.Errorf("%s table: %w", name, err)
	}
	t.blocks = make([]uint64, n)
	for i := range t.blocks {
		pos := binary.LittleEndian.Uint64(b[8*i:])
		if pos < floor || pos >= off {
			return t, format.Corrupt("%s table: block %d at %d lies outside %d to %d", name, i, pos, floor, off)
		}
		t.blocks[i], floor = pos, pos+3
	}
	return t, nil
}

// Count returns the number of entries.
func (t *Table) Count() uint32 { return t.count }

// Start returns where the table begins in the image, or otherwise if it is
// empty.
func (t *Table) Start(otherwise uint64) uint64 {
	if len(t.blocks) == 0 {
		return otherwise
	}
	return t.blocks[0]
}

// Entry returns the bytes of entry i, which must not be modified.
func (t *Table) Entry(i uint32) ([]byte, error) {
	if i >= t.count {
		return nil, format.Corrupt("%s %d of %d", t.name, i, t.count)
	}
	per := uint32(format.MetaBlockSize / t.size)
	b, err := t.r.block(t.blocks[i/per], t.end)
	if err != nil {
		return nil, fmt.Errorf("%s %d: %w", t.name, i, err)
	}
	off := int(i%per) * t.size
	if off+t.size > len(b.data) {
		return nil, format.Corrupt("%s %d lies beyond its block of %d bytes", t.name, i, len(b.data))
	}
	return b.data[off : off+t.size : off+t.size], nil
}
