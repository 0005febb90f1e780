package usage

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

const blockSize = 4096

// packed returns the tree of an image in which build has put files.
func packed(t *testing.T, build func(put func(text []byte) *tree.Node, root *tree.Node)) *tree.Node {
	t.Helper()
	var out bytes.Buffer
	w, err := writer.New(&out, writer.Options{Codec: codec.Choice{Level: 1}, BlockSize: blockSize})
	if err != nil {
		t.Fatal(err)
	}
	root := tree.NewDir(0o755)
	build(func(text []byte) *tree.Node {
		c, err := w.Store(bytes.NewReader(text), int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		return &tree.Node{Mode: tree.TypeRegular | 0o644, Content: c}
	}, root)
	super, err := w.Finish(root)
	if err != nil {
		t.Fatal(err)
	}
	copy(out.Bytes(), super.Bytes())
	r, err := squashfs.Open(bytes.NewReader(out.Bytes()), int64(out.Len()), squashfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if root, err = r.Tree(); err != nil {
		t.Fatal(err)
	}
	return root
}

// noise does not compress.
func noise(n int, seed byte) []byte {
	r, b := rand.NewChaCha8([32]byte{seed}), make([]byte, n)
	_, _ = r.Read(b)
	return b
}

// TestOf measures an image of which all is known: blocks that do not compress take their
// length, what files share counts once, and ends share their fragment.
func TestOf(t *testing.T) {
	long, end := noise(4*blockSize, 0), noise(1000, 1)
	root := packed(t, func(put func([]byte) *tree.Node, root *tree.Node) {
		a, b := tree.NewDir(0o755), tree.NewDir(0o755)
		root.Entries["a"], root.Entries["b"] = a, b
		a.Entries["deep"] = tree.NewDir(0o755)
		a.Entries["deep"].Entries["long"] = put(long)
		a.Entries["deep"].Entries["link"] = a.Entries["deep"].Entries["long"]
		a.Entries["again"] = put(long)
		b.Entries["end"] = put(end)
		b.Entries["other"] = put(noise(1000, 2))
		b.Entries["zeros"] = put([]byte(strings.Repeat("\x00", 8*blockSize)))
		b.Entries["text"] = put([]byte(strings.Repeat("text ", 4*blockSize)))
		b.Entries["symlink"] = &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "end"}
	})
	r, err := Of(root)
	if err != nil {
		t.Fatal(err)
	}
	find := func(path string) Sizes {
		i := slices.IndexFunc(r.Files, func(f File) bool { return f.Path == path })
		if i < 0 {
			t.Fatalf("%s is not among %+v", path, r.Files)
		}
		return r.Files[i].Sizes
	}
	if got := find("/a/again"); got != (Sizes{4 * blockSize, 4 * blockSize}) {
		t.Errorf("again: %+v", got)
	}
	if got := find("/b/zeros"); got != (Sizes{8 * blockSize, 0}) {
		t.Errorf("zeros: %+v", got)
	}
	if got := find("/b/text"); got.Size != 20*blockSize || got.Stored == 0 || got.Stored > blockSize {
		t.Errorf("text: %+v", got)
	}
	if e, o := find("/b/end"), find("/b/other"); e.Stored < 900 || e.Stored > 1100 || e.Stored != o.Stored {
		t.Errorf("ends: %+v, %+v", e, o)
	}
	// The copy of a long file takes nothing more, and a hard link is no file of its own.
	a := r.Root.Dirs[0]
	if a.Path != "/a" || a.Sizes != (Sizes{8 * blockSize, 4 * blockSize}) || a.Files != 3 {
		t.Errorf("a: %+v", a)
	}
	if len(a.Dirs) != 1 || a.Dirs[0].Path != "/a/deep" || a.Dirs[0].Sizes != (Sizes{4 * blockSize, 0}) {
		t.Errorf("deep: %+v", a.Dirs[0])
	}
	if b := r.Root.Dirs[1]; b.Files != 5 || r.Root.Stored != a.Stored+b.Stored || r.Root.Size != a.Size+b.Size || r.Root.Files != 8 {
		t.Errorf("root: %+v, b: %+v", r.Root, b)
	}
	if r.Files[0].Path != "/a/again" {
		t.Errorf("the largest is %+v", r.Files[0])
	}
}

// TestOfDirectory measures what is in no image.
func TestOfDirectory(t *testing.T) {
	root := tree.NewDir(0o755)
	root.Entries["f"] = &tree.Node{Mode: tree.TypeRegular, Content: plain(7)}
	root.Entries["empty"] = &tree.Node{Mode: tree.TypeRegular}
	r, err := Of(root)
	if err != nil || r.Root.Sizes != (Sizes{Size: 7}) || r.Root.Files != 2 || len(r.Files) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

type plain int64

func (p plain) Size() int64 { return int64(p) }
