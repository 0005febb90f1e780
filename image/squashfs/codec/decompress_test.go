package codec

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"github.com/sealift/sealift/image/squashfs/format"
)

// plain is a block that every codec makes shorter.
var plain = []byte(strings.Repeat("all work and no play makes a dull block\n", 100))

// lzoBlock is "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" (30 bytes) by the rules of the
// kernel's Documentation/staging/lzo.rst: a literal of 4, a copy of 26 from
// distance 1, and the end mark.
var lzoBlock = []byte{17 + 4, 'a', 'a', 'a', 'a', 0x20 | 24, 0, 0, 0x11, 0, 0}

// encoded returns plain in the form of each compression but LZO.
func encoded(t testing.TB) map[uint16][]byte {
	t.Helper()
	m := map[uint16][]byte{}
	through := func(id uint16, open func(io.Writer) (io.WriteCloser, error)) {
		var b bytes.Buffer
		w, err := open(&b)
		if err == nil {
			_, err = w.Write(plain)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		m[id] = b.Bytes()
	}
	through(format.Gzip, func(w io.Writer) (io.WriteCloser, error) { return zlib.NewWriter(w), nil })
	through(format.Zstd, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) })
	through(format.XZ, func(w io.Writer) (io.WriteCloser, error) {
		return xz.WriterConfig{CheckSum: xz.CRC32, DictCap: 8192}.NewWriter(w)
	})
	through(format.LZMA, func(w io.Writer) (io.WriteCloser, error) {
		return lzma.WriterConfig{DictCap: 8192}.NewWriter(w)
	})
	b := make([]byte, 2*len(plain))
	n, err := lz4.CompressBlock(plain, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	m[format.LZ4] = b[:n]
	return m
}

func decompressor(t testing.TB, id uint16) Decompressor {
	t.Helper()
	d, err := NewDecompressor(id)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDecompress(t *testing.T) {
	for id, src := range encoded(t) {
		d := decompressor(t, id)
		for _, room := range []int{len(plain), len(plain) + 1, format.MaxBlockSize} {
			dst := make([]byte, room)
			n, err := d.Decompress(dst, src)
			if err != nil || !bytes.Equal(dst[:n], plain) {
				t.Errorf("%s into %d bytes: %d, %v", Name(id), room, n, err)
			}
		}
	}
}

func TestDecompressLZO(t *testing.T) {
	dst := make([]byte, 100)
	n, err := decompressor(t, format.LZO).Decompress(dst, lzoBlock)
	if want := strings.Repeat("a", 30); err != nil || string(dst[:n]) != want {
		t.Errorf("%q, %v", dst[:n], err)
	}
	if n, err := decompressor(t, format.LZO).Decompress(dst[:29], lzoBlock); err == nil {
		t.Errorf("30 bytes fit %d", n)
	}
}

// TestDecompressBounds: output beyond dst and input cut short are errors, and
// nothing is written behind dst.
func TestDecompressBounds(t *testing.T) {
	for id, src := range encoded(t) {
		d := decompressor(t, id)
		for _, room := range []int{0, 1, len(plain) / 2, len(plain) - 1} {
			behind := bytes.Repeat([]byte{0xa5}, 1000)
			dst := append(make([]byte, room), behind...)
			if n, err := d.Decompress(dst[:room:room], src); err == nil || n != 0 {
				t.Errorf("%s: %d bytes of %d fit %d", Name(id), n, len(plain), room)
			}
			if !bytes.Equal(dst[room:], behind) {
				t.Errorf("%s: wrote behind %d bytes", Name(id), room)
			}
			if n, err := d.Decompress(dst[:room], src); err == nil || n != 0 {
				t.Errorf("%s: %d bytes of %d fit %d with slack", Name(id), n, len(plain), room)
			}
			if !bytes.Equal(dst[room+Slack:], behind[Slack:]) {
				t.Errorf("%s: wrote behind the slack of %d bytes", Name(id), room)
			}
		}
		for n := range src {
			dst := make([]byte, len(plain))
			if k, err := d.Decompress(dst, src[:n]); err == nil && k == len(plain) && id != format.XZ {
				t.Errorf("%s: %d of %d bytes suffice", Name(id), n, len(src))
			}
		}
	}
}

func TestDecompressorIsConcurrent(t *testing.T) {
	for id, src := range encoded(t) {
		d := decompressor(t, id)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				dst := make([]byte, len(plain))
				for range 20 {
					if n, err := d.Decompress(dst, src); err != nil || !bytes.Equal(dst[:n], plain) {
						t.Errorf("%s: %d, %v", Name(id), n, err)
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestUnknownCompression(t *testing.T) {
	for _, id := range []uint16{0, 7, 1<<16 - 1} {
		if _, err := NewDecompressor(id); err == nil {
			t.Errorf("compression %d is known", id)
		}
	}
	if Name(format.Zstd) != "zstd" || Name(0) != "compression 0" || Name(99) != "compression 99" {
		t.Error("wrong names")
	}
}

// reseal sets the checksum of an .xz block header.
func reseal(b []byte) []byte {
	end := xzHeaderSize + int(b[xzHeaderSize])*4
	binary.LittleEndian.PutUint32(b[end:], crc32.ChecksumIEEE(b[xzHeaderSize:end]))
	return b
}

func TestXZContainer(t *testing.T) {
	good := encoded(t)[format.XZ]
	filter := bytes.Index(good, []byte{xzFilterLZMA, 1})
	for name, c := range map[string]struct {
		patch func(b []byte) []byte
		want  string // part of the error; empty for none
	}{
		"dictionary of 4 GiB": {func(b []byte) []byte { b[filter+2] = 40; return reseal(b) }, ""},
		"wrong magic":         {func(b []byte) []byte { b[0] = 0; return b }, "malformed"},
		"wrong header sum":    {func(b []byte) []byte { b[filter+2] ^= 1; return b }, "malformed"},
		"header of 0 bytes":   {func(b []byte) []byte { b[xzHeaderSize] = 0; return b }, "malformed"},
		"header too long":     {func(b []byte) []byte { b[xzHeaderSize] = 255; return b }, "malformed"},
		"BCJ":                 {func(b []byte) []byte { b[filter] = 4; return reseal(b) }, "BCJ"},
		"two filters":         {func(b []byte) []byte { b[xzHeaderSize+1] |= 1; return reseal(b) }, "BCJ"},
		"no check":            {func(b []byte) []byte { b[7] = 0; return b[:len(b)-28] }, ""},
		"wrong content sum":   {func(b []byte) []byte { b[len(b)-28] ^= 1; return b }, "checksum"},
		"cut at the sum":      {func(b []byte) []byte { return b[:len(b)-26] }, "unexpected EOF"},
		"nothing":             {func([]byte) []byte { return nil }, "malformed"},
	} {
		dst := make([]byte, len(plain))
		n, err := decompressXZ(dst, c.patch(bytes.Clone(good)))
		if c.want == "" && (err != nil || !bytes.Equal(dst[:n], plain)) {
			t.Errorf("%s: %v", name, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %s", name, err, c.want)
		}
	}
}

// TestHostileDictionaries: memory follows dst, not what the block asks for.
func TestHostileDictionaries(t *testing.T) {
	xzBlock := encoded(t)[format.XZ]
	xzBlock[bytes.Index(xzBlock, []byte{xzFilterLZMA, 1})+2] = 40
	reseal(xzBlock)
	lzmaBlock := encoded(t)[format.LZMA]
	binary.LittleEndian.PutUint32(lzmaBlock[1:], 1<<32-1)
	zstdBlock := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0xff, 1, 0, 0} // window of 3.75 TiB
	for id, src := range map[uint16][]byte{format.XZ: xzBlock, format.LZMA: lzmaBlock, format.Zstd: zstdBlock} {
		d := decompressor(t, id)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := d.Decompress(make([]byte, len(plain)), src)
		runtime.ReadMemStats(&after)
		if err == nil && id != format.XZ {
			t.Errorf("%s decodes", Name(id))
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
			t.Errorf("%s: %d bytes allocated", Name(id), n)
		}
	}
}

// FuzzDecompress (F7) feeds any bytes to every codec.
func FuzzDecompress(f *testing.F) {
	for id, src := range encoded(f) {
		f.Add(id, src)
	}
	f.Add(uint16(format.LZO), lzoBlock)
	f.Fuzz(func(t *testing.T, id uint16, src []byte) {
		d, err := NewDecompressor(id)
		if err != nil {
			return
		}
		room := make([]byte, 8192+64)
		copy(room[8192:], bytes.Repeat([]byte{0xa5}, 64))
		n, err := d.Decompress(room[:8192:8192], src)
		if n < 0 || n > 8192 || err != nil && n != 0 {
			t.Errorf("%d bytes, %v", n, err)
		}
		if !bytes.Equal(room[8192:], bytes.Repeat([]byte{0xa5}, 64)) {
			t.Error("wrote behind the room")
		}
	})
}
