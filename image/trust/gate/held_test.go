package gate

import (
	"bytes"
	"io"
	"testing"
)

// patched has no border that shows.
func TestPatched(t *testing.T) {
	file, part := []byte("0123456789abcdef"), []byte("PQRST")
	want := "01234PQRSTabcdef"
	p := &patched{bytes.NewReader(file), bytes.NewReader(part), 5, 5}
	for off := range len(want) + 2 {
		for size := range len(want) + 3 {
			b := make([]byte, size)
			n, err := p.ReadAt(b, int64(off))
			expected := want[min(off, len(want)):min(off+size, len(want))]
			if string(b[:n]) != expected {
				t.Errorf("%d bytes at %d: %q, want %q", size, off, b[:n], expected)
			}
			if short := n < size; short != (err == io.EOF) && size > 0 || err != nil && err != io.EOF {
				t.Errorf("%d bytes at %d: %d, %v", size, off, n, err)
			}
		}
	}
	p.part = bytes.NewReader(part[:3]) // it is shorter than it says
	if n, err := p.ReadAt(make([]byte, 16), 0); n != 8 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
}
