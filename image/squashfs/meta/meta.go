// Package meta reads the metadata of a SquashFS image: the 8 KiB blocks that
// inodes, listings and attributes lie in, and the lookup tables.
//
// Input: the image as a Source, a Decompressor, and positions that the image
// itself names. Output: bytes, from a bounded cache of decoded blocks. All
// that is read is untrusted: a position outside its region, or a block that
// does not decode, is an error that wraps format.ErrCorrupt. The package does
// not know what the bytes mean.
package meta

import (
	"encoding/binary"
	"fmt"

	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/lru"
)

// cacheBytes is the size of the cache: the metadata of some 50,000 files.
const cacheBytes = 2 << 20

// Region is a run of metadata blocks in the image: [Start, End).
type Region struct{ Start, End uint64 }

// Room returns an upper bound of the bytes that the region from its byte off
// on can decode to: a metadata block takes 3 bytes or more.
func (g Region) Room(off uint64) uint64 {
	if off >= g.End-g.Start {
		return 0
	}
	return (g.End - g.Start - off) / 3 * format.MetaBlockSize
}

// Reader reads metadata blocks. It is safe for concurrent use.
type Reader struct {
	src   Source
	codec codec.Decompressor
	cache *lru.Cache[uint64, block] // by offset in the image
}

// block is a decoded metadata block.
type block struct {
	data []byte
	next uint64 // offset in the image of the block behind it
}

// NewReader returns a Reader of the image src.
func NewReader(src Source, c codec.Decompressor) *Reader {
	cost := func(b block) int64 { return int64(cap(b.data)) + 128 }
	return &Reader{src, c, lru.New[uint64](cacheBytes, cost, nil)}
}

// block returns the metadata block at offset off, which must end by end.
func (r *Reader) block(off, end uint64) (block, error) {
	if !Within(off, 3, end) {
		return block{}, format.Corrupt("metadata block at %d lies beyond its table, which ends at %d", off, end)
	}
	b, err := r.cache.Value(off, func() (block, error) { return r.load(off) })
	if err == nil && b.next > end {
		err = format.Corrupt("metadata block at %d crosses the end of its table at %d", off, end)
	}
	return b, err
}

func (r *Reader) load(off uint64) (block, error) {
	var room [2 + format.MetaBlockSize]byte
	if err := r.src.ReadFull(room[:2], off); err != nil {
		return block{}, err
	}
	word := binary.LittleEndian.Uint16(room[:])
	n := word &^ format.MetaUncompressed
	if n == 0 || n > format.MetaBlockSize {
		return block{}, format.Corrupt("metadata block at %d has length word %#x", off, word)
	}
	stored := room[2 : 2+n]
	if err := r.src.ReadFull(stored, off+2); err != nil {
		return block{}, err
	}
	next := off + 2 + uint64(n)
	if word&format.MetaUncompressed != 0 {
		return block{append([]byte(nil), stored...), next}, nil
	}
	data := make([]byte, format.MetaBlockSize)
	m, err := r.codec.Decompress(data, stored)
	switch {
	case err != nil:
		return block{}, fmt.Errorf("metadata block at %d: %w", off, err)
	case m == 0:
		return block{}, format.Corrupt("metadata block at %d is empty", off)
	}
	return block{data[:m], next}, nil
}

// Cursor reads consecutive metadata of a region.
type Cursor struct {
	r       *Reader
	end     uint64 // of the region, in the image
	data    []byte // rest of the current block
	next    uint64 // the block behind it, in the image
	scratch []byte // assembles what crosses blocks
}

// At returns a cursor at ref, which counts from g's start.
func (r *Reader) At(g Region, ref format.Ref) (Cursor, error) {
	c := Cursor{r: r, end: g.End, next: g.Start + ref.Block()}
	if ref.Block() > g.End-g.Start {
		return c, format.Corrupt("metadata reference %#x lies beyond its table", uint64(ref))
	}
	if err := c.advance(); err != nil {
		return c, err
	}
	if int(ref.Offset()) > len(c.data) {
		return c, format.Corrupt("metadata reference %#x lies beyond its block of %d bytes", uint64(ref), len(c.data))
	}
	c.data = c.data[ref.Offset():]
	return c, nil
}

func (c *Cursor) advance() error {
	b, err := c.r.block(c.next, c.end)
	if err != nil {
		return err
	}
	c.data, c.next = b.data, b.next
	return nil
}

// Room returns an upper bound of the bytes that are left to Take.
func (c *Cursor) Room() uint64 {
	return uint64(len(c.data)) + Region{min(c.next, c.end), c.end}.Room(0)
}

// Take returns the next n bytes, valid until the next Take and not to be
// modified. The caller bounds n.
func (c *Cursor) Take(n int) ([]byte, error) {
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

// Uint32 takes a 32-bit number.
func (c *Cursor) Uint32() (uint32, error) {
	b, err := c.Take(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

// Peek returns the next n bytes without taking them.
func (c *Cursor) Peek(n int) ([]byte, error) {
	if n <= len(c.data) {
		return c.data[:n:n], nil
	}
	ahead := *c
	ahead.scratch = nil
	return ahead.Take(n)
}
