//go:build !cgo

package codec

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/sealift/sealift/image/squashfs/format"
)

const zstdLibrary = "klauspost/compress"

// zstdWantsSlack: the decoder then copies in whole words.
const zstdWantsSlack = true

type zstdCompressor struct{ e *zstd.Encoder }

// newZstd makes frames the kernel can decode: it sizes its window by the block
// size and refuses a frame that asks for more, so every frame is a single
// segment, whose window is its own content. Neighbouring levels may be the
// same.
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
	end, err := zstdFrame(src)
	if err != nil {
		return wrap("zstd", 0, err)
	}
	z, ok := d.pool.Get().(*zstd.Decoder)
	if !ok {
		if z, err = newZstdReader(); err != nil {
			return 0, err
		}
	}
	out, err := z.DecodeAll(src[:end], dst[:0:min(cap(dst), len(dst)+Slack)])
	d.pool.Put(z)
	if err == nil && len(out) > 0 && (len(out) > len(dst) || &out[0] != &dst[0]) {
		err = errTooLong
	}
	return wrap("zstd", len(out), err)
}
