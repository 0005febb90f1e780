package stage

import "github.com/sealift/sealift/image/tree"

// OwnerAccess lets the owner read and write every file of a tree, search every
// directory and execute what anyone may: chmod u+rwX. Links have no mode of their
// own. It never fails.
func OwnerAccess(root *tree.Node) error {
	for _, n := range root.Walk() {
		switch {
		case n.Type() == tree.TypeDir:
			n.Mode |= 0o700
		case n.Type() != tree.TypeSymlink:
			n.Mode |= 0o600
			if n.Mode&0o111 != 0 {
				n.Mode |= 0o100
			}
		}
	}
	return nil
}
