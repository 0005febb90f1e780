package oci

import (
	"bytes"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/sealift/sealift/image/oci/compression"
)

// TestDecodersEnd: a decoder that has failed, or was left in the middle, holds
// no goroutine once it is closed (CVE-2021-20291).
func TestDecodersEnd(t *testing.T) {
	plain := random(300_000)
	packed, frame := gz(plain), zst(plain)
	middle := func(b []byte) []byte {
		b = bytes.Clone(b)
		for i := len(b) / 2; i < len(b)/2+64; i++ {
			b[i] ^= 0x55
		}
		return b
	}
	before := runtime.NumGoroutine()
	for name, l := range map[string]*layer{
		"gzip": testLayer(plain, packed, compression.Gzip), "zstd": testLayer(plain, frame, compression.Zstd),
		"gzip truncated": testLayer(plain, packed[:1000], compression.Gzip),
		"zstd truncated": testLayer(plain, frame[:1000], compression.Zstd),
		"gzip damaged":   testLayer(plain, middle(packed), compression.Gzip),
		"zstd damaged":   testLayer(plain, middle(frame), compression.Zstd),
	} {
		for _, most := range []int64{0, 10, 200_000, 1 << 30} {
			r, err := l.Open(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			n, err := io.Copy(io.Discard, io.LimitReader(r, most))
			if most > n && err == nil && name != "gzip" && name != "zstd" {
				t.Errorf("%s: %d bytes and no error", name, n)
			}
			if err := r.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for end := time.Now().Add(2 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
}

// TestMillionEmptyFrames reads a million members or frames of nothing.
func TestMillionEmptyFrames(t *testing.T) {
	for name, l := range map[string]*layer{
		"zstd": testLayer(nil, bytes.Repeat(zst(nil), 1_000_000), compression.Zstd),
		"gzip": testLayer(nil, bytes.Repeat(gz(nil), 200_000), compression.Gzip),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		got, err := readLayer(l)
		runtime.ReadMemStats(&after)
		if err != nil || len(got) != 0 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if grown := after.HeapSys - min(before.HeapSys, after.HeapSys); grown > 128<<20 {
			t.Errorf("%s: the heap grew by %d MiB", name, grown>>20)
		}
		t.Logf("%s: %v", name, time.Since(start))
	}
}
