package tree

import "maps"

// Apply returns upper laid over base as overlayfs shows it: a whiteout of
// upper (a character device 0:0) removes the name, a directory of upper is
// merged with base's of the same path and keeps its own metadata, an Opaque
// one hides it, and anything else replaces what base has. The result has no
// whiteout of upper and no Opaque mark. base and upper are not changed, but the
// result shares nodes with both: a change of one may be one of the other.
//
// See Documentation/filesystems/overlayfs.rst of Linux.
func Apply(base, upper *Node) *Node {
	merged := *upper
	merged.Opaque = false
	merged.Entries = map[string]*Node{}
	if base.IsDir() && !upper.Opaque {
		maps.Copy(merged.Entries, base.Entries)
	}
	for name, up := range upper.Entries {
		switch {
		case up.IsWhiteout():
			delete(merged.Entries, name)
		case up.IsDir():
			merged.Entries[name] = Apply(under(merged.Entries[name]), up)
		default:
			merged.Entries[name] = up
		}
	}
	return &merged
}

// under returns what a directory of an upper tree is merged with: n, or an
// empty directory where n is none.
func under(n *Node) *Node {
	if n == nil || !n.IsDir() {
		return &Node{Mode: TypeDir}
	}
	return n
}

// IsWhiteout says whether the node removes a name of a lower layer.
func (n *Node) IsWhiteout() bool { return n.Type() == TypeChar && n.Rdev == 0 }
