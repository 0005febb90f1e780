//go:build cgo && libdeflate

package codec

/*
#cgo LDFLAGS: -ldeflate
#cgo noescape libdeflate_zlib_compress
#cgo nocallback libdeflate_zlib_compress
#cgo noescape sealift_inflate
#cgo nocallback sealift_inflate
#include <libdeflate.h>

// sealift_inflate returns the number of bytes decoded, or the result negated.
static long sealift_inflate(struct libdeflate_decompressor *d, const void *src, size_t n, void *dst, size_t room) {
	size_t got = 0;
	int result = libdeflate_zlib_decompress(d, src, n, dst, room, &got);
	return result ? -(long)result : (long)got;
}
*/
import "C"

import (
	"errors"
	"runtime"
	"sync"
	"unsafe"
)

const gzipLibrary = "libdeflate"

var (
	errGzip   = errors.New("malformed block")
	errMemory = errors.New("libdeflate: out of memory")
)

// gzipCompressor makes zlib streams (RFC 1950) with libdeflate.
type gzipCompressor struct {
	c *C.struct_libdeflate_compressor
}

// newGzip returns a compressor of levels 1 to 9.
func newGzip(level int) (Compressor, error) {
	c := &gzipCompressor{C.libdeflate_alloc_compressor(C.int(level))}
	if c.c == nil {
		return nil, errMemory
	}
	runtime.AddCleanup(c, func(p *C.struct_libdeflate_compressor) { C.libdeflate_free_compressor(p) }, c.c)
	return c, nil
}

func (c *gzipCompressor) Compress(dst, src []byte) ([]byte, error) {
	dst, room := grow(dst, int(C.libdeflate_zlib_compress_bound(c.c, C.size_t(len(src)))))
	n := C.libdeflate_zlib_compress(c.c, pointer(src), C.size_t(len(src)), pointer(room), C.size_t(len(room)))
	runtime.KeepAlive(c)
	return dst[:len(dst)+int(n)], nil
}

// gzipDecompressor decodes zlib streams (RFC 1950), which the format calls
// gzip.
type gzipDecompressor struct{ pool sync.Pool }

type inflater struct {
	d *C.struct_libdeflate_decompressor
}

func newInflater() (*inflater, error) {
	i := &inflater{C.libdeflate_alloc_decompressor()}
	if i.d == nil {
		return nil, errMemory
	}
	runtime.AddCleanup(i, func(p *C.struct_libdeflate_decompressor) { C.libdeflate_free_decompressor(p) }, i.d)
	return i, nil
}

func (d *gzipDecompressor) Decompress(dst, src []byte) (int, error) {
	i, ok := d.pool.Get().(*inflater)
	if !ok {
		var err error
		if i, err = newInflater(); err != nil {
			return 0, err
		}
	}
	n := C.sealift_inflate(i.d, pointer(src), C.size_t(len(src)), pointer(dst), C.size_t(len(dst)))
	d.pool.Put(i)
	switch {
	case n == -C.LIBDEFLATE_INSUFFICIENT_SPACE:
		return wrap("gzip", 0, errTooLong)
	case n < 0:
		return wrap("gzip", 0, errGzip)
	}
	return int(n), nil
}

// pointer is where b begins; C may be given no pointer to nothing.
func pointer(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }
