// Package trees makes file trees and tells whether two are equal, for tests
// that hold the programs of others against ours.
//
// Input: a seed, a directory of the host, or a tree of image/tree. Output:
// trees, the tar stream of one, and lines that are equal when two trees are. It
// uses nothing of Sealift but the type of a tree, so that a defect in a reader
// or writer cannot hide in it. Only tests import it.
package trees

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/tree"
)

// Links holds the link count of each inode.
type Links map[*tree.Node]uint64

// Count returns the link counts that the inodes of a tree should have.
func Count(root *tree.Node) Links {
	links := Links{}
	for _, n := range root.Walk() {
		links[n]++
		if n.IsDir() {
			links[n] = 2
			for _, child := range n.Entries {
				if child.IsDir() {
					links[n]++
				}
			}
		}
	}
	return links
}

// Read returns the link counts that an image's inodes have: at is that of the
// root, and child finds the others.
func Read[Inode any](root *tree.Node, at Inode, child func(Inode, string) (Inode, error), count func(Inode) uint32) (Links, error) {
	links := Links{}
	var walk func(n *tree.Node, at Inode) error
	walk = func(n *tree.Node, at Inode) error {
		links[n] = uint64(count(at))
		for name, entry := range n.Entries {
			next, err := child(at, name)
			if err == nil {
				err = walk(entry, next)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return links, walk(root, at)
}

// Describe returns a line for each name of a tree with everything there is to
// its inode: equal trees have equal lines. Contents are hashed, and further
// names of an inode refer to the first.
func Describe(t testing.TB, root *tree.Node, links Links) []string {
	t.Helper()
	var lines []string
	first := map[*tree.Node]string{}
	var walk func(path string, n *tree.Node)
	walk = func(path string, n *tree.Node) {
		if link, ok := first[n]; ok {
			lines = append(lines, fmt.Sprintf("%q link to %q", path, link))
			return
		}
		first[n] = path
		lines = append(lines, fmt.Sprintf("%q nlink %d ", path, links[n])+describe(t, n))
		for _, name := range slices.Sorted(maps.Keys(n.Entries)) {
			walk(path+"/"+name, n.Entries[name])
		}
	}
	walk("", root)
	return lines
}

func describe(t testing.TB, n *tree.Node) string {
	t.Helper()
	line := fmt.Sprintf("%o %d:%d @%d", n.Mode, n.UID, n.GID, n.ModTime)
	switch n.Type() {
	case tree.TypeRegular:
		line += sum(t, n.Content)
	case tree.TypeSymlink:
		line += " -> " + n.Target
	case tree.TypeBlock, tree.TypeChar:
		line += fmt.Sprintf(" device %d:%d", unix.Major(n.Rdev), unix.Minor(n.Rdev))
	}
	for _, x := range n.Xattrs {
		line += fmt.Sprintf(" %q=%d:%.6x", x.Name, len(x.Value), sha256.Sum256(x.Value))
	}
	return line
}

// Digest stands for the content of a file of which only the hash was kept.
type Digest struct {
	Bytes int64
	Hash  [sha256.Size]byte
}

// Size returns the length in bytes.
func (d Digest) Size() int64 { return d.Bytes }

// ReadDigest reads the size bytes of a file: a tree.Store that keeps none.
func ReadDigest(r io.Reader, size int64) (tree.Content, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes of %d", n, size)
	}
	return Digest{n, [sha256.Size]byte(h.Sum(nil))}, err
}

func sum(t testing.TB, c tree.Content) string {
	t.Helper()
	var d Digest
	switch c := c.(type) {
	case nil:
		d.Hash = sha256.Sum256(nil)
	case Digest:
		d = c
	default:
		r, err := c.(tree.Opener).Open()
		check(t, err)
		defer r.Close()
		read, err := ReadDigest(r, c.Size())
		check(t, err)
		d = read.(Digest)
	}
	return fmt.Sprintf(" %d bytes %.8x", d.Bytes, d.Hash)
}

// Same fails the test unless the lines of two trees are equal.
func Same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	shown := 0
	report := func(prefix string, a, b []string) {
		known := map[string]bool{}
		for _, line := range b {
			known[line] = true
		}
		for _, line := range a {
			if !known[line] && shown < 20 {
				shown++
				t.Errorf("%s: %s %.400s", what, prefix, line)
			}
		}
	}
	report("missing", want, got)
	report("surplus", got, want)
	t.Errorf("%s: the trees differ (%d and %d names)", what, len(got), len(want))
}

// Tar returns a tree as a tar stream in PAX format. Tar has no sockets, which
// are left out.
func Tar(t testing.TB, root *tree.Node) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	first := map[*tree.Node]string{}
	for name, n := range root.Walk() {
		h := header(name, n)
		if h == nil {
			continue
		}
		if first[n] != "" {
			h = &tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: first[n], Mode: h.Mode, ModTime: h.ModTime,
				Format: tar.FormatPAX}
		} else {
			first[n] = name
		}
		check(t, w.WriteHeader(h))
		if h.Size > 0 {
			r, err := n.Content.(tree.Opener).Open()
			check(t, err)
			_, err = io.Copy(w, r)
			check(t, err)
			check(t, r.Close())
		}
	}
	check(t, w.Close())
	return out.Bytes()
}

func header(name string, n *tree.Node) *tar.Header {
	types := map[uint32]byte{
		tree.TypeRegular: tar.TypeReg, tree.TypeDir: tar.TypeDir, tree.TypeSymlink: tar.TypeSymlink,
		tree.TypeChar: tar.TypeChar, tree.TypeBlock: tar.TypeBlock, tree.TypeFIFO: tar.TypeFifo,
	}
	flag, ok := types[n.Type()]
	if !ok {
		return nil
	}
	h := &tar.Header{
		Typeflag: flag, Name: strings.TrimPrefix(name, "./"), Linkname: n.Target, Mode: int64(n.Mode & 0o7777),
		Uid: int(n.UID), Gid: int(n.GID), ModTime: time.Unix(n.ModTime, 0),
		Devmajor: int64(unix.Major(n.Rdev)), Devminor: int64(unix.Minor(n.Rdev)), Format: tar.FormatPAX,
	}
	if flag == tar.TypeDir {
		h.Name += "/"
	}
	if n.Content != nil {
		h.Size = n.Content.Size()
	}
	for _, x := range n.Xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords["SCHILY.xattr."+x.Name] = string(x.Value)
	}
	return h
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
