package codec

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/sealift/sealift/image/squashfs/format"
)

// blocks are of every length and kind that matters to a compressor.
func blocks() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 256<<10)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	var words bytes.Buffer
	for words.Len() < format.MaxBlockSize {
		fmt.Fprintf(&words, "word%d ", r.IntN(500))
	}
	return map[string][]byte{
		"byte": {7}, "zeros": make([]byte, 128<<10), "random": random,
		"metadata": words.Bytes()[:format.MetaBlockSize],
		"short":    words.Bytes()[:300], "largest": words.Bytes()[:format.MaxBlockSize],
	}
}

func compressor(t *testing.T, id uint16, level int) Compressor {
	t.Helper()
	newOne, err := NewCompressor(id, level)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newOne()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCompressedBlocksDecompress(t *testing.T) {
	for id, levels := range map[uint16][]int{format.Gzip: {0, 1, 6, 9}, format.Zstd: {0, 1, 3, 8, 22}} {
		d, err := NewDecompressor(id)
		if err != nil {
			t.Fatal(err)
		}
		for _, level := range levels {
			c := compressor(t, id, level)
			for name, block := range blocks() {
				out, err := c.Compress([]byte("before"), block)
				if err != nil {
					t.Fatal(err)
				}
				out, kept := bytes.CutPrefix(out, []byte("before"))
				if !kept {
					t.Errorf("%d level %d, %s: what was in dst is gone", id, level, name)
				}
				got := make([]byte, len(block))
				n, err := d.Decompress(got, out)
				if err != nil || !bytes.Equal(got[:n], block) {
					t.Errorf("%d level %d, %s: %d bytes came back, error %v", id, level, name, n, err)
				}
				if name == "zeros" && len(out) > 1000 {
					t.Errorf("%d level %d: %d bytes for zeros", id, level, len(out))
				}
			}
		}
	}
}

// A block's compressed bytes must not depend on the blocks before it: which
// worker gets which block is chance.
func TestCompressorHasNoMemory(t *testing.T) {
	for _, id := range []uint16{format.Gzip, format.Zstd} {
		used := compressor(t, id, 0)
		for round := range 3 {
			for name, block := range blocks() {
				a, err := used.Compress(nil, block)
				if err != nil {
					t.Fatal(err)
				}
				b, err := compressor(t, id, 0).Compress(nil, block)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(a, b) {
					t.Errorf("%d round %d, %s: a used compressor writes other bytes than a new one", id, round, name)
				}
			}
		}
	}
}

// The kernel gives zstd a window of one block.
func TestZstdFramesNeedNoLargerWindowThanTheBlock(t *testing.T) {
	for _, level := range []int{1, 3, 8, 22} {
		c := compressor(t, format.Zstd, level)
		for name, block := range blocks() {
			out, err := c.Compress(nil, block)
			if err != nil {
				t.Fatal(err)
			}
			var h zstd.Header
			if err := h.Decode(out); err != nil {
				t.Fatal(err)
			}
			if !h.SingleSegment || h.FrameContentSize != uint64(len(block)) || h.HasCheckSum {
				t.Errorf("level %d, %s of %d bytes: header %+v", level, name, len(block), h)
			}
		}
	}
}

func TestNewCompressorRejects(t *testing.T) {
	for _, id := range []uint16{0, format.LZMA, format.LZO, format.XZ, format.LZ4, 99} {
		if _, err := NewCompressor(id, 0); !errors.Is(err, ErrCannotCompress) {
			t.Errorf("compression %d: error %v", id, err)
		}
	}
	for _, c := range []struct {
		id    uint16
		level int
	}{{format.Gzip, -1}, {format.Gzip, 10}, {format.Zstd, -3}, {format.Zstd, 23}} {
		if _, err := NewCompressor(c.id, c.level); err == nil {
			t.Errorf("compression %d has a level %d", c.id, c.level)
		}
	}
}
