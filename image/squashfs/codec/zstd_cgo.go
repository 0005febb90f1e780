//go:build cgo

package codec

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/DataDog/zstd"
)

const zstdLibrary = "libzstd"

// zstdWantsSlack: libzstd decodes in place without any.
const zstdWantsSlack = false

type zstdCompressor struct {
	ctx   zstd.Ctx
	level int
}

// newZstd makes frames the kernel can decode: it sizes its window by the block
// size and refuses a frame that asks for more. Given all of a block at once,
// libzstd makes a single segment of it, whose window is its own content.
func newZstd(level int) (Compressor, error) {
	return &zstdCompressor{zstd.NewCtx(), level}, nil
}

func (c *zstdCompressor) Compress(dst, src []byte) ([]byte, error) {
	dst, room := grow(dst, zstd.CompressBound(len(src)))
	out, err := c.ctx.CompressLevel(room, src, c.level)
	runtime.KeepAlive(c) // the binding's finalizer would free the context during the call
	if err != nil {
		return nil, fmt.Errorf("squashfs: zstd: %w", err)
	}
	return dst[:len(dst)+len(out)], nil
}

// zstdDecompressor decodes straight into the block. The memory of a context
// does not depend on what a frame says.
type zstdDecompressor struct{ pool sync.Pool }

func newZstdDecompressor() (*zstdDecompressor, error) { return new(zstdDecompressor), nil }

func (d *zstdDecompressor) Decompress(dst, src []byte) (int, error) {
	end, err := zstdFrame(src)
	if err == nil && len(dst) == 0 {
		err = errTooLong // the binding needs one byte of room
	}
	if err != nil {
		return wrap("zstd", 0, err)
	}
	ctx, ok := d.pool.Get().(zstd.Ctx)
	if !ok {
		ctx = zstd.NewCtx()
	}
	n, err := ctx.DecompressInto(dst, src[:end])
	d.pool.Put(ctx) // which also keeps it from its finalizer until here
	return wrap("zstd", n, err)
}
