package squashfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// TestReadsWhatMksquashfsWrites compares images with the directory they were
// made of, through Tree and through FS.
func TestReadsWhatMksquashfsWrites(t *testing.T) {
	needTool(t, "mksquashfs")
	dir := sourceDir(t)
	want := hostTree(t, dir, map[uint64]*tree.Node{})
	addPseudo(want)
	for _, args := range []string{
		"-comp gzip -Xcompression-level 1 -b 4096",
		"-comp gzip -no-fragments",
		"-comp gzip -always-use-fragments -no-exports",
		"-comp gzip -noI -noD -noF -noX",
		"-comp gzip -noD -noId",
		"-comp gzip -noF -no-duplicates -no-sparse",
		"-comp zstd -Xcompression-level 3 -b 1M",
		"-comp zstd -Xcompression-level 2 -always-use-fragments -b 64K",
		"-comp zstd -Xcompression-level 1",
		"-comp xz -b 32K",
		"-comp xz -Xdict-size 100%",
		"-comp lz4",
		"-comp lz4 -Xhc -b 8192",
		"-comp lzo -b 16K",
		"-comp lzo -Xalgorithm lzo1x_1",
		"-comp lzma",
	} {
		t.Run(strings.ReplaceAll(args, " ", ""), func(t *testing.T) {
			t.Parallel()
			image := mksquashfs(t, dir, append(strings.Fields(args), pseudo...)...)
			r := open(t, image)
			got, err := r.Tree()
			check(t, err)
			(&comparison{t: t, pairs: map[*tree.Node]*tree.Node{}}).compare("/", want, got)
			compareFS(t, r.FS(), ".", want)
		})
	}
}

// comparison finds the differences of two trees.
type comparison struct {
	t     *testing.T
	pairs map[*tree.Node]*tree.Node
}

func (c *comparison) compare(path string, want, got *tree.Node) {
	if was, ok := c.pairs[want]; ok {
		if was != got {
			c.t.Errorf("%s: a hard link became a node of its own", path)
		}
		return
	}
	c.pairs[want] = got
	c.attributes(path, want, got)
	for name, w := range want.Entries {
		if g := got.Entries[name]; g == nil {
			c.t.Errorf("%s%s is missing", path, name)
		} else {
			c.compare(path+name+"/", w, g)
		}
	}
	if len(want.Entries) != len(got.Entries) {
		c.t.Errorf("%s: %d entries, want %d", path, len(got.Entries), len(want.Entries))
	}
	if want.Content == nil {
		return
	}
	f, err := got.Content.(*File).Open()
	check(c.t, err)
	b, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(b, want.Content.(tree.Bytes)) {
		c.t.Errorf("%s: content differs (%v)", path, err)
	}
	readRanges(c.t, path, got.Content.(*File), want.Content.(tree.Bytes))
}

func (c *comparison) attributes(path string, want, got *tree.Node) {
	show := func(n *tree.Node) string {
		return fmt.Sprintf("%o %d:%d rdev %#x target %q", n.Mode, n.UID, n.GID, n.Rdev, n.Target)
	}
	if w, g := show(want), show(got); w != g {
		c.t.Errorf("%s: %s, want %s", path, g, w)
	}
	if want.ModTime != got.ModTime && want.ModTime != 0 {
		c.t.Errorf("%s: modified at %d, want %d", path, got.ModTime, want.ModTime)
	}
	byName := func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) }
	sorted := slices.SortedFunc(slices.Values(want.Xattrs), byName) // a copy: other comparisons read these at once
	if w, g := fmt.Sprintf("%q", sorted), fmt.Sprintf("%q", got.Xattrs); w != g {
		c.t.Errorf("%s: xattrs\n%.300s, want\n%.300s", path, g, w)
	}
}

// readRanges reads parts of f, of any size and at any place.
func readRanges(t *testing.T, path string, f *File, want []byte) {
	if len(want) == 0 {
		if n, err := f.ReadAt(make([]byte, 1), 0); n != 0 || err != io.EOF {
			t.Errorf("%s: read of an empty file: %d, %v", path, n, err)
		}
		return
	}
	rnd := rand.New(rand.NewPCG(uint64(len(want)), 3))
	for range 3 {
		off := rnd.IntN(len(want))
		b := bytes.Repeat([]byte{0xa5}, 1+rnd.IntN(100000))
		n, err := f.ReadAt(b, int64(off))
		rest := want[off:]
		if len(b) > len(rest) != (err == io.EOF) || n != min(len(b), len(rest)) || !bytes.Equal(b[:n], rest[:n]) {
			t.Fatalf("%s: read of %d bytes at %d: %d, %v", path, len(b), off, n, err)
		}
	}
}

// compareFS compares what FS says of a directory with a tree.
func compareFS(t *testing.T, fsys *FS, dir string, want *tree.Node) {
	list, err := fsys.ReadDir(dir)
	check(t, err)
	for _, e := range list {
		name := e.Name()
		if dir != "." {
			name = dir + "/" + name
		}
		w := want.Entries[e.Name()]
		info, err := fsys.Lstat(name)
		check(t, err)
		if mode := info.Sys().(*Inode).Mode; w == nil || mode != w.Mode || info.Mode().Type() != e.Type() {
			t.Fatalf("%s: mode %o", name, mode)
		}
		switch {
		case e.IsDir():
			compareFS(t, fsys, name, w)
		case e.Type().IsRegular():
			b, err := fsys.ReadFile(name)
			if err != nil || !bytes.Equal(b, w.Content.(tree.Bytes)) {
				t.Errorf("%s: content differs (%v)", name, err)
			}
		}
	}
}

// TestIndexedDirectory looks names up in a directory that has an index, before
// and after its listing is cached.
func TestIndexedDirectory(t *testing.T) {
	needTool(t, "mksquashfs")
	dir := t.TempDir()
	const files = 3000
	name := func(i int) string { return fmt.Sprintf("a-rather-long-name-%04d-%c", i, 'a'+i%26) }
	for i := range files {
		check(t, os.WriteFile(filepath.Join(dir, name(i)), nil, 0o600))
	}
	r := open(t, mksquashfs(t, dir, "-comp", "zstd"))
	root, err := r.Inode(r.Root())
	check(t, err)
	if root.Type != format.LDir || len(root.Index) < 5 {
		t.Fatalf("root of type %d with an index of %d", root.Type, len(root.Index))
	}
	for range 2 {
		for i := range files {
			e, err := r.Lookup(root, name(i))
			if err != nil || e.Name != name(i) {
				t.Fatalf("%q: %v", name(i), err)
			}
			ino, err := r.Entry(e)
			if err != nil || !ino.IsRegular() {
				t.Fatalf("%q: %v", name(i), err)
			}
		}
		for _, bad := range []string{"", "a", "zzz", name(0) + "x", name(files), "a-rather-long-name-1500"} {
			if _, err := r.Lookup(root, bad); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		entries, err := r.ReadDir(root)
		check(t, err)
		if len(entries) != files || !slices.IsSortedFunc(entries, func(a, b format.DirEntry) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%d entries", len(entries))
		}
	}
}

// TestStoredBlocks decodes a file from its raw blocks and its fragment.
func TestStoredBlocks(t *testing.T) {
	dir := t.TempDir()
	want := append(make([]byte, 8192), text(rand.New(rand.NewPCG(5, 6)), 30000)...)
	check(t, os.WriteFile(filepath.Join(dir, "f"), want, 0o600))
	r := open(t, mksquashfs(t, dir, "-comp", "gzip", "-b", "4096", "-always-use-fragments"))
	root, err := r.Inode(r.Root())
	check(t, err)
	ino, err := r.Child(root, "f")
	check(t, err)
	var got []byte
	pos := ino.Start
	for _, word := range ino.Blocks {
		out := make([]byte, 4096)
		if word != 0 {
			raw := make([]byte, word&^format.BlockUncompressed)
			check(t, r.Source().ReadFull(raw, pos))
			pos += uint64(len(raw))
			_, err = r.codec.Decompress(out, raw)
			check(t, err)
		}
		got = append(got, out...)
	}
	at, err := r.FragmentEntry(ino.Fragment)
	check(t, err)
	tail := make([]byte, 4096)
	_, err = r.decode(tail, at)
	check(t, err)
	got = append(got, tail[ino.FragOff:][:len(want)%4096]...)
	if !bytes.Equal(got, want) {
		t.Error("the blocks as stored are not those of the file")
	}
}

// TestBCJ checks the message for what the XZ decoder cannot do.
func TestBCJ(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	check(t, err)
	b, err := os.ReadFile(exe)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "code"), b[1<<20:2<<20], 0o700))
	r := open(t, mksquashfs(t, dir, "-comp", "xz", "-Xbcj", "x86", "-noI"))
	if _, err := r.FS().ReadFile("code"); !errors.Is(err, errors.ErrUnsupported) || errors.Is(err, ErrCorrupt) || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
}
