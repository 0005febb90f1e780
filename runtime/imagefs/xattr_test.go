package imagefs

import (
	"testing"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/tree"
	"github.com/sealift/sealift/starter/owner"
)

// TestHiddenOwners has a server that shows another owner say who the owner is,
// for what overlayfs can copy attributes of.
func TestHiddenOwners(t *testing.T) {
	stored := make([]tree.Xattr, 1, 2) // with room, which must stay as it is
	stored[0] = tree.Xattr{Name: "user.x"}
	for _, c := range []struct {
		mode, uid, gid uint32
		want           string
	}{
		{tree.TypeRegular, 33, 44, "33:44"}, {tree.TypeDir, 0, 8, "0:8"}, {tree.TypeRegular, 0, 0, ""}, {tree.TypeSymlink, 33, 44, ""}, {tree.TypeChar, 0, 5, ""},
	} {
		attrs := withOwner(stored, &squashfs.Inode{UID: c.uid, GID: c.gid, Mode: c.mode})
		got := ""
		if len(attrs) == 2 && attrs[1].Name == owner.Name {
			got = string(attrs[1].Value)
		}
		if got != c.want || len(attrs) < 1 || attrs[0].Name != "user.x" || stored[:2][1].Name != "" {
			t.Errorf("%+v: %v", c, attrs)
		}
	}
}

// TestHiddenOwnersOfAnImage looks through the kernel.
func TestHiddenOwnersOfAnImage(t *testing.T) {
	plain := map[string]file{}
	mount(t, asUserRoot, images(t).plain, Options{}).must(&plain, "walk", ".")
	got := map[string]file{}
	mount(t, asUserRoot, images(t).plain, Options{Owner: &Owner{0, 0}}).must(&got, "walk", ".")
	marked := 0
	for name, f := range got {
		if f.Xattrs != "" {
			marked++
		}
		if root := plain[name].UID == 0 && plain[name].GID == 0; root && f.Xattrs != "" {
			t.Errorf("%s of root has %q", name, f.Xattrs)
		}
	}
	if marked == 0 {
		t.Error("no file says whose it is")
	}
}
