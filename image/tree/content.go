package tree

import (
	"bytes"
	"io"
)

// Opener is Content that can be read, any number of times.
type Opener interface {
	Content
	Open() (io.ReadCloser, error)
}

// Sparse is what a reader that an Opener opens may be as well: one that knows
// where its file has holes, which need not be read.
type Sparse interface {
	io.Reader
	// Hole returns how many bytes of a hole follow; 0 if none do that it knows
	// of.
	Hole() (int64, error)
	// Skip passes over the next n bytes, which are in a hole.
	Skip(n int64) error
}

// Bytes is Content held in memory.
type Bytes []byte

// Size returns the length in bytes.
func (b Bytes) Size() int64 { return int64(len(b)) }

// Open returns a reader of the bytes.
func (b Bytes) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
