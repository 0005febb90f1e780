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

// Bytes is Content held in memory.
type Bytes []byte

// Size returns the length in bytes.
func (b Bytes) Size() int64 { return int64(len(b)) }

// Open returns a reader of the bytes.
func (b Bytes) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
