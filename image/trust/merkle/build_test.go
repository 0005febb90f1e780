package merkle

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
)

// top returns the top of data's tree as the package's documentation defines it.
func top(data []byte) Hash {
	var hashes []byte
	for len(data) > 0 {
		leaf := data[:min(testLeaf, len(data))]
		h := sum(leafPrefix, leaf)
		hashes, data = append(hashes, h[:]...), data[len(leaf):]
	}
	for {
		var above []byte
		for rest := hashes; len(rest) > 0; {
			node := rest[:min(nodeSize, len(rest))]
			h := sum(nodePrefix, node)
			above, rest = append(above, h[:]...), rest[len(node):]
		}
		if len(above) == HashSize {
			return Hash(above)
		}
		hashes = above
	}
}

func TestBuild(t *testing.T) {
	for _, size := range []int64{
		1, 95, testLeaf - 1, testLeaf, testLeaf + 1, 2 * testLeaf, fanOut*testLeaf - 1, fanOut * testLeaf,
		fanOut*testLeaf + 1, 3*fanOut*testLeaf + 5, fanOut*fanOut*testLeaf + 1,
	} {
		data := noise(size)
		var first []byte
		for _, workers := range []int{1, 3, 0} {
			root, tree, err := build(context.Background(), bytes.NewReader(data), size, testLeaf, workers)
			must(t, err)
			if root.Top != top(data) || root.Size != size || int64(len(tree)) != root.TreeSize() {
				t.Fatalf("%d bytes, %d workers: root %+v, tree of %d bytes", size, workers, root, len(tree))
			}
			if first == nil {
				first = tree
			}
			if !bytes.Equal(first, tree) {
				t.Fatalf("%d bytes: the tree depends on the number of workers", size)
			}
		}
	}
}

// The tree of data that is written while it is made, and whose start is
// changed in the end, is the same.
func TestBuildBehindAWriter(t *testing.T) {
	data := noise(40*testLeaf + 77)
	f, err := os.Create(filepath.Join(t.TempDir(), "data"))
	must(t, err)
	defer f.Close()
	b := NewBuilder(context.Background(), f, testLeaf, 2)
	defer b.Abort()
	w := &follower{w: f, b: b}
	_, err = w.Write(make([]byte, 96))
	must(t, err)
	for rest := data[96:]; len(rest) > 0; {
		n, err := w.Write(rest[:min(len(rest), 3000)])
		must(t, err)
		rest = rest[n:]
	}
	_, err = f.WriteAt(data[:96], 0)
	must(t, err)
	root, tree, err := b.Finish()
	must(t, err)
	want, wantTree, err := build(context.Background(), bytes.NewReader(data), int64(len(data)), testLeaf, 1)
	must(t, err)
	if root != want || !bytes.Equal(tree, wantTree) {
		t.Errorf("root %+v, want %+v", root, want)
	}
}

func TestBuildFails(t *testing.T) {
	broken := errors.New("broken")
	stopped, stop := context.WithCancelCause(context.Background())
	stop(broken)
	for name, c := range map[string]struct {
		ctx  context.Context
		r    io.ReaderAt
		size int64
		want error
	}{
		"read":    {context.Background(), readerAt{iotest.ErrReader(broken)}, 9 * testLeaf, broken},
		"end":     {context.Background(), bytes.NewReader(noise(testLeaf)), testLeaf + 1, io.EOF},
		"stopped": {stopped, bytes.NewReader(noise(9 * testLeaf)), 9 * testLeaf, broken},
	} {
		if _, _, err := build(c.ctx, c.r, c.size, testLeaf, 2); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, _, err := Build(context.Background(), bytes.NewReader(nil), 0, 1); err == nil {
		t.Error("nothing has a tree")
	}
}

// A Builder that is given up while its workers wait for data ends.
func TestAbort(t *testing.T) {
	b := NewBuilder(context.Background(), bytes.NewReader(noise(testLeaf)), testLeaf, 3)
	b.Grow(testLeaf)
	b.Abort()
	if _, _, err := b.Finish(); !errors.Is(err, context.Canceled) {
		t.Errorf("a Builder that was given up: %v", err)
	}
}

type readerAt struct{ io.Reader }

func (r readerAt) ReadAt(p []byte, _ int64) (int, error) { return r.Read(p) }
