package oci

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/compression"
)

// counted is a source of one blob that counts what is read of it.
type counted struct {
	io.Reader
	size int64
	read atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func (c *counted) Close() error { return nil }

func (c *counted) open(context.Context, string, int64) (*blob, error) {
	return &blob{c, c, c.size}, nil
}

// settled waits until so many bytes were read and returns how many are after a
// while.
func (c *counted) settled(want int64) int64 {
	for end := time.Now().Add(20 * time.Second); c.read.Load() < want && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	return c.read.Load()
}

// goroutines waits until there are no more goroutines than before.
func goroutines(t *testing.T, before int) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
	}
}

// TestRunsAhead: a stream that nobody reads holds all it may and no more, and
// goes on as it is read.
func TestRunsAhead(t *testing.T) {
	const most = chunksAhead * chunkSize
	plain := random(3 * most)
	l := testLayer(plain, plain, compression.None)
	c := &counted{Reader: bytes.NewReader(plain), size: l.size}
	l.source = c
	r, err := l.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const buffered = 64 << 10
	if n := c.settled(most); n < most || n > most+buffered {
		t.Errorf("%d bytes read ahead, not %d", n, most)
	}
	if _, err := io.ReadFull(r, make([]byte, chunkSize+1)); err != nil {
		t.Fatal(err)
	}
	if n := c.settled(most + chunkSize); n < most+chunkSize || n > most+chunkSize+buffered {
		t.Errorf("%d bytes read, not one chunk more than %d", n, most)
	}
	rest, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(rest, plain[chunkSize+1:]) {
		t.Errorf("then %d bytes, %v", len(rest), err)
	}
}

// TestStreamStops: the end of the context and Close end what decompresses,
// also where it yields nothing for long.
func TestStreamStops(t *testing.T) {
	before := runtime.NumGoroutine()
	for name, head := range map[string][]byte{
		"not compressed":  nil,
		"skipped frame":   []byte("\x50\x2a\x4d\x18\xff\xff\xff\xff"),
		"NULs after gzip": gz(nil),
	} {
		open := func(ctx context.Context) io.ReadCloser {
			l := &layer{size: unknownSize, source: &counted{Reader: io.MultiReader(bytes.NewReader(head), endless{}), size: 1 << 50}}
			r, err := l.Open(ctx)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return r
		}
		ctx, cancel := context.WithCancel(t.Context())
		r := open(ctx)
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err := io.Copy(io.Discard, r)
		if !errors.Is(err, context.Canceled) || hint.Of(err) != "" {
			t.Errorf("%s: %v with the hint %q after its context ended", name, err, hint.Of(err))
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		goroutines(t, before)

		r = open(t.Context())
		start := time.Now()
		r.Close()
		if d := time.Since(start); d > time.Second {
			t.Errorf("%s: closed after %v", name, d)
		}
		goroutines(t, before)
		if _, err := io.Copy(io.Discard, r); err == nil {
			t.Errorf("%s: read to its end after Close", name)
		}
	}
}

// endless yields NUL bytes.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestStreamEqualsSerial reads random layers, whole and damaged, ahead and in
// one goroutine: the same bytes and the same error.
func TestStreamEqualsSerial(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	bad := 0
	for range 150 {
		plain := bytes.Repeat(random(1+r.Intn(3000)), 1+r.Intn(300))
		l := testLayer(plain, plain, compression.None)
		switch r.Intn(3) {
		case 0:
			l = testLayer(plain, gz(plain), compression.Gzip)
		case 1:
			l = testLayer(plain, zst(plain), compression.Zstd)
		}
		raw := l.source.(memory)["blob"]
		switch r.Intn(5) {
		case 0:
			raw = bytes.Clone(raw)
			raw[r.Intn(len(raw))] ^= 1 << r.Intn(8)
		case 1:
			raw = raw[:r.Intn(len(raw))]
			l.size = int64(len(raw))
		case 2:
			l.digest.hex = changeLast(l.digest.hex)
		case 3:
			l.diffID.hex = changeLast(l.diffID.hex)
		}
		l.source = memory{"blob": raw}
		want, wantErr := serially(l)
		got, err := readLayer(l)
		if !bytes.Equal(got, want) || text(err) != text(wantErr) {
			t.Fatalf("%d bytes, %v; serially %d, %v", len(got), err, len(want), wantErr)
		}
		if err == nil && !bytes.Equal(got, plain) {
			t.Fatal("other bytes than the layer's without an error")
		}
		if err != nil {
			bad++
		}
	}
	if bad < 50 {
		t.Errorf("only %d layers were damaged", bad)
	}
}

func changeLast(hex string) string {
	other := "0"
	if hex[len(hex)-1] == '0' {
		other = "1"
	}
	return hex[:len(hex)-1] + other
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error() + "; " + hint.Of(err)
}

// serially reads a layer without a stream.
func serially(l *layer) ([]byte, error) {
	d, err := l.decode(context.Background())
	if err != nil {
		return nil, err
	}
	defer d.Close()
	b, err := io.ReadAll(d)
	if err == nil {
		h := l.diffID.new()
		h.Write(b)
		err = l.diffID.check("decompressed content", h)
	}
	return b, err
}

// TestArchiveStops: so does decompressing a whole archive.
func TestArchiveStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	name := t.TempDir() + "/archive"
	// A skipped frame of which there is more than a second can bring.
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("\x50\x2a\x4d\x18\xff\xff\xff\xff"); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(1 << 40); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, cancel)
	start := time.Now()
	_, err = openArchive(ctx, name, t.TempDir())
	if !errors.Is(err, context.Canceled) || hint.Of(err) != "" {
		t.Errorf("error %v with the hint %q", err, hint.Of(err))
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("stopped after %v", d)
	}
}
