package oci

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/sealift/sealift/e2e/bounded"
	"github.com/sealift/sealift/image/oci/compression"
)

// testLayer is a layer whose documents are right for plain and blob.
func testLayer(plain, blob []byte, how compression.Kind) *layer {
	return &layer{source: memory{"blob": blob}, path: "blob", digest: digestOf(blob), size: int64(len(blob)),
		diffID: digestOf(plain), compression: how}
}

func readLayer(l *layer) ([]byte, error) {
	r, err := l.Open(context.Background())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// random returns n bytes that do not compress.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// skippable is a zstd frame that holds n bytes of no content; RFC 8878 §3.1.2.
func skippable(n int) []byte {
	head := []byte("\x5a\x2a\x4d\x18")
	return append(binary.LittleEndian.AppendUint32(head, uint32(n)), make([]byte, n)...)
}

func TestStreams(t *testing.T) {
	big := random(300_000)
	for name, l := range map[string]*layer{
		"empty":                 testLayer(nil, nil, compression.None),
		"plain":                 testLayer(big, big, compression.None),
		"gzip":                  testLayer(big, gz(big), compression.Gzip),
		"gzip of nothing":       testLayer(nil, gz(nil), compression.Gzip),
		"gzip members":          testLayer(big, join(gz(big[:1000]), gz(nil), gz(big[1000:])), compression.Gzip),
		"many gzip members":     testLayer(nil, bytes.Repeat(gz(nil), 20000), compression.Gzip),
		"gzip with NULs":        testLayer(big, join(gz(big), make([]byte, 70_000)), compression.Gzip),
		"zstd":                  testLayer(big, zst(big), compression.Zstd),
		"zstd frames":           testLayer(big, join(skippable(5), zst(big[:9]), zst(nil), zst(big[9:]), skippable(70_000)), compression.Zstd),
		"many zstd frames":      testLayer(nil, bytes.Repeat(zst(nil), 20000), compression.Zstd),
		"sniffed":               testLayer(big, gz(big), compression.Any),
		"compressed in a plain": testLayer(gz(big), gz(gz(big)), compression.Gzip),
	} {
		got, err := readLayer(l)
		if err != nil || digestOf(got) != l.diffID {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestStreamWithSHA512(t *testing.T) {
	plain := []byte("text")
	long := func(b []byte) digest { sum := sha512.Sum512(b); return digest{"sha512", hex.EncodeToString(sum[:])} }
	l := testLayer(plain, gz(plain), compression.Gzip)
	l.digest, l.diffID = long(gz(plain)), long(plain)
	if got, err := readLayer(l); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
	l.digest = long(plain)
	_, err := readLayer(l)
	wantError(t, err, "blob is sha512:", "")
}

func TestBadStreams(t *testing.T) {
	plain := random(100_000)
	packed, frame := gz(plain), zst(plain)
	change := func(l *layer, f func(*layer)) *layer { f(l); return l }
	badCRC := bytes.Clone(packed)
	badCRC[len(badCRC)-8] ^= 1
	for name, c := range map[string]struct {
		l    *layer
		want string
	}{
		"no blob":             {change(testLayer(plain, plain, compression.None), func(l *layer) { l.path = "none" }), "is missing"},
		"size less":           {change(testLayer(plain, packed, compression.Gzip), func(l *layer) { l.size-- }), "blob has"},
		"one NUL more":        {change(testLayer(plain, packed, compression.Gzip), func(l *layer) { l.source = memory{"blob": append(packed, 0)} }), "blob has"},
		"digest":              {change(testLayer(plain, packed, compression.Gzip), func(l *layer) { l.digest = digestOf(nil) }), "blob is sha256:"},
		"diff ID":             {change(testLayer(plain, packed, compression.Gzip), func(l *layer) { l.diffID = digestOf(nil) }), "content is sha256:"},
		"plain, digest":       {change(testLayer(plain, plain, compression.None), func(l *layer) { l.digest = digestOf(nil) }), "blob is sha256:"},
		"plain, both":         {change(testLayer(plain, plain, compression.None), func(l *layer) { l.digest, l.diffID = digestOf(nil), digestOf(nil) }), "content is sha256:"},
		"gzip CRC":            {testLayer(plain, badCRC, compression.Gzip), "checksum"},
		"gzip truncated":      {testLayer(plain, packed[:len(packed)-1], compression.Gzip), "unexpected EOF"},
		"gzip header only":    {testLayer(plain, packed[:5], compression.Gzip), "gzip: "},
		"gzip and garbage":    {testLayer(plain, append(bytes.Clone(packed), "garbage"...), compression.Gzip), "after a gzip member"},
		"gzip, NUL, garbage":  {testLayer(plain, append(bytes.Clone(packed), 0, 0, 1), compression.Gzip), "garbage after"},
		"zstd truncated":      {testLayer(plain, frame[:len(frame)-1], compression.Zstd), "unexpected EOF"},
		"zstd and garbage":    {testLayer(plain, append(bytes.Clone(frame), "garbage"...), compression.Zstd), "magic"},
		"zstd large window":   {testLayer(nil, []byte("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00"), compression.Zstd), "window size"},
		"zstd dictionary":     {testLayer(nil, []byte("\x28\xb5\x2f\xfd\x01\x00\x07\x01\x00\x00"), compression.Zstd), "dictionary"},
		"zstd skip to beyond": {testLayer(nil, []byte("\x50\x2a\x4d\x18\xff\xff\xff\xff"), compression.Zstd), "unexpected EOF"},
		"gzip named zstd":     {testLayer(plain, packed, compression.Zstd), "media type says zstd"},
		"gzip named plain":    {testLayer(plain, packed, compression.None), "media type says not compressed"},
		"empty named gzip":    {testLayer(nil, nil, compression.Gzip), "media type says gzip"},
		"xz":                  {testLayer(nil, []byte("\xfd7zXZ\x00"), compression.Any), "compressed with xz"},
		"bzip2":               {testLayer(nil, []byte("BZh91AY"), compression.Any), "compressed with bzip2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readLayer(c.l)
			wantError(t, err, c.want, "")
		})
	}
}

// TestErrorStays reads on after an error and closes early.
func TestErrorStays(t *testing.T) {
	l := testLayer([]byte("x"), gz([]byte("y")), compression.Gzip)
	r, err := l.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	for range 3 {
		_, err = r.Read(buf)
	}
	wantError(t, err, "content is sha256:", "the image is damaged")
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if r, err = l.Open(context.Background()); err != nil || r.Close() != nil {
		t.Errorf("early close: %v", err)
	}
}

func TestBombStops(t *testing.T) {
	zeros := make([]byte, 4<<20)
	for name, l := range map[string]*layer{
		"gzip": testLayer(zeros, gz(zeros), compression.Gzip),
		"zstd": testLayer(zeros, zst(zeros), compression.Zstd),
	} {
		r, err := l.decode(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		r.ratio = compression.Expansion{Free: 1 << 20, Times: 100}
		n, err := io.Copy(io.Discard, r)
		r.Close()
		wantError(t, err, "expand to more than", "bomb")
		if n > 2<<20 {
			t.Errorf("%s: %d bytes came out", name, n)
		}
	}
	for _, c := range []struct {
		out, in int64
		stop    bool
	}{{64 << 30, 1, false}, {64<<30 + 1, 64 << 20, true}, {64<<30 + 1, 70 << 20, false}, {1 << 62, 1, true}} {
		if err := compression.Limit.Check(c.out, c.in); (err != nil) != c.stop {
			t.Errorf("%d of %d: %v", c.out, c.in, err)
		}
	}
}

// TestDecoderMemory decodes frames that claim much and hold little.
func TestDecoderMemory(t *testing.T) {
	var windowed bytes.Buffer
	w, err := zstd.NewWriter(&windowed, zstd.WithWindowSize(compression.MaxWindow), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("text"))
	w.Flush()
	w.Write([]byte(strings.Repeat("more", 50)))
	w.Close()
	plain := []byte("text" + strings.Repeat("more", 50))
	// A single-segment frame of 8 GiB, then a raw block of one byte.
	liar := append([]byte("\x28\xb5\x2f\xfd\xe0"), 0, 0, 0, 0, 2, 0, 0, 0)
	liar = append(liar, 9, 0, 0, 'x')
	for name, c := range map[string]struct {
		l  *layer
		ok bool
	}{
		"largest window":  {testLayer(plain, windowed.Bytes(), compression.Zstd), true},
		"frame of 8 GiB":  {testLayer([]byte("x"), liar, compression.Zstd), false},
		"4 GiB of a skip": {testLayer(nil, skippable(0)[:4:4], compression.Zstd), false},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := readLayer(c.l)
		runtime.ReadMemStats(&after)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 160<<20 {
			t.Errorf("%s: %d MiB allocated", name, grown>>20)
		}
	}
}

// FuzzDecoder (F7): whatever bytes a layer has, compressed or not, nothing passes for a layer
// of another digest, and its stream ends.
func FuzzDecoder(f *testing.F) {
	text := []byte(strings.Repeat("some text ", 30))
	for _, b := range [][]byte{gz(text), join(gz(text), gz(text), []byte{0}), zst(text), join(skippable(3), zst(text)), text} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		bounded.With(t, compression.MaxWindow, func() {
			l := testLayer(nil, raw, compression.Any)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			d, err := l.decode(ctx)
			if err != nil {
				return
			}
			d.ratio = compression.Expansion{Free: 16 << 20, Times: 1000}
			r := newStream(d, cancel)
			n, err := io.Copy(io.Discard, r)
			if err == nil && n > 0 {
				t.Errorf("%d bytes passed as an empty layer", n)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	})
}
