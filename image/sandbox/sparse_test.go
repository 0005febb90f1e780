package sandbox

import (
	"io"
	"os"
	"testing"

	"github.com/sealift/sealift/image/tree"
)

// A sparse file reads as any other, and says where it need not be read.
func TestSparseContent(t *testing.T) {
	dir := t.TempDir()
	const size = 1 << 30
	f, err := os.Create(dir + "/sparse")
	must(t, err)
	_, err = f.WriteAt([]byte("middle"), 64<<20)
	must(t, err)
	must(t, f.Truncate(size))
	must(t, f.Close())
	write(t, dir+"/dense", "all data")

	root := mustRead(t, dir, ReadOptions{})
	dense, err := find(t, root, "dense").Content.(tree.Opener).Open()
	must(t, err)
	defer dense.Close()
	if _, ok := dense.(tree.Sparse); ok {
		t.Error("a file without holes claims to be sparse")
	}
	r, err := find(t, root, "sparse").Content.(tree.Opener).Open()
	must(t, err)
	defer r.Close()
	s := r.(tree.Sparse)
	hole, err := s.Hole()
	must(t, err)
	if hole <= 0 || hole > 64<<20 {
		t.Fatalf("a first hole of %d bytes", hole)
	}
	must(t, s.Skip(hole))
	b := make([]byte, 64<<20-hole+6)
	_, err = io.ReadFull(s, b)
	must(t, err)
	if text := string(b[len(b)-6:]); text != "middle" {
		t.Errorf("the data are %q", text)
	}
	_, err = io.CopyN(io.Discard, s, 1<<20)
	must(t, err)
	at := int64(64<<20 + 6 + 1<<20)
	if hole, err = s.Hole(); err != nil || hole != size-at {
		t.Errorf("a last hole of %d bytes, not %d, error %v", hole, size-at, err)
	}
	must(t, s.Skip(hole))
	if hole, err = s.Hole(); hole != 0 || err != nil {
		t.Errorf("at the end a hole of %d bytes, error %v", hole, err)
	}
	if n, err := s.Read(b); n != 0 || err != io.EOF {
		t.Errorf("at the end %d bytes, error %v", n, err)
	}
}
