package profile

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

const blockSize = 4096

// image returns the tree of an image with files of the given sizes.
func image(t *testing.T, sizes map[string]int) *tree.Node {
	t.Helper()
	root := tree.NewDir(0o755)
	for name, n := range sizes {
		root.Entries[name] = &tree.Node{Mode: tree.TypeRegular | 0o644, Content: tree.Bytes(strings.Repeat(name, n)[:n])}
	}
	var out bytes.Buffer
	w, err := writer.New(&out, writer.Options{BlockSize: blockSize})
	if err != nil {
		t.Fatal(err)
	}
	super, err := w.Finish(root)
	if err != nil {
		t.Fatal(err)
	}
	b := out.Bytes()
	copy(b, super.Bytes())
	r, err := squashfs.Open(bytes.NewReader(b), int64(len(b)), squashfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if root, err = r.Tree(); err != nil {
		t.Fatal(err)
	}
	return root
}

func inode(n *tree.Node) *squashfs.Inode { return n.Content.(*squashfs.File).Inode() }

// TestHot: files come in the order of their first read, and only those of which
// half or more of the blocks was read.
func TestHot(t *testing.T) {
	root := image(t, map[string]int{"a": 100, "b": 10 * blockSize, "c": 10*blockSize + 1, "d": 3, "never": 9})
	node := func(name string) *tree.Node { return root.Entries[name] }
	r := NewRecorder(blockSize)
	r.Add(inode(node("d")), 0, 1<<17)                   // beyond its end, as the kernel asks
	r.Add(inode(node("b")), 3*blockSize+5, 4*blockSize) // five blocks
	r.Add(inode(node("c")), 0, 5*blockSize)             // five of eleven
	r.Add(inode(node("a")), 0, 100)                     //
	r.Add(inode(node("d")), 0, 3)                       // again
	hot := r.Hot()
	want := []*tree.Node{node("d"), node("b"), node("a")}
	if got := Nodes(root, hot); !slices.Equal(got, want) {
		t.Errorf("%d files %v, want %d", len(got), hot, len(want))
	}
	r.Add(inode(node("c")), 10*blockSize, 1)
	if got := r.Hot(); len(got) != 4 || got[2] != inode(node("c")).Ref {
		t.Errorf("with a sixth block of c: %v", got)
	}
	delete(root.Entries, "b")
	if got := Nodes(root, hot); !slices.Equal(got, []*tree.Node{node("d"), node("a")}) {
		t.Errorf("without b: %d files", len(got))
	}
	if got := Nodes(root, nil); got != nil {
		t.Errorf("of none: %v", got)
	}
}

func TestRecorderIsConcurrent(t *testing.T) {
	root := image(t, map[string]int{"a": 64 * blockSize, "b": 1})
	r := NewRecorder(blockSize)
	var all sync.WaitGroup
	for i := range int64(64) {
		all.Go(func() { r.Add(inode(root.Entries["a"]), i*blockSize, blockSize) })
	}
	all.Wait()
	if hot := r.Hot(); !slices.Equal(hot, []format.Ref{inode(root.Entries["a"]).Ref}) {
		t.Errorf("%v", hot)
	}
}
