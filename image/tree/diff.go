package tree

import (
	"bytes"
	"slices"
)

// Diff returns what Apply has to lay over base to get changed: whiteouts for
// names that are gone, and otherwise what is new or not the same. It is nil when
// nothing is. Contents are compared by same. base and changed are not changed;
// the result shares nodes with changed.
//
// Where one name of a file is in the result all are, so that they stay names of
// one file.
func Diff(base, changed *Node, same func(a, b Content) bool) *Node {
	d := differ{same: same, differs: map[*Node]bool{}, was: map[*Node]*Node{}, is: map[*Node]*Node{}}
	d.mark(base, changed)
	return d.diff(base, changed)
}

type differ struct {
	same    func(a, b Content) bool
	differs map[*Node]bool // nodes of changed, but for directories, that are in the result
	// was and is pair the nodes of changed with those of base that they are.
	was, is map[*Node]*Node
}

// mark notes the nodes below changed that base has not under the same name.
func (d *differ) mark(base, changed *Node) {
	for _, name := range changed.Names() { // in order: the first of equals is the one that stays
		n, old := changed.Entries[name], base.entry(name)
		if n.IsDir() {
			d.mark(under(old), n)
		} else if !d.differs[n] && !d.pair(old, n) {
			d.differs[n] = true
		}
	}
}

// pair reports whether n is old, which may be nil, under all names so far. Two
// files that were one, or are one now, differ.
func (d *differ) pair(old, n *Node) bool {
	if was := d.was[n]; was != nil {
		return was == old
	}
	if old == nil || d.is[old] != nil || !d.equal(old, n) {
		return false
	}
	d.was[n], d.is[old] = old, n
	return true
}

// diff returns what is to be laid over base, nil for nothing.
func (d *differ) diff(base, changed *Node) *Node {
	if !changed.IsDir() {
		if d.differs[changed] {
			return changed
		}
		return nil
	}
	out := *changed
	out.Entries = map[string]*Node{}
	for name, n := range changed.Entries {
		if upper := d.diff(base.entry(name), n); upper != nil {
			out.Entries[name] = upper
		}
	}
	if base == nil || !base.IsDir() {
		return &out
	}
	for name := range base.Entries {
		if changed.Entries[name] == nil {
			out.Entries[name] = &Node{Mode: TypeChar}
		}
	}
	if len(out.Entries) == 0 && sameMetadata(base, changed) {
		return nil
	}
	return &out
}

// entry returns what is called name in n, which need be no directory.
func (n *Node) entry(name string) *Node {
	if n == nil {
		return nil
	}
	return n.Entries[name]
}

// equal reports whether two nodes, neither of which is a directory, are the
// same file but for its names.
func (d *differ) equal(a, b *Node) bool {
	if !sameMetadata(a, b) {
		return false
	}
	if a.Content == nil || b.Content == nil {
		return a.Size() == 0 && b.Size() == 0
	}
	return d.same(a.Content, b.Content)
}

func sameMetadata(a, b *Node) bool {
	return a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && a.ModTime == b.ModTime &&
		a.Rdev == b.Rdev && a.Target == b.Target && slices.EqualFunc(a.Xattrs, b.Xattrs, func(x, y Xattr) bool {
		return x.Name == y.Name && bytes.Equal(x.Value, y.Value)
	})
}
