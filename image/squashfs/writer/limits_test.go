package writer

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

func finishError(t *testing.T, root *tree.Node) error {
	t.Helper()
	_, err := open(t, io.Discard).Finish(root)
	return err
}

func TestFinishRejectsTrees(t *testing.T) {
	dir := newDir(nil)
	link := func(target string) *tree.Node { return &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: target} }
	attr := func(name string, size int) *tree.Node {
		n := newFile(nil)
		n.Xattrs = []tree.Xattr{{Name: name, Value: make([]byte, size)}}
		return n
	}
	for name, entries := range map[string]map[string]*tree.Node{
		"empty name":     {"": newFile(nil)},
		"dot":            {".": newFile(nil)},
		"dot dot":        {"..": newFile(nil)},
		"slash":          {"a/b": newFile(nil)},
		"NUL":            {"a\x00b": newFile(nil)},
		"long name":      {strings.Repeat("n", 256): newFile(nil)},
		"no node":        {"a": nil},
		"no type":        {"a": {Mode: 0o644}},
		"two names":      {"a": dir, "b": dir},
		"no target":      {"a": link("")},
		"long target":    {"a": link(strings.Repeat("t", 4096))},
		"NUL in target":  {"a": link("a\x00b")},
		"large major":    {"a": {Mode: tree.TypeChar, Rdev: unix.Mkdev(4096, 0)}},
		"large minor":    {"a": {Mode: tree.TypeBlock, Rdev: unix.Mkdev(0, 1<<20)}},
		"xattr prefix":   {"a": attr("system.posix_acl_access", 4)},
		"xattr no name":  {"a": attr("user.", 4)},
		"xattr no class": {"a": attr("user", 4)},
		"xattr name":     {"a": attr("user."+strings.Repeat("x", 251), 4)},
		"xattr value":    {"a": attr("user.x", 64<<10+1)},
	} {
		if err := finishError(t, newDir(entries)); err == nil {
			t.Errorf("%s passes", name)
		} else if !strings.HasPrefix(err.Error(), `squashfs: "/`) {
			t.Errorf("%s: error %q does not name the path", name, err)
		}
	}
	cycle := newDir(map[string]*tree.Node{})
	cycle.Entries["down"] = cycle
	for name, root := range map[string]*tree.Node{"nil": nil, "file": newFile(nil), "cycle": cycle} {
		if err := finishError(t, root); err == nil {
			t.Errorf("root %s passes", name)
		}
	}
}

// TestDepth writes the deepest tree that the reader takes, and no deeper one.
func TestDepth(t *testing.T) {
	nested := func(depth int) *tree.Node {
		d := newDir(map[string]*tree.Node{"file": newFile(nil)})
		for range depth {
			d = newDir(map[string]*tree.Node{"d": d})
		}
		return d
	}
	deepest := nested(format.MaxDepth)
	same(t, "reader", readBack(t, image(t, deepest, Options{})), deepest)
	w, err := New(io.Discard, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Finish(nested(format.MaxDepth + 1)); err == nil || !strings.Contains(err.Error(), "1024") {
		t.Errorf("one deeper: error %v", err)
	}
}

func TestManyIDs(t *testing.T) {
	root := newDir(map[string]*tree.Node{})
	for i := range 3000 {
		n := newFile(nil)
		n.UID, n.GID = uint32(i)<<16, uint32(i)<<16|1
		root.Entries[fmt.Sprint(i)] = n
	}
	b := image(t, root, Options{})
	same(t, "reader", readBack(t, b), root)
	mounted(t, b, func(dir string) { same(t, "kernel", hostTree(t, dir), root) })
}

// Values are stored once however many inodes have them.
func TestSharedXattrValuesAreStoredOnce(t *testing.T) {
	grow := func(count int) int {
		root := newDir(map[string]*tree.Node{})
		for i := range count {
			n := newFile(nil)
			n.Xattrs = []tree.Xattr{
				{Name: "user.a", Value: []byte(fmt.Sprint(i))}, {Name: "user.big", Value: noise(1, 50000)},
			}
			root.Entries[fmt.Sprint(i)] = n
		}
		b := image(t, root, Options{})
		same(t, "read back", readBack(t, b), root)
		return len(b)
	}
	if one, many := grow(1), grow(20); many > one+8192 {
		t.Errorf("20 inodes make %d bytes of %d", many, one)
	}
}

func TestManyFragments(t *testing.T) {
	root := newDir(map[string]*tree.Node{})
	for i := range 1200 {
		root.Entries[fmt.Sprint(i)] = newFile(noise(uint64(i), 4000))
	}
	b := image(t, root, Options{BlockSize: 4096, Codec: codec.Choice{Level: 1}})
	if n := reader(t, b).Super().Fragments; n != 1200 {
		t.Errorf("%d fragments", n)
	}
	same(t, "reader", readBack(t, b), root)
	mounted(t, b, func(dir string) { same(t, "kernel", hostTree(t, dir), root) })
}

// zeros is a file of zeros with an end.
type zeros struct {
	size int64
	end  string
}

func (z zeros) Size() int64 { return z.size + int64(len(z.end)) }
func (z zeros) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(io.LimitReader(&clearing{}, z.size), strings.NewReader(z.end))), nil
}

// clearing is a reader of zeros that skips what it has cleared already.
type clearing struct{}

func (*clearing) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestFileOverFourGiB(t *testing.T) {
	n := newFile(nil)
	n.Content = zeros{4 << 30, "the end"}
	b := image(t, newDir(map[string]*tree.Node{"huge": n}), Options{BlockSize: 1 << 20})
	if len(b) > 32<<10 {
		t.Errorf("the image has %d bytes", len(b))
	}
	check := func(what string, size int64, r io.ReaderAt) {
		t.Helper()
		tail := make([]byte, 10)
		if _, err := r.ReadAt(tail, 4<<30-3); err != nil || string(tail) != "\x00\x00\x00the end" || size != 4<<30+7 {
			t.Errorf("%s: %d bytes ending in %q, error %v", what, size, tail, err)
		}
	}
	f := readBack(t, b).Entries["huge"].Content.(*squashfs.File)
	check("reader", f.Size(), f)
	if f.Inode().Sparse != 4<<30 {
		t.Errorf("%d bytes in holes", f.Inode().Sparse)
	}
	mounted(t, b, func(dir string) {
		f, err := os.Open(filepath.Join(dir, "huge"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		check("kernel", st.Size(), f)
	})
}

// An image whose blocks lie beyond 4 GiB, in a file with a hole before them.
func TestBlocksBeyondFourGiB(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := open(t, out)
	first := newFile(nil)
	first.Content = put(t, w, noise(1, 5000))
	if err := w.drain(); err != nil {
		t.Fatal(err)
	}
	const far = 5 << 30
	if _, err := out.Seek(far, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	w.pipe.pos = far
	root := newDir(map[string]*tree.Node{"first": first, "small": newFile([]byte("small")), "big": newFile(noise(2, 50000))})
	s, err := w.Finish(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.WriteAt(s.Bytes(), 0); err != nil {
		t.Fatal(err)
	}
	first.Content = tree.Bytes(noise(1, 5000))
	r, err := squashfs.Open(out, int64(s.BytesUsed), squashfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Tree()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "reader", got, root)
	if ino := inodeAt(t, r, "big"); ino.Start < far || ino.Type != format.LReg {
		t.Errorf("start %d, type %d", ino.Start, ino.Type)
	}
	mountedFile(t, out.Name(), func(dir string) { same(t, "kernel", hostTree(t, dir), root) })
}
