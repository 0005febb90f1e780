package writer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/trees"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

func reader(t testing.TB, b []byte) *squashfs.Reader {
	t.Helper()
	r, err := squashfs.Open(bytes.NewReader(b), int64(len(b)), squashfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readBack returns the tree that our own reader finds in an image.
func readBack(t testing.TB, b []byte) *tree.Node {
	t.Helper()
	root, err := reader(t, b).Tree()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// mksquashfs makes an image of root with the given further arguments.
func mksquashfs(t testing.TB, root *tree.Node, args ...string) []byte {
	t.Helper()
	trees.NeedRoot(t)
	program := tool(t, "mksquashfs")
	dir := t.TempDir()
	from := filepath.Join(dir, "from")
	b := image(t, root, Options{BlockSize: 4096})
	cmd := exec.Command(tool(t, "unsquashfs"), "-quiet", "-no-progress", "-d", from, imageFile(t, b))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("unsquashfs: %v\n%s", err, out)
	}
	to := filepath.Join(dir, "to.sqfs")
	cmd = exec.Command(program, append([]string{from, to, "-quiet", "-no-progress"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mksquashfs: %v\n%s", err, out)
	}
	b, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// modify changes a tree that has data: deletes, adds, replaces, links.
func modify(root *tree.Node) {
	data := root.Entries["data"]
	delete(root.Entries, "deep")
	delete(data.Entries, "noise1")
	root.Entries["added"] = newDir(map[string]*tree.Node{
		"small": newFile([]byte("new")), "big": newFile(noise(77, 300000)),
		"link": data.Entries["almost"],
	})
	data.Entries["text100"] = newFile([]byte("replaced"))
	root.Entries["names"].Mode = tree.TypeDir | 0o700
}

// smaller is everything without the many files that only fill directories.
func smaller(bs int) *tree.Node {
	root := everything(bs)
	delete(root.Entries, "large")
	return root
}

func TestMergingIntoAnImage(t *testing.T) {
	const bs = 16 << 10
	for _, c := range []struct {
		name string
		base func(t *testing.T, root *tree.Node) []byte
		into Options
	}{
		{"mksquashfs zstd", func(t *testing.T, root *tree.Node) []byte {
			return mksquashfs(t, root, "-comp", "zstd", "-b", fmt.Sprint(bs))
		}, Options{Codec: codec.Choice{ID: format.Zstd}, BlockSize: bs}},
		{"mksquashfs gzip tails", func(t *testing.T, root *tree.Node) []byte {
			return mksquashfs(t, root, "-comp", "gzip", "-b", fmt.Sprint(bs), "-always-use-fragments")
		}, Options{Codec: codec.Choice{ID: format.Gzip}, BlockSize: bs}},
		{"mksquashfs uncompressed", func(t *testing.T, root *tree.Node) []byte {
			return mksquashfs(t, root, "-comp", "gzip", "-b", fmt.Sprint(bs), "-noD", "-noF", "-noI", "-noX")
		}, Options{Codec: codec.Choice{ID: format.Gzip}, BlockSize: bs}},
		{"other compression", func(t *testing.T, root *tree.Node) []byte {
			return mksquashfs(t, root, "-comp", "xz", "-b", fmt.Sprint(bs))
		}, Options{Codec: codec.Choice{ID: format.Zstd}, BlockSize: bs}},
		{"other block size", func(t *testing.T, root *tree.Node) []byte {
			return image(t, root, Options{BlockSize: bs / 2})
		}, Options{BlockSize: bs}},
		{"our own", func(t *testing.T, root *tree.Node) []byte {
			return image(t, root, Options{BlockSize: bs})
		}, Options{BlockSize: bs}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := smaller(bs)
			got := readBack(t, c.base(t, want))
			modify(want)
			modify(got)
			b := image(t, got, c.into)
			same(t, "reader", readBack(t, b), want)
			same(t, "unsquashfs", unsquash(t, b), want)
		})
	}
}

// storedBytes collects for every file of an image its blocks and fragment, as
// they are stored, by path.
func storedBytes(t testing.TB, root *tree.Node, path string, to map[string][]byte) {
	for name, n := range root.Entries {
		storedBytes(t, n, path+"/"+name, to)
	}
	f, ok := root.Content.(*squashfs.File)
	if !ok {
		return
	}
	var all []byte
	add := func(pos uint64, word uint32) {
		b := make([]byte, word&^format.BlockUncompressed)
		if err := f.Reader().Source().ReadFull(b, pos); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%#x:", word)...)
		all = append(all, b...)
	}
	pos := f.Inode().Start
	for _, word := range f.Inode().Blocks {
		add(pos, word)
		pos += uint64(word &^ format.BlockUncompressed)
	}
	if i := f.Inode().Fragment; i != format.NoFragment {
		e, err := f.Reader().FragmentEntry(i)
		if err != nil {
			t.Fatal(err)
		}
		add(e.Start, e.Size)
	}
	to[path] = all
}

// The base is compressed at another level than the result, so a block that was
// compressed again would have other bytes.
func TestAdoptedBlocksAreCopiedVerbatim(t *testing.T) {
	root := smaller(8192)
	base := image(t, root, Options{BlockSize: 8192, Codec: codec.Choice{ID: format.Gzip, Level: 1}})
	before, after := map[string][]byte{}, map[string][]byte{}
	storedBytes(t, readBack(t, base), "", before)
	result := image(t, readBack(t, base), Options{BlockSize: 8192, Codec: codec.Choice{ID: format.Gzip, Level: 9}})
	storedBytes(t, readBack(t, result), "", after)
	if len(before) != len(after) || len(before) < 100 {
		t.Fatalf("%d files became %d", len(before), len(after))
	}
	for path := range before {
		if !bytes.Equal(before[path], after[path]) {
			t.Errorf("%s was not copied as it is stored", path)
		}
	}
	if len(result) > len(base)+4096 {
		t.Errorf("%d bytes became %d: something is there twice", len(base), len(result))
	}
	again := map[string][]byte{}
	storedBytes(t, readBack(t, image(t, root, Options{BlockSize: 8192, Codec: codec.Choice{ID: format.Gzip, Level: 9}})), "", again)
	if bytes.Equal(again["/data/text57347"], before["/data/text57347"]) || len(before["/data/text57347"]) == 0 {
		t.Error("the levels do not differ, so the test proves nothing")
	}
}

// A base image that becomes shorter is an error that says whose fault it is.
func TestAdoptingFromATruncatedImage(t *testing.T) {
	b := image(t, newDir(map[string]*tree.Node{"file": newFile(noise(1, 100000))}), Options{BlockSize: 4096})
	src := &shrinking{b: b}
	r, err := squashfs.Open(src, int64(len(b)), squashfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	root, err := r.Tree()
	if err != nil {
		t.Fatal(err)
	}
	src.b = b[:50000]
	_, err = open(t, &bytes.Buffer{}).Finish(root)
	if !errors.Is(err, squashfs.ErrCorrupt) || !strings.Contains(err.Error(), "another image") || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
}

// shrinking is an image that becomes shorter while it is open.
type shrinking struct{ b []byte }

func (s *shrinking) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(s.b).ReadAt(p, off)
}
