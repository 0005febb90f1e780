package tree

import (
	"iter"
	"maps"
	"path"
	"slices"
)

// NewDir returns an empty directory owned by root, last modified at the
// epoch, with the permission bits perm.
func NewDir(perm uint32) *Node {
	return &Node{Mode: TypeDir | perm&^TypeMask, Entries: map[string]*Node{}}
}

// Type returns the file type bits of the mode.
func (n *Node) Type() uint32 { return n.Mode & TypeMask }

// IsDir reports whether the node is a directory.
func (n *Node) IsDir() bool { return n.Type() == TypeDir }

// Size returns the length of a regular file in bytes, 0 for other types.
func (n *Node) Size() int64 {
	if n.Content == nil {
		return 0
	}
	return n.Content.Size()
}

// Names returns the names in a directory in byte order.
func (n *Node) Names() []string { return slices.Sorted(maps.Keys(n.Entries)) }

// Walk yields the node as "." and everything beneath it, each with its path
// relative to the node, directories before what they hold and names in byte
// order. A node with several names is yielded under each.
func (n *Node) Walk() iter.Seq2[string, *Node] {
	return func(yield func(string, *Node) bool) { n.walkFrom(".", yield) }
}

func (n *Node) walkFrom(name string, yield func(string, *Node) bool) bool {
	if !yield(name, n) {
		return false
	}
	for _, base := range n.Names() {
		if !n.Entries[base].walkFrom(path.Join(name, base), yield) {
			return false
		}
	}
	return true
}

// adopt takes over the metadata of from, which describes the same file again.
// Extended attributes that from does not name stay, as in containerd, which
// sets attributes and removes none.
func (n *Node) adopt(from *Node) {
	if n.Type() != TypeSymlink {
		n.Mode = n.Type() | from.Mode&^TypeMask
	}
	n.UID, n.GID, n.ModTime = from.UID, from.GID, from.ModTime
	for _, x := range from.Xattrs {
		n.Xattrs = setXattr(n.Xattrs, x)
	}
}
