package writer

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/trees"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// onDisk writes an image to a file, at an offset as in a SIF file, and opens
// it there.
func onDisk(t testing.TB, b []byte, offset int64) *squashfs.Reader {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "base"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteAt(b, offset); err != nil {
		t.Fatal(err)
	}
	r, err := squashfs.Open(io.NewSectionReader(f, offset, int64(len(b))), int64(len(b)), squashfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// toFile writes root to a file from its offset on and returns the image.
func toFile(t testing.TB, root *tree.Node, o Options, offset int64) []byte {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := out.Seek(offset, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	w, err := New(out, o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s, err := w.Finish(root)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	b = b[offset:]
	copy(b, s.Bytes())
	return b
}

// A file system that can shares the blocks of an image that is adopted, though
// both images lie behind something else in their files.
func TestBlocksAreShared(t *testing.T) {
	trees.NeedRoot(t)
	const size = 16 << 20
	disk := filepath.Join(t.TempDir(), "disk")
	if err := errors.Join(os.WriteFile(disk, nil, 0o600), os.Truncate(disk, 512<<20)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool(t, "mkfs.xfs"), "-q", "-m", "reflink=1", disk).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.xfs: %v\n%s", err, out)
	}
	b := image(t, newDir(map[string]*tree.Node{"file": newFile(noise(1, size))}), Options{})
	mountedAs(t, "xfs", "loop", disk, func(dir string) {
		base, err := os.Create(filepath.Join(dir, "base"))
		if err != nil {
			t.Fatal(err)
		}
		defer base.Close()
		out, err := os.Create(filepath.Join(dir, "out"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = base.WriteAt(b, 4096)
		_, err2 := out.Seek(40960, io.SeekStart)
		if err := errors.Join(err, err2, base.Sync()); err != nil {
			t.Fatal(err)
		}
		r, err := squashfs.Open(io.NewSectionReader(base, 4096, int64(len(b))), int64(len(b)), squashfs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		before := freeBytes(t, dir)
		w, err := New(out, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if _, err := w.Finish(treeOf(t, r)); err != nil {
			t.Fatal(err)
		}
		// Closing gives back what XFS has allocated ahead.
		if err := errors.Join(out.Sync(), out.Close()); err != nil {
			t.Fatal(err)
		}
		if used := before - freeBytes(t, dir); used > size/4 {
			t.Errorf("the second image takes %d bytes of its own", used)
		}
	})
}

func freeBytes(t *testing.T, dir string) int64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bfree) * st.Bsize
}

func treeOf(t testing.TB, r *squashfs.Reader) *tree.Node {
	t.Helper()
	root, err := r.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// The kernel's copy and the plain one write the same image, wherever in their
// files the two images are.
func TestCopyingBetweenFiles(t *testing.T) {
	root := smaller(8192)
	root.Entries["long"] = newFile(noise(9, 3<<20))
	o := Options{BlockSize: 8192, Codec: codec.Choice{ID: format.Gzip, Level: 1}}
	base := image(t, root, o)
	plain := image(t, readBack(t, base), o)
	for _, at := range [][2]int64{{0, 0}, {4096, 0}, {4096, 40960}, {100, 4096}, {4096, 77}} {
		got := toFile(t, treeOf(t, onDisk(t, base, at[0])), o, at[1])
		if !bytes.Equal(got, plain) {
			t.Errorf("from %d to %d: another image than through memory", at[0], at[1])
		}
	}
	same(t, "read back", readBack(t, plain), root)
}

// An image that is adopted whole keeps its layout, so that a file system can
// share its blocks.
func TestAdoptingKeepsTheLayout(t *testing.T) {
	root := smaller(8192)
	root.Entries["long"] = newFile(noise(9, 2<<20))
	o := Options{BlockSize: 8192}
	base := image(t, root, o)
	end := reader(t, base).Super().InodeTable
	again := image(t, readBack(t, base), o)
	if !bytes.Equal(base[format.SuperSize:end], again[format.SuperSize:end]) {
		t.Error("the blocks of an image that is only copied have moved")
	}
	changed := readBack(t, base)
	for _, name := range []string{"holes", "linked"} {
		delete(changed.Entries, name)
	}
	r := reader(t, image(t, changed, o))
	before, after := inodeAt(t, reader(t, base), "long").Start, inodeAt(t, r, "long").Start
	if before%fsBlock != after%fsBlock {
		t.Errorf("a long run has moved from %d to %d", before, after)
	}
}

// Blocks stored as they are can be taken over whatever the compressor.
func TestUncompressedBlocksAreAdopted(t *testing.T) {
	root := newDir(map[string]*tree.Node{
		"big": newFile(noise(1, 50000)), "small": newFile(noise(2, 3000)), "text": newFile(text(3, 50000)),
	})
	base := image(t, root, Options{BlockSize: 4096, Codec: codec.Choice{ID: format.Gzip}})
	b := image(t, readBack(t, base), Options{BlockSize: 4096, Codec: codec.Choice{ID: format.Zstd}})
	same(t, "read back", readBack(t, b), root)
	adopts := map[string]bool{}
	w := open(t, io.Discard)
	for name, n := range readBack(t, base).Entries {
		s, err := w.adopt(n.Content.(*squashfs.File))
		if err != nil {
			t.Fatal(err)
		}
		adopts[name] = s != nil
	}
	if want := map[string]bool{"big": true, "small": true, "text": false}; !maps.Equal(adopts, want) {
		t.Errorf("adopted: %v", adopts)
	}
}

// What is stored first lies first, in the order given, and shares no fragment
// block with anything else.
func TestStoreFirst(t *testing.T) {
	const bs = 4096
	o := Options{BlockSize: bs}
	base := image(t, smaller(bs), o)
	root := readBack(t, base)
	data := root.Entries["data"].Entries
	hot := []*tree.Node{data["text4097"], data["noise100"], data["noise4096"], data["text100"], data["nil"], root}
	var out bytes.Buffer
	w, err := New(&out, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.StoreFirst(hot); err != nil {
		t.Fatal(err)
	}
	r := reader(t, finish(t, w, &out, root))
	ranges, err := r.Hot()
	if err != nil || len(ranges) != 2 || ranges[0].Off != 0 || ranges[1].Off != int64(r.Super().InodeTable) {
		t.Fatalf("hot: %v, %v", ranges, err)
	}
	if ranges, err := reader(t, base).Hot(); err != nil || ranges != nil {
		t.Errorf("hot without a profile: %v, %v", ranges, err)
	}
	end := uint64(ranges[0].N)
	same(t, "read back", treeOf(t, r), smaller(bs))
	first, second := inodeAt(t, r, "data", "text4097"), inodeAt(t, r, "data", "noise4096")
	if first.Start != format.SuperSize || second.Start <= first.Start || second.Start >= end {
		t.Errorf("blocks at %d and %d of %d", first.Start, second.Start, end)
	}
	small, other := inodeAt(t, r, "data", "noise100"), inodeAt(t, r, "data", "text100")
	entry, err := r.FragmentEntry(small.Fragment)
	if err != nil {
		t.Fatal(err)
	}
	if other.Fragment != small.Fragment || entry.Start >= end {
		t.Errorf("fragments %d and %d, at %d of %d", small.Fragment, other.Fragment, entry.Start, end)
	}
	hotNames := []string{"noise100", "text100", "twin100"} // the twin is the same bytes
	for name, n := range treeOf(t, r).Entries["data"].Entries {
		f, ok := n.Content.(*squashfs.File)
		if ok && f.Inode().Fragment == small.Fragment && !slices.Contains(hotNames, name) {
			t.Errorf("%s shares the first files' fragment block", name)
		}
	}
}
