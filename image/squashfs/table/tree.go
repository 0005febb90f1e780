// Package table makes the tables of a SquashFS image, all that is not file
// bytes: inodes, directories, fragments, export, ids and extended attributes.
//
// Input: a tree, and where the bytes of its files lie. Output: the tables, to a
// writer, and the superblock. It reads no file's bytes and does not care how
// they came to lie where they do.
package table

import (
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"

	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// maxName is the longest name Linux can look up, in bytes (NAME_MAX), one
// below what the format could hold.
const maxName = 255

// File is where the bytes of a regular file lie. There may be millions.
type File struct {
	Length   int64
	Data     *Data            // its blocks; nil if none
	Fragment *format.Fragment // the block that holds its end; nil if none
	FragOff  uint32
	// Mark is the writer's that stored it; it has no meaning in the image.
	Mark uint32
}

// Size returns the file's length in bytes.
func (f *File) Size() int64 { return f.Length }

// Data is the blocks of one or more equal files.
type Data struct {
	Start  uint64   // position of the first that is not a hole
	Sparse uint64   // bytes in holes
	Words  []uint32 // stored lengths, with format.BlockUncompressed
}

// inode is what the image says about a node. There may be millions, so what
// only a directory has is elsewhere.
type inode struct {
	node    *tree.Node
	content *File // a regular file's
	ref     format.Ref
	nlink   uint32 // names, until a directory's is known
	written bool
}

// dir is a directory with its entries in order.
type dir struct {
	node    *tree.Node
	number  uint32 // its inode's
	parent  *dir   // nil of the root
	name    string
	entries []entry // sorted bytewise
	depth   int     // 0 of the root
	listing listing
}

// entry is a name and the number of its inode.
type entry struct {
	name  string
	inode uint32
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

// Tree is a tree with everything decided that does not depend on where its parts
// come to lie.
type Tree struct {
	// dirs are all directories, each after its parent and sorted by path. Going
	// through them from the end, children come before their parents.
	dirs  []*dir
	dirOf map[*tree.Node]*dir
	all   []inode // the first has number 1, the last is the root
}

// Number checks a tree's shape and numbers its inodes in the order in
// which they will be written: the last directory's entries first, the root at
// last. So the entries of a directory have numbers that follow each other and
// lie together, which its listing needs to be short.
func Number(root *tree.Node) (*Tree, error) {
	if root == nil || root.Mode&tree.TypeMask != tree.TypeDir {
		return nil, fmt.Errorf("squashfs: the root is not a directory")
	}
	t := &Tree{}
	names, err := t.collect(root)
	if err != nil {
		return nil, err
	}
	numbers := t.shared(names)
	t.all = make([]inode, 0, names)
	for _, d := range slices.Backward(t.dirs) {
		for i := range d.entries {
			e := &d.entries[i]
			e.inode = t.link(numbers, d.node.Entries[e.name])
		}
	}
	t.link(numbers, root)
	if len(t.all) > math.MaxUint32-1 {
		return nil, fmt.Errorf("squashfs: %d inodes do not fit a 32-bit number", len(t.all))
	}
	return t, nil
}

// collect fills t.dirs and returns how many names there are, the root's
// included.
func (t *Tree) collect(root *tree.Node) (names int, err error) {
	top := &dir{node: root}
	t.dirOf = map[*tree.Node]*dir{root: top}
	names = 1
	for todo := []*dir{top}; len(todo) > 0; {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		t.dirs = append(t.dirs, d)
		names += len(d.node.Entries)
		d.entries = make([]entry, 0, len(d.node.Entries))
		for name := range d.node.Entries {
			d.entries = append(d.entries, entry{name: name})
		}
		slices.SortFunc(d.entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
		for _, e := range slices.Backward(d.entries) {
			sub, err := t.open(d, e.name)
			if err != nil {
				return 0, err
			}
			if sub != nil {
				todo = append(todo, sub)
			}
		}
	}
	return names, nil
}

// open checks the entry of d called name, and returns what it is if it is a
// directory.
func (t *Tree) open(d *dir, name string) (*dir, error) {
	n := d.node.Entries[name]
	if err := check(name, n); err != nil {
		return nil, fmt.Errorf("squashfs: %q: %w", d.path(name), err)
	}
	if n.Mode&tree.TypeMask != tree.TypeDir {
		return nil, nil
	}
	if t.dirOf[n] != nil {
		return nil, fmt.Errorf("squashfs: %q: a directory cannot have two names", d.path(name))
	}
	if d.depth == format.MaxDepth {
		return nil, fmt.Errorf("squashfs: directories nest deeper than %d", format.MaxDepth)
	}
	sub := &dir{node: n, parent: d, name: name, depth: d.depth + 1}
	t.dirOf[n] = sub
	return sub, nil
}

// shared returns a map that has the nodes with several of the given number of
// names, and few others: those whose hash was seen before. Nearly every node has
// one name, and a map of all would take more memory than the inodes.
func (t *Tree) shared(names int) map[*tree.Node]uint32 {
	numbers := map[*tree.Node]uint32{}
	seed, seen := maphash.MakeSeed(), make([]uint64, names/8+1) // 8 bits for each
	for _, d := range t.dirs {
		for _, n := range d.node.Entries {
			bit := maphash.Comparable(seed, n) % uint64(64*len(seen))
			if seen[bit/64]>>(bit%64)&1 != 0 {
				numbers[n] = 0
			}
			seen[bit/64] |= 1 << (bit % 64)
		}
	}
	return numbers
}

// link counts one more name of n and returns its number. Of nodes with several
// names it is noted in numbers.
func (t *Tree) link(numbers map[*tree.Node]uint32, n *tree.Node) uint32 {
	number, several := numbers[n]
	if number == 0 {
		t.all = append(t.all, inode{node: n})
		number = uint32(len(t.all))
		if several {
			numbers[n] = number
		}
		if d := t.dirOf[n]; d != nil {
			d.number = number
		}
	}
	t.numbered(number).nlink++
	return number
}

// numbered returns the inode of a number.
func (t *Tree) numbered(number uint32) *inode { return &t.all[number-1] }

// root returns the root's inode.
func (t *Tree) root() *inode { return &t.all[len(t.all)-1] }

// EachFile has place say where the content of each regular file lies that it has
// not said it of yet, directory by directory and sorted by name. It may return
// nil.
func (t *Tree) EachFile(place func(*tree.Node) (*File, error)) error {
	for _, d := range t.dirs {
		for _, e := range d.entries {
			ino := t.numbered(e.inode)
			if ino.node.Mode&tree.TypeMask != tree.TypeRegular || ino.content != nil {
				continue
			}
			var err error
			if ino.content, err = place(ino.node); err != nil {
				return fmt.Errorf("%q: %w", d.path(e.name), err)
			}
		}
	}
	return nil
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
