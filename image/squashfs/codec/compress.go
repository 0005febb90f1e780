package codec

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pierrec/lz4/v4"

	"github.com/sealift/sealift/image/squashfs/format"
)

// ErrCannotCompress is wrapped by NewEncoding's error for a compression that
// can be read but not written.
var ErrCannotCompress = errors.New("writing this compression is not supported")

// A Compressor compresses one block at a time, each independent of the last:
// its output depends on src only. It serves one goroutine.
type Compressor interface {
	// Compress appends the compressed form of src to dst. What it appends may
	// be longer than src; the caller then stores src as it is.
	Compress(dst, src []byte) ([]byte, error)
}

// Encoding is a Choice carried out.
type Encoding struct {
	// ID is the superblock's compression id.
	ID uint16
	// Options is what the superblock is followed by, in a metadata block, when
	// the compression demands it; empty otherwise.
	Options []byte
	// Store means that nothing is compressed.
	Store bool
	// New makes a Compressor.
	New func() (Compressor, error)
}

// NewEncoding checks a choice. blockSize is the image's, in bytes.
func NewEncoding(c Choice, blockSize int) (*Encoding, error) {
	c, err := c.resolve()
	if err != nil {
		return nil, err
	}
	e := &Encoding{ID: c.ID, Store: c.Store}
	switch {
	case c.Store:
		e.New = func() (Compressor, error) { return compressFunc(copyBlock), nil }
	case c.ID == format.Gzip:
		e.New = func() (Compressor, error) { return newGzip(c.Level) }
	case c.ID == format.Zstd:
		e.New = func() (Compressor, error) { return newZstd(c.Level) }
	case c.ID == format.LZ4:
		e.Options = format.LZ4Options()
		e.New = func() (Compressor, error) { return new(lz4Compressor), nil }
	case c.ID == format.XZ:
		e.New = func() (Compressor, error) { return newXZ(blockSize), nil }
	default:
		return nil, fmt.Errorf("squashfs: %s: %w", Name(c.ID), ErrCannotCompress)
	}
	return e, nil
}

type compressFunc func(dst, src []byte) ([]byte, error)

func (f compressFunc) Compress(dst, src []byte) ([]byte, error) { return f(dst, src) }

// copyBlock compresses nothing, so that the caller stores the block.
func copyBlock(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }

// lz4Compressor makes blocks without the frame of the lz4 tool.
type lz4Compressor struct{ lz4.Compressor }

func (c *lz4Compressor) Compress(dst, src []byte) ([]byte, error) {
	dst, room := grow(dst, lz4.CompressBlockBound(len(src)))
	n, err := c.CompressBlock(src, room)
	if err != nil {
		return nil, fmt.Errorf("squashfs: lz4: %w", err)
	}
	if n == 0 { // it does not become shorter
		return append(dst, src...), nil
	}
	return dst[:len(dst)+n], nil
}

// grow returns dst with n bytes of room behind it, and that room.
func grow(dst []byte, n int) (grown, room []byte) {
	dst = slices.Grow(dst, n)
	return dst, dst[len(dst) : len(dst)+n]
}
