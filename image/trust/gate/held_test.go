package gate

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/sealift/sealift/image/trust/keyring"
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

// TestByDescriptorT57: the name that a descriptor has is one more path to the same file,
// which is held as by any other.
func TestByDescriptorT57(t *testing.T) {
	ada, _, _ := people(t)
	g := rules(t, []*keyring.Key{ada}, verify)
	both(t, func(t *testing.T, tree bool) {
		f := newImage(t, tree)
		open := func() *os.File {
			named, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
			must(t, err)
			t.Cleanup(func() { must(t, named.Close()) })
			return named
		}
		refused(t, g, open(), "it is not signed")
		sign(t, f, ada)
		must(t, os.Remove(f.Name()))
		allowed(t, g, open())
		img, named := load(t, f), open()
		r, err := hold(t, g, named)
		must(t, err)
		at := int64(300 << 10) // in a block that is in nobody's memory
		overwrite(t, f, img.Objects()[1].Offset+at)
		wantMismatch(t, r, at)
	})
}
