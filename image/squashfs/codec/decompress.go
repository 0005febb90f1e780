package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/anchore/go-lzo"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/squashfs/format"
)

// errTooLong says that a block decodes to more than there is room for.
var errTooLong = errors.New("decodes to more than the block size")

type decompressFunc func(dst, src []byte) (int, error)

func (f decompressFunc) Decompress(dst, src []byte) (int, error) { return f(dst, src) }

func decompressLZO(dst, src []byte) (int, error) {
	n, err := lzo.Decompress(src, dst)
	return wrap("lzo", n, err)
}

// decompressLZ4 decodes an LZ4 block without the frame of the lz4 tool.
func decompressLZ4(dst, src []byte) (int, error) {
	n, err := lz4.UncompressBlock(src, dst)
	return wrap("lz4", n, err)
}

// readAll reads r to its end into dst.
func readAll(dst []byte, r io.Reader) (n int, err error) {
	var more [1]byte
	for err == nil {
		var k int
		if n < len(dst) {
			k, err = r.Read(dst[n:])
			n += k
		} else if k, err = r.Read(more[:]); k > 0 {
			return 0, errTooLong
		}
		if k == 0 && err == nil {
			return 0, io.ErrNoProgress
		}
	}
	if err != io.EOF {
		return 0, err
	}
	return n, nil
}

// wrap names the compression in an error, which is the block's fault unless it
// is errors.ErrUnsupported, and drops the count that came with it.
func wrap(name string, n int, err error) (int, error) {
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, errors.ErrUnsupported):
		err = fmt.Errorf("squashfs: %s: %w", name, err)
		return 0, hint.Wrap(err, "make the image again with zstd, gzip or plain xz compression")
	}
	return 0, format.Corrupt("%s: %w", name, err)
}

// gzipDecompressor decodes zlib streams (RFC 1950), which the format calls
// gzip.
type gzipDecompressor struct{ pool sync.Pool }

type gzipReader struct {
	src bytes.Reader
	z   io.ReadCloser // nil before the first block
}

func (d *gzipDecompressor) Decompress(dst, src []byte) (int, error) {
	r, ok := d.pool.Get().(*gzipReader)
	if !ok {
		r = new(gzipReader)
	}
	n, err := r.decompress(dst, src)
	if r.z != nil {
		r.src.Reset(nil)
		d.pool.Put(r)
	}
	return wrap("gzip", n, err)
}

func (r *gzipReader) decompress(dst, src []byte) (n int, err error) {
	r.src.Reset(src)
	if r.z == nil {
		if r.z, err = zlib.NewReader(&r.src); err != nil {
			r.z = nil
			return 0, err
		}
	} else if err = r.z.(zlib.Resetter).Reset(&r.src, nil); err != nil {
		return 0, err
	}
	return readAll(dst, r.z)
}

type zstdDecompressor struct{ pool sync.Pool }

// newZstdDecompressor makes one decoder at once so that a bad option shows
// here rather than at the first block.
func newZstdDecompressor() (*zstdDecompressor, error) {
	z, err := newZstdReader()
	if err != nil {
		return nil, err
	}
	d := new(zstdDecompressor)
	d.pool.Put(z)
	return d, nil
}

func newZstdReader() (*zstd.Decoder, error) {
	z, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(format.MaxBlockSize),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("squashfs: zstd decoder: %w", err)
	}
	return z, nil
}

func (d *zstdDecompressor) Decompress(dst, src []byte) (int, error) {
	z, ok := d.pool.Get().(*zstd.Decoder)
	if !ok {
		var err error
		if z, err = newZstdReader(); err != nil {
			return 0, err
		}
	}
	out, err := z.DecodeAll(src, dst[:0:min(cap(dst), len(dst)+Slack)])
	d.pool.Put(z)
	if err == nil && len(out) > 0 && (len(out) > len(dst) || &out[0] != &dst[0]) {
		err = errTooLong
	}
	return wrap("zstd", len(out), err)
}
