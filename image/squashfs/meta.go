package squashfs

import (
	"encoding/binary"
	"fmt"

	"github.com/sealift/sealift/image/squashfs/format"
)

// region is a run of metadata blocks in the image: [start, end).
type region struct{ start, end uint64 }

// room returns an upper bound of the bytes that the region from block off on
// can decode to; a metadata block takes 3 bytes or more.
func (g region) room(off uint64) uint64 {
	if off >= g.end-g.start {
		return 0
	}
	return (g.end - g.start - off) / 3 * format.MetaBlockSize
}

// metaBlock is a decoded metadata block.
type metaBlock struct {
	data []byte
	next uint64 // offset in the image of the block behind it
}

func (b metaBlock) cost() int64 { return int64(cap(b.data)) + 64 }

// metaBlock returns the decoded metadata block at offset off, which must end
// by end.
func (r *Reader) metaBlock(off, end uint64) (metaBlock, error) {
	if !within(off, 3, end) {
		return metaBlock{}, corrupt("metadata block at %d lies beyond its table, which ends at %d", off, end)
	}
	b, err := r.meta.value(off, func() (metaBlock, error) { return r.loadMeta(off) })
	if err == nil && b.next > end {
		err = corrupt("metadata block at %d crosses the end of its table at %d", off, end)
	}
	return b, err
}

func (r *Reader) loadMeta(off uint64) (metaBlock, error) {
	var head [2]byte
	if err := r.readAt(head[:], off); err != nil {
		return metaBlock{}, err
	}
	word := binary.LittleEndian.Uint16(head[:])
	n := word &^ format.MetaUncompressed
	if n == 0 || n > format.MetaBlockSize {
		return metaBlock{}, corrupt("metadata block at %d has length word %#x", off, word)
	}
	var room [format.MetaBlockSize]byte
	stored := room[:n]
	if err := r.readAt(stored, off+2); err != nil {
		return metaBlock{}, err
	}
	next := off + 2 + uint64(n)
	if word&format.MetaUncompressed != 0 {
		return metaBlock{append([]byte(nil), stored...), next}, nil
	}
	data := make([]byte, format.MetaBlockSize)
	m, err := r.codec.Decompress(data, stored)
	if err != nil || m == 0 {
		return metaBlock{}, corrupt("metadata block at %d does not decode: %w", off, orEmpty(err))
	}
	return metaBlock{data[:m], next}, nil
}

// orEmpty gives the absence of an error in a block without content a text.
func orEmpty(err error) error {
	if err == nil {
		return fmt.Errorf("it is empty")
	}
	return err
}

// cursor reads consecutive metadata.
type cursor struct {
	r       *Reader
	end     uint64 // of the region, in the image
	data    []byte // rest of the current block
	next    uint64 // the block behind it, in the image
	scratch []byte // assembles what crosses blocks
}

// cursor returns one that starts at ref, counted from g's start.
func (r *Reader) cursor(g region, ref format.Ref) (cursor, error) {
	c := cursor{r: r, end: g.end, next: g.start + ref.Block()}
	if ref.Block() > g.end-g.start {
		return c, corrupt("metadata reference %#x lies beyond its table", uint64(ref))
	}
	if err := c.advance(); err != nil {
		return c, err
	}
	if int(ref.Offset()) > len(c.data) {
		return c, corrupt("metadata reference %#x lies beyond its block of %d bytes", uint64(ref), len(c.data))
	}
	c.data = c.data[ref.Offset():]
	return c, nil
}

func (c *cursor) advance() error {
	b, err := c.r.metaBlock(c.next, c.end)
	if err != nil {
		return err
	}
	c.data, c.next = b.data, b.next
	return nil
}

// take returns the next n bytes, valid until the next take. n must be a small
// number or one already held against the region's room.
func (c *cursor) take(n int) ([]byte, error) {
	if n <= len(c.data) {
		b := c.data[:n:n]
		c.data = c.data[n:]
		return b, nil
	}
	c.scratch = c.scratch[:0]
	for len(c.scratch) < n {
		if len(c.data) == 0 {
			if err := c.advance(); err != nil {
				return nil, err
			}
		}
		k := min(n-len(c.scratch), len(c.data))
		c.scratch = append(c.scratch, c.data[:k]...)
		c.data = c.data[k:]
	}
	return c.scratch, nil
}

// peek returns the next n bytes, a small number, without moving.
func (c *cursor) peek(n int) ([]byte, error) {
	if n <= len(c.data) {
		return c.data[:n], nil
	}
	ahead := *c
	ahead.scratch = nil
	return ahead.take(n)
}
