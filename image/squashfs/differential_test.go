package squashfs_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/e2e/trees"
	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/tree"
)

// peers are programs that write images, with their compressors and odd
// options. DIR is the source, OUT the image; without DIR it is a tar stream.
var peers = []struct {
	command string
	// edit changes the source's tree to what the options ask for.
	edit func(root *tree.Node) *tree.Node
}{
	{"mksquashfs DIR OUT -comp gzip -b 4096 -Xstrategy default,filtered,huffman_only -Xwindow-size 9 -Xcompression-level 1", nil},
	{"mksquashfs DIR OUT -comp gzip -noI -noD -noF -noX -noId -nopad -no-exports", nil},
	{"mksquashfs DIR OUT -comp gzip -noX -no-fragments -no-sparse -Xcompression-level 1", nil},
	{"mksquashfs DIR OUT -comp zstd -b 16K -tailends -no-duplicates -noI -Xcompression-level 1", nil},
	{"mksquashfs DIR OUT -comp zstd -b 1M -Xcompression-level 15 -not-reproducible", nil},
	{"mksquashfs DIR OUT -comp zstd -all-root -no-xattrs -no-hardlinks -Xcompression-level 1", strip},
	{"mksquashfs DIR OUT -comp lz4 -Xhc -b 8K -all-time 77 -root-mode 0123", restamp},
	{"mksquashfs DIR OUT -comp lz4 -always-use-fragments -noD", nil},
	{"mksquashfs DIR OUT -comp lzo -Xalgorithm lzo1x_999 -Xcompression-level 9 -noF", nil},
	{"mksquashfs DIR OUT -comp lzo -Xalgorithm lzo1x_1_15 -b 32K", nil},
	{"mksquashfs DIR OUT -comp xz -Xdict-size 8K -b 8K", nil},
	{"mksquashfs DIR OUT -comp lzma -b 64K", nil},
	{"mksquashfs - OUT -tar -comp gzip -exports -all-time 77 -root-mode 123 -Xcompression-level 1", restamp},
	{"tar2sqfs -c gzip -X level=1,window=10,filtered -b 4096 OUT", nil},
	{"tar2sqfs -c xz -e -X dictsize=64K OUT", nil},
	{"tar2sqfs -c lzo -X algorithm=lzo1x_999,level=3 -T OUT", nil},
	{"tar2sqfs -c lz4 -X hc -b 65536 -B 1024 OUT", nil},
	{"tar2sqfs -c zstd -X level=3 -b 1048576 -e OUT", nil},
	{"tar2sqfs -c lzma OUT", nil},
	{"gensquashfs -D DIR -k -x -c zstd -X level=1 -b 8192 OUT", separate},
	{"gensquashfs -D DIR -k -x -c gzip -T -e OUT", separate},
}

// TestReadsWhatOthersWrite has other programs write images of a tree with all
// features and finds that tree in them, to the last attribute.
func TestReadsWhatOthersWrite(t *testing.T) {
	trees.NeedRoot(t)
	trees.Need(t, "mksquashfs", "tar2sqfs", "gensquashfs")
	features, dir := allFeatures(false), filepath.Join(t.TempDir(), "source")
	extract(t, features, dir)
	source, _ := trees.Host(t, dir)
	packed := edited(features, true, withoutSockets)
	stream := trees.Tar(t, packed)
	// tar2sqfs takes no extended header of more than 64 KiB.
	bigger := edited(allFeatures(true), true, withoutSockets)
	for _, p := range peers {
		t.Run(p.command, func(t *testing.T) {
			t.Parallel()
			words := strings.Fields(p.command)
			want, input := source, io.Reader(nil)
			own := filepath.Join(t.TempDir(), "source")
			if strings.Contains(p.command, "DIR") {
				// mksquashfs takes a link to a file that another program read
				// meanwhile for another file: it compares times of access too.
				extract(t, features, own)
			} else {
				want, input = packed, bytes.NewReader(stream)
			}
			if strings.Contains(p.command, "-tar") {
				want, input = bigger, bytes.NewReader(trees.Tar(t, bigger))
			}
			if p.edit != nil {
				want = p.edit(want)
			}
			out := filepath.Join(t.TempDir(), "image")
			for i, word := range words {
				words[i] = strings.NewReplacer("DIR", own, "OUT", out).Replace(word)
			}
			packWith(t, input, words...)
			sameAs(t, out, want, words[0] == "mksquashfs")
		})
	}
}

// packWith runs a program that writes images, without its chatter.
func packWith(t *testing.T, input io.Reader, words ...string) {
	t.Helper()
	quiet := []string{"-q"}
	if words[0] == "mksquashfs" {
		quiet = []string{"-noappend", "-no-progress", "-quiet", "-processors", "1"}
	}
	check(t, trees.Run(input, append(words, quiet...)...))
}

// TestReadsLargeDirectoriesOfOthers does so for directories of 70,000 names.
func TestReadsLargeDirectoriesOfOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	trees.NeedRoot(t)
	trees.Need(t, "mksquashfs")
	for i, f := range trees.Features() {
		if f.Large {
			source, out := filepath.Join(t.TempDir(), "source"), filepath.Join(t.TempDir(), "image")
			root := f.Tree(uint64(i), 4096)
			extract(t, root, source)
			packWith(t, nil, "mksquashfs", source, out, "-no-hardlinks", "-Xcompression-level", "1")
			sameAs(t, out, separate(root), true)
		}
	}
}

// sameAs compares the image in a file with a tree. The link counts of
// directories are compared if dirs is true: squashfs-tools-ng counts all of a
// directory's entries.
func sameAs(t *testing.T, file string, want *tree.Node, dirs bool) {
	t.Helper()
	f, err := os.Open(file)
	check(t, err)
	defer f.Close()
	info, err := f.Stat()
	check(t, err)
	open := func() *squashfs.Reader {
		r, err := squashfs.Open(f, info.Size(), squashfs.Options{CacheBytes: 1 << 20})
		check(t, err)
		return r
	}
	root, err := open().Tree()
	check(t, err)
	// A reader that has listed nothing looks names up through indexes.
	r := open()
	ino, err := r.Inode(r.Root())
	check(t, err)
	links, err := trees.Read(root, ino, r.Child, func(ino *squashfs.Inode) uint32 { return ino.Nlink })
	check(t, err)
	for n, count := range trees.Count(root) {
		if n.IsDir() && !dirs {
			links[n] = count
		}
	}
	trees.Same(t, "reader", trees.Describe(t, root, links), trees.Describe(t, want, trees.Count(want)))
}

// allFeatures is a tree with a directory for each feature but large ones, and
// but attributes with big values unless these are wanted. Hard links of
// symbolic links are left out: mksquashfs makes files of their own of some.
func allFeatures(bigValues bool) *tree.Node {
	root := tree.NewDir(0o755)
	for i, f := range trees.Features() {
		if !f.Large && (bigValues || !f.BigValues) {
			root.Entries[f.Name] = f.Tree(uint64(i), 4096)
		}
	}
	links := map[*tree.Node]bool{}
	return edited(root, true, func(n *tree.Node) bool {
		maps.DeleteFunc(n.Entries, func(_ string, child *tree.Node) bool {
			again := links[child]
			links[child] = child.Type() == tree.TypeSymlink
			return again
		})
		return true
	})
}

// extract writes a tree to a new directory of the host.
func extract(t *testing.T, root *tree.Node, path string) {
	t.Helper()
	check(t, os.Mkdir(path, 0o755))
	dir, err := os.Open(path)
	check(t, err)
	defer dir.Close()
	report, err := sandbox.WriteTree(context.Background(), root, dir, sandbox.WriteOptions{Chown: true, Devices: true})
	if err != nil || report != (sandbox.Report{}) {
		t.Fatalf("%+v, %v", report, err)
	}
}

// edited returns a copy of a tree with every node edited; one that edit
// returns false of is left out. Hard links stay together or become files of
// their own.
func edited(root *tree.Node, linked bool, edit func(n *tree.Node) bool) *tree.Node {
	copies := map[*tree.Node]*tree.Node{}
	var walk func(n *tree.Node) *tree.Node
	walk = func(n *tree.Node) *tree.Node {
		if c, ok := copies[n]; ok && linked {
			return c
		}
		c := *n
		if copies[n] = &c; !edit(&c) {
			copies[n] = nil
			return nil
		}
		if n.IsDir() {
			c.Entries = map[string]*tree.Node{}
		}
		for name, child := range n.Entries {
			if child = walk(child); child != nil {
				c.Entries[name] = child
			}
		}
		return &c
	}
	return walk(root)
}

func withoutSockets(n *tree.Node) bool { return n.Type() != tree.TypeSocket }

// separate is what gensquashfs makes of a directory: it knows no hard links
// and drops attributes without a value.
func separate(root *tree.Node) *tree.Node {
	return edited(root, false, func(n *tree.Node) bool {
		n.Xattrs = slices.DeleteFunc(slices.Clone(n.Xattrs), func(x tree.Xattr) bool { return len(x.Value) == 0 })
		return true
	})
}

func strip(root *tree.Node) *tree.Node {
	return edited(root, false, func(n *tree.Node) bool {
		n.UID, n.GID, n.Xattrs = 0, 0, nil
		return true
	})
}

func restamp(root *tree.Node) *tree.Node {
	root = edited(root, true, func(n *tree.Node) bool {
		n.ModTime = 77
		return true
	})
	root.Mode = tree.TypeDir | 0o123
	return root
}
