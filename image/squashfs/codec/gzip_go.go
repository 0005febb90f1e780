//go:build !(cgo && libdeflate)

package codec

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zlib"
)

const gzipLibrary = "klauspost/compress"

type gzipCompressor struct{ w *zlib.Writer }

// newGzip returns a compressor of levels 1 to 9.
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
