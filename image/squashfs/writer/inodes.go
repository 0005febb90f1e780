package writer

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// maxName is the longest name Linux can look up, in bytes (NAME_MAX), one
// below what the format could hold.
const maxName = 255

// inode is what the image says about a node.
type inode struct {
	number, nlink uint32
	ref           format.Ref
	content       *stored // a regular file's
	listing       listing // a directory's
	written       bool
}

// dir is a directory with its entries in order.
type dir struct {
	node   *tree.Node
	parent *dir // nil of the root
	name   string
	names  []string // sorted bytewise
	depth  int      // 0 of the root
}

// path returns the absolute path of the entry called name, for errors.
func (d *dir) path(name string) string {
	parts := []string{name}
	for ; d != nil; d = d.parent {
		parts = append(parts, d.name)
	}
	slices.Reverse(parts)
	return "/" + strings.TrimLeft(strings.Join(parts, "/"), "/")
}

// inodes is a tree with everything decided that does not depend on where its
// parts come to lie.
type inodes struct {
	// dirs are all directories, each after its parent and sorted by path. Going
	// through them from the end, children come before their parents.
	dirs []*dir
	of   map[*tree.Node]*inode
	root *tree.Node
}

// newInodes checks the tree's shape and numbers its inodes in the order in
// which they will be written: the last directory's entries first, the root at
// last. So the entries of a directory have numbers that follow each other and
// lie together, which its listing needs to be short.
func newInodes(root *tree.Node) (*inodes, error) {
	if root == nil || root.Mode&tree.TypeMask != tree.TypeDir {
		return nil, fmt.Errorf("squashfs: the root is not a directory")
	}
	t := &inodes{of: map[*tree.Node]*inode{}, root: root}
	if err := t.collect(); err != nil {
		return nil, err
	}
	for _, d := range slices.Backward(t.dirs) {
		for _, name := range d.names {
			t.link(d.node.Entries[name])
		}
	}
	t.link(root)
	if len(t.of) > math.MaxUint32-1 {
		return nil, fmt.Errorf("squashfs: %d inodes do not fit a 32-bit number", len(t.of))
	}
	return t, nil
}

// collect fills t.dirs.
func (t *inodes) collect() error {
	seen := map[*tree.Node]bool{t.root: true}
	for todo := []*dir{{node: t.root}}; len(todo) > 0; {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		d.names = slices.Sorted(maps.Keys(d.node.Entries))
		t.dirs = append(t.dirs, d)
		for _, name := range slices.Backward(d.names) {
			n := d.node.Entries[name]
			if err := check(name, n); err != nil {
				return fmt.Errorf("squashfs: %q: %w", d.path(name), err)
			}
			if n.Mode&tree.TypeMask != tree.TypeDir {
				continue
			}
			if seen[n] {
				return fmt.Errorf("squashfs: %q: a directory cannot have two names", d.path(name))
			}
			if d.depth == format.MaxDepth {
				return fmt.Errorf("squashfs: directories nest deeper than %d", format.MaxDepth)
			}
			seen[n] = true
			todo = append(todo, &dir{node: n, parent: d, name: name, depth: d.depth + 1})
		}
	}
	return nil
}

// link counts one more name of n.
func (t *inodes) link(n *tree.Node) {
	ino := t.of[n]
	if ino == nil {
		ino = &inode{number: uint32(len(t.of) + 1)}
		t.of[n] = ino
	}
	ino.nlink++
}

// check says what is wrong with an entry, apart from its content.
func check(name string, n *tree.Node) error {
	switch {
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("%q is not a file name", name)
	case len(name) > maxName:
		return fmt.Errorf("a name of %d bytes is longer than %d", len(name), maxName)
	case n == nil:
		return fmt.Errorf("the entry has no node")
	}
	switch format.Type(n.Mode) {
	case 0:
		return fmt.Errorf("mode %#o has no known file type", n.Mode)
	case format.Symlink:
		if len(n.Target) == 0 || len(n.Target) > format.MaxSymlink || strings.Contains(n.Target, "\x00") {
			return fmt.Errorf("a symbolic link's target of %d bytes is empty, longer than %d or contains NUL",
				len(n.Target), format.MaxSymlink)
		}
	case format.Block, format.Char:
		if n.Rdev > math.MaxUint32 {
			return fmt.Errorf("device number %#x has a major above 4095 or a minor above 1048575", n.Rdev)
		}
	}
	return nil
}
