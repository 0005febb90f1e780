package meta

import (
	"fmt"
	"io"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/squashfs/format"
)

// Source is an image's bytes and their number, as its superblock states it.
type Source struct {
	R    io.ReaderAt
	Size uint64 // at most 2^63-1
}

// ReadFull fills b from offset off. A part beyond Size, or beyond the end of a
// file that has become shorter, is an error that wraps format.ErrCorrupt.
func (s Source) ReadFull(b []byte, off uint64) error {
	if !Within(off, uint64(len(b)), s.Size) {
		return format.Corrupt("%d bytes at %d lie beyond its end at %d", len(b), off, s.Size)
	}
	n, err := s.R.ReadAt(b, int64(off))
	switch {
	case n == len(b):
		return nil
	case err == io.EOF:
		err := format.Corrupt("truncated at %d: %w", off+uint64(n), io.ErrUnexpectedEOF)
		return hint.Wrap(err, "copy or download the image again, and never overwrite one that is in use")
	}
	return fmt.Errorf("squashfs: read %d bytes at %d: %w", len(b), off, err)
}

// Within tells whether n bytes at off end at or before limit, without
// overflow.
func Within(off, n, limit uint64) bool { return off <= limit && n <= limit-off }
