package image

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

// TestPrefetch: every kind can be asked, with a profile or without.
func TestPrefetch(t *testing.T) {
	kinds(t, func(t *testing.T, f *File) { must(t, f.Prefetch()) })
	path := filepath.Join(t.TempDir(), "hot.sqfs")
	out, err := os.Create(path)
	must(t, err)
	root := rootfs()
	must(t, writer.WriteFile(t.Context(), out, writer.Options{}, func(w *writer.Writer) (*tree.Node, error) {
		file := &tree.Node{Mode: tree.TypeRegular | 0o644, Content: tree.Bytes("hot")}
		return root, w.StoreFirst([]*tree.Node{file})
	}))
	must(t, out.Close())
	f, err := Open(path, Options{})
	must(t, err)
	defer f.Close()
	if ranges, err := f.Squash().Hot(); err != nil || len(ranges) != 2 {
		t.Fatalf("%v, %v", ranges, err)
	}
	must(t, f.Prefetch())
}

// TestDecode: what was decoded can be read even when the image is gone.
func TestDecode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image.sqfs")
	text := bytes.Repeat([]byte("text "), 40_000)
	root := tree.NewDir(0o755)
	root.Entries["program"] = &tree.Node{Mode: tree.TypeRegular | 0o755, Content: tree.Bytes(text)}
	out, err := os.Create(path)
	must(t, err)
	must(t, writer.WriteFile(t.Context(), out, writer.Options{}, writer.Whole(root)))
	must(t, out.Close())
	f, err := Open(path, Options{})
	must(t, err)
	defer f.Close()
	program, err := f.FS().Open("program")
	must(t, err)
	f.DecodeProgram([]string{"/nowhere", "/program"}, 1<<20)
	must(t, os.Truncate(path, 0))
	got := make([]byte, 10) // not a whole block, which would not be kept
	for off := int64(0); off < int64(len(text))-10; off += 70_000 {
		if _, err := program.(io.ReaderAt).ReadAt(got, off); err != nil || !bytes.Equal(got, text[off:off+10]) {
			t.Errorf("at %d: %q, %v", off, got, err)
		}
	}
	if _, err := squashfs.Open(f.File(), 0, squashfs.Options{}); err == nil {
		t.Error("the image is not gone")
	}
}
