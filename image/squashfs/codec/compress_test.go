package codec

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/sealift/sealift/buildcfg/hint"
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
	e, err := NewEncoding(Choice{ID: id, Level: level}, format.MaxBlockSize)
	if err != nil {
		t.Fatal(err)
	}
	c, err := e.New()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCompressedBlocksDecompress(t *testing.T) {
	for id, levels := range map[uint16][]int{
		format.Gzip: {0, 1, 6, 9}, format.Zstd: {0, 1, 3, 8, 22}, format.LZ4: {0}, format.XZ: {0},
	} {
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
				if len(out) >= len(block) {
					continue // the caller stores it
				}
				if !kept {
					t.Errorf("%d level %d, %s: what was in dst is gone", id, level, name)
				}
				got := make([]byte, len(block))
				n, err := d.Decompress(got, out)
				if err != nil || !bytes.Equal(got[:n], block) {
					t.Errorf("%d level %d, %s: %d bytes came back, error %v", id, level, name, n, err)
				}
				if name == "zeros" && len(out) > 2000 {
					t.Errorf("%d level %d: %d bytes for zeros", id, level, len(out))
				}
			}
		}
	}
}

// A block's compressed bytes must not depend on the blocks before it: which
// worker gets which block is chance.
func TestCompressorHasNoMemory(t *testing.T) {
	for _, id := range []uint16{format.Gzip, format.Zstd, format.LZ4, format.XZ} {
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

// The metadata tables append block after block to one slice. Were it copied for
// each, a table would take the square of its length in time.
func TestCompressAppendsInPlace(t *testing.T) {
	block := blocks()["metadata"]
	for _, id := range []uint16{format.Gzip, format.Zstd, format.LZ4} {
		c, out, copies := compressor(t, id, 0), []byte(nil), 0
		for range 1000 {
			longer, err := c.Compress(out, block)
			if err != nil {
				t.Fatal(err)
			}
			if cap(longer) != cap(out) {
				copies++
			}
			out = longer
		}
		if copies > 100 {
			t.Errorf("%d: 1000 blocks are copied %d times", id, copies)
		}
	}
}

// A compressor that is garbage as soon as it is called must not lose its memory
// during the call.
func TestCompressorOutlivesItsCall(t *testing.T) {
	block := blocks()["random"]
	for range 200 {
		go runtime.GC()
		if _, err := compressor(t, format.Zstd, 1).Compress(nil, block); err != nil {
			t.Fatal(err)
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
			if h.WindowSize > uint64(len(block)) || h.FrameContentSize != uint64(len(block)) || h.HasCheckSum {
				t.Errorf("level %d, %s of %d bytes: header %+v", level, name, len(block), h)
			}
		}
	}
}

func TestNewEncodingRejects(t *testing.T) {
	for _, id := range []uint16{format.LZMA, format.LZO, 99} {
		if _, err := NewEncoding(Choice{ID: id}, 4096); !errors.Is(err, ErrCannotCompress) {
			t.Errorf("compression %d: error %v", id, err)
		}
	}
	for _, c := range []Choice{
		{ID: format.Gzip, Level: -1}, {ID: format.Gzip, Level: 10}, {Level: -3}, {ID: format.Zstd, Level: 23},
		{ID: format.LZ4, Level: 1}, {ID: format.XZ, Level: 1}, {ID: format.Gzip, Level: 1, Store: true},
	} {
		if _, err := NewEncoding(c, 4096); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func TestStoreLeavesBlocksAlone(t *testing.T) {
	e, err := NewEncoding(Choice{ID: format.Gzip, Store: true}, 4096)
	if err != nil {
		t.Fatal(err)
	}
	c, err := e.New()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := c.Compress([]byte("before"), plain); err != nil || string(out) != "before"+string(plain) {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Choice{
		"zstd": {ID: format.Zstd}, "zstd:22": {ID: format.Zstd, Level: 22}, "gzip:9": {ID: format.Gzip, Level: 9},
		"gzip": {ID: format.Gzip}, "lz4": {ID: format.LZ4}, "xz": {ID: format.XZ}, "none": {ID: format.Gzip, Store: true},
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "lzo", "zstd:", "zstd:0", "zstd:23", "gzip:10", "gzip:x", "zstd:-1", "xz:1", "lz4:3", "none:1", ":3",
	} {
		if _, err := Parse(text); err == nil || hint.Of(err) == "" {
			t.Errorf("%q: error %v without a hint", text, err)
		}
	}
}

// TestZstdFrame: only the first frame of a block counts, and one that does not
// end is malformed. The second frame here is of zstd 0.4.
func TestZstdFrame(t *testing.T) {
	frame := encoded(t)[format.Zstd]
	legacy := append(bytes.Clone(frame), 0x24, 0xb5, 0x2f, 0xfd, 1, 2, 3)
	for name, src := range map[string][]byte{"alone": frame, "before another": legacy, "twice": append(bytes.Clone(frame), frame...)} {
		dst := make([]byte, 2*len(plain))
		if n, err := decompressor(t, format.Zstd).Decompress(dst, src); err != nil || !bytes.Equal(dst[:n], plain) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
	for n := range frame {
		if _, err := zstdFrame(frame[:n]); err == nil {
			t.Errorf("a frame ends after %d of %d bytes", n, len(frame))
		}
	}
	if _, err := zstdFrame(legacy[len(frame):]); err == nil {
		t.Error("a frame of zstd 0.4 passes")
	}
}

// BenchmarkBlock measures both directions on a block of this package's text.
func BenchmarkBlock(b *testing.B) {
	block := blocks()["largest"][:128<<10]
	for _, id := range []uint16{format.Gzip, format.Zstd, format.LZ4, format.XZ} {
		e, err := NewEncoding(Choice{ID: id}, len(block))
		if err != nil {
			b.Fatal(err)
		}
		c, err := e.New()
		if err != nil {
			b.Fatal(err)
		}
		small, err := c.Compress(nil, block)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(Name(id)+"/compress", func(b *testing.B) {
			b.SetBytes(int64(len(block)))
			out := make([]byte, 0, 2*len(block))
			for b.Loop() {
				if _, err := c.Compress(out, block); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(Name(id)+"/decompress", func(b *testing.B) {
			d := decompressor(b, id)
			b.SetBytes(int64(len(block)))
			out := make([]byte, len(block), len(block)+Slack)
			for b.Loop() {
				if _, err := d.Decompress(out, small); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
