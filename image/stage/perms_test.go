package stage

import (
	"testing"

	"github.com/sealift/sealift/image/tree"
)

func TestOwnerAccess(t *testing.T) {
	root := tree.NewDir(0o050)
	for mode, want := range map[uint32]uint32{
		tree.TypeRegular: tree.TypeRegular | 0o600, tree.TypeRegular | 0o055: tree.TypeRegular | 0o755, tree.TypeDir | 0o1005: tree.TypeDir | 0o1705,
		tree.TypeSymlink | 0o007: tree.TypeSymlink | 0o007, tree.TypeFIFO | 0o044: tree.TypeFIFO | 0o644,
	} {
		n := &tree.Node{Mode: mode}
		root.Entries = map[string]*tree.Node{"x": n}
		if err := OwnerAccess(root); err != nil || n.Mode != want {
			t.Errorf("%o: %o, want %o, %v", mode, n.Mode, want, err)
		}
	}
	if root.Mode&0o777 != 0o750 {
		t.Errorf("the root: %o", root.Mode)
	}
}
