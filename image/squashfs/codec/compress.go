package codec

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/sealift/sealift/image/squashfs/format"
)

// The levels that level 0 stands for. Beyond gzip 6, deflate costs several
// times the work for about one percent of size.
const (
	DefaultGzipLevel = 6
	DefaultZstdLevel = 3
)

// ErrCannotCompress is wrapped by NewCompressor's error for a compression
// that can be read but not written.
var ErrCannotCompress = errors.New("writing this compression is not supported")

// A Compressor compresses one block at a time, each independent of the last:
// its output depends on src only. It serves one goroutine.
type Compressor interface {
	// Compress appends the compressed form of src to dst. What it appends may
	// be longer than src; the caller then stores src as it is.
	Compress(dst, src []byte) ([]byte, error)
}

// NewCompressor returns a maker of Compressors for the superblock's
// compression id: format.Gzip (a zlib stream, RFC 1950; levels 1 to 9) or
// format.Zstd (RFC 8878; levels 1 to 22, of which neighbours may be the same).
// Level 0 is the default.
func NewCompressor(id uint16, level int) (func() (Compressor, error), error) {
	switch id {
	case format.Gzip:
		level, err := checkLevel("gzip", level, DefaultGzipLevel, 9)
		if err != nil {
			return nil, err
		}
		return func() (Compressor, error) { return newGzip(level) }, nil
	case format.Zstd:
		level, err := checkLevel("zstd", level, DefaultZstdLevel, 22)
		if err != nil {
			return nil, err
		}
		return func() (Compressor, error) { return newZstd(level) }, nil
	}
	return nil, fmt.Errorf("squashfs: compression %d: %w", id, ErrCannotCompress)
}

func checkLevel(name string, level, preset, highest int) (int, error) {
	if level == 0 {
		return preset, nil
	}
	if level < 0 || level > highest {
		return 0, fmt.Errorf("squashfs: %s level %d is not in 1 to %d", name, level, highest)
	}
	return level, nil
}

type gzipCompressor struct{ w *zlib.Writer }

func newGzip(level int) (Compressor, error) {
	w, err := zlib.NewWriterLevel(nil, level)
	return gzipCompressor{w}, err
}

func (c gzipCompressor) Compress(dst, src []byte) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	c.w.Reset(out)
	if _, err := c.w.Write(src); err != nil {
		return nil, fmt.Errorf("squashfs: gzip: %w", err)
	}
	if err := c.w.Close(); err != nil {
		return nil, fmt.Errorf("squashfs: gzip: %w", err)
	}
	return out.Bytes(), nil
}

type zstdCompressor struct{ e *zstd.Encoder }

// newZstd makes frames the kernel can decode: it sizes its window by the block
// size and refuses a frame that asks for more, so every frame is a single
// segment, whose window is its own content.
func newZstd(level int) (Compressor, error) {
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(format.MaxBlockSize),
		zstd.WithSingleSegment(true),
		zstd.WithEncoderCRC(false))
	return zstdCompressor{e}, err
}

func (c zstdCompressor) Compress(dst, src []byte) ([]byte, error) {
	return c.e.EncodeAll(src, dst), nil
}
