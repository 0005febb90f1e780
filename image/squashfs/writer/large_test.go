package writer

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"testing"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/tree"
)

// A directory of 100,000 entries has an index, by which our reader finds each,
// and which squashfs-tools follow.
func TestLargeDirectory(t *testing.T) {
	const count = 100_000
	name := func(i int) string { return fmt.Sprintf("entry-%d", i) }
	entries := make(map[string]*tree.Node, count)
	for i := range count {
		entries[name(i)] = &tree.Node{Mode: tree.TypeRegular | 0o644, ModTime: int64(i)}
	}
	b := image(t, newDir(map[string]*tree.Node{"large": newDir(entries)}), Options{})
	r := reader(t, b)
	dir := inodeAt(t, r, "large")
	if len(dir.Index) < 100 {
		t.Errorf("the index has %d entries", len(dir.Index))
	}
	for i := 0; i < count; i += 37 {
		if ino, err := r.Child(dir, name(i)); err != nil || int(ino.MTime) != i {
			t.Fatalf("%s: %v", name(i), err)
		}
	}
	if _, err := r.Child(dir, name(count)); err == nil {
		t.Error("an entry is found that is not there")
	}
	out, err := exec.Command(tool(t, "unsquashfs"), "-l", imageFile(t, b)).Output()
	if n := bytes.Count(out, []byte("/large/entry-")); err != nil || n != count {
		t.Errorf("unsquashfs lists %d entries, error %v", n, err)
	}
	out, err = exec.Command(tool(t, "unsquashfs"), "-l", imageFile(t, b), "large/"+name(count-1)).Output()
	if n := bytes.Count(out, []byte("/large/entry-")); err != nil || n != 1 {
		t.Errorf("unsquashfs finds %d entries of one name, error %v", n, err)
	}
}

// BenchmarkSmallFiles stores files of which many fit a block, as most files of
// a distribution do.
func BenchmarkSmallFiles(b *testing.B) {
	const size = 3000
	all := text(1, 10<<20)
	w, err := New(io.Discard, Options{Codec: codec.Choice{Level: 1}})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	b.SetBytes(size)
	b.ReportAllocs()
	var r bytes.Reader
	for i := 0; b.Loop(); i++ {
		r.Reset(all[i*17%(len(all)-size):][:size])
		if _, err := w.Store(&r, size); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.drain(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAdopt rebuilds an image in which nothing has changed.
func BenchmarkAdopt(b *testing.B) {
	root := newDir(map[string]*tree.Node{})
	for i := range 2000 {
		root.Entries[fmt.Sprint(i)] = newFile(noise(uint64(i), 10_000))
	}
	base := image(b, root, Options{})
	r, err := squashfs.Open(bytes.NewReader(base), int64(len(base)), squashfs.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(base)))
	for b.Loop() {
		image(b, treeOf(b, r), Options{})
	}
}
