package writer_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift/e2e/trees"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

// codecs are the compressions that can be written.
var codecs = []struct {
	name   string
	choice codec.Choice
}{
	{"zstd", codec.Choice{ID: format.Zstd}},
	{"gzip", codec.Choice{ID: format.Gzip}},
	{"lz4", codec.Choice{ID: format.LZ4}},
	{"xz", codec.Choice{ID: format.XZ}},
	{"none", codec.Choice{ID: format.Gzip, Store: true}},
}

var blockSizes = []int{4 << 10, 128 << 10, 1 << 20}

// mixes is the number of trees of features at random.
const mixes = 9

// TestWhatOthersReadIsWhatWasWritten writes a tree of every feature and random
// ones. What our reader, unsquashfs and the kernel find must be that tree, to
// the last attribute. Codecs and block sizes take turns.
func TestWhatOthersReadIsWhatWasWritten(t *testing.T) {
	cases := trees.Features()
	for range mixes {
		cases = append(cases, trees.Random())
	}
	kernel := kernelReads(t)
	for i, f := range cases {
		c, bs := codecs[i%len(codecs)], blockSizes[i/len(codecs)%len(blockSizes)]
		t.Run(fmt.Sprintf("%s %s %d", f.Name, c.name, bs), func(t *testing.T) {
			t.Parallel()
			if f.Large && testing.Short() {
				t.Skip("takes seconds")
			}
			root := f.Tree(uint64(i), bs)
			want := trees.Describe(t, root, trees.Count(root))
			o := writer.Options{Codec: c.choice, BlockSize: bs, Workers: 1 + i%3}
			image := write(t, root, o)
			got, links := readWithLinks(t, image)
			trees.Same(t, "reader", trees.Describe(t, got, links), want)
			othersRead(t, image, want, !f.BigValues, kernel[c.name])
		})
	}
}

// write returns the image of a tree.
func write(t testing.TB, root *tree.Node, o writer.Options) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := writer.New(&out, o)
	if err != nil {
		t.Fatal(err)
	}
	super, err := w.Finish(root)
	if err != nil {
		t.Fatal(err)
	}
	copy(out.Bytes(), super.Bytes())
	return out.Bytes()
}

// readWithLinks returns the tree that our reader finds, and the link counts of
// its inodes, found by a reader that looks names up through indexes because it
// has listed nothing.
func readWithLinks(t testing.TB, image []byte) (*tree.Node, trees.Links) {
	t.Helper()
	open := func() *squashfs.Reader {
		r, err := squashfs.Open(bytes.NewReader(image), int64(len(image)), squashfs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	root, err := open().Tree()
	if err != nil {
		t.Fatal(err)
	}
	r := open()
	ino, err := r.Inode(r.Root())
	if err != nil {
		t.Fatal(err)
	}
	links, err := trees.Read(root, ino, r.Child, func(ino *squashfs.Inode) uint32 { return ino.Nlink })
	if err != nil {
		t.Fatal(err)
	}
	return root, links
}

// othersRead compares what unsquashfs, if extract is true, and the kernel, if
// nothing keeps it from mounting, find with want.
func othersRead(t *testing.T, image []byte, want []string, extract bool, kernel error) {
	file := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(file, image, 0o600); err != nil {
		t.Fatal(err)
	}
	if extract {
		root, links := trees.Host(t, trees.Extract(t, file))
		trees.Same(t, "unsquashfs", trees.Describe(t, root, links), want)
	}
	if kernel != nil {
		trees.Unavailable(t, "the kernel cannot mount what mksquashfs made: "+kernel.Error())
	}
	root, links := trees.Host(t, trees.Mount(t, file, 0))
	trees.Same(t, "kernel", trees.Describe(t, root, links), want)
}

// kernelReads tells for each codec what keeps the kernel from mounting an image
// that mksquashfs made.
func kernelReads(t *testing.T) map[string]error {
	found := map[string]error{}
	for _, c := range codecs {
		file, dir := filepath.Join(t.TempDir(), "probe"), t.TempDir()
		err := trees.Run(nil, "mksquashfs", "/etc/passwd", file, "-comp", codec.Name(c.choice.ID), "-no-progress", "-quiet")
		if err == nil {
			err = trees.Run(nil, "mount", "-t", "squashfs", "-o", "ro,loop", file, dir)
		}
		if err == nil {
			err = trees.Unmount(dir)
		}
		found[c.name] = err
	}
	return found
}
