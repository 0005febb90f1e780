package sandbox

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/tree"
	"github.com/sealift/sealift/starter/owner"
)

// mark sets an attribute of a file.
func mark(t *testing.T, path, attr, value string) {
	t.Helper()
	if err := unix.Lsetxattr(path, attr, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// markEntry has the directory of path say whose it is.
func markEntry(t *testing.T, path, under string, e owner.Entry) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	attr, _ := owner.EntryName(under)
	e.Inode += st.Ino
	mark(t, filepath.Dir(path), attr, string(e.Append(nil)))
}

func readMarked(t *testing.T, dir string) (*tree.Node, error) {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	ids := func(uid, gid uint32) (uint32, uint32) { return 0, 0 }
	return ReadTree(context.Background(), f, ReadOptions{IDs: ids})
}

func TestOwnersOfAttributes(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"f", "dev", "plain"} {
		if err := os.WriteFile(at(name), nil, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"link", "moved", "reused", "taken"} {
		if err := os.Symlink("to", at(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(at("f"), at("second")); err != nil {
		t.Fatal(err)
	}
	mark(t, at("f"), owner.Name, "33:44")
	mark(t, at("f"), "user.colour", "blue")
	mark(t, at("dev"), owner.Name, "0:6:20000:259")
	mark(t, dir, owner.Name, "1:2")
	markEntry(t, at("link"), "link", owner.Entry{UID: 7, GID: 8})
	markEntry(t, at("moved"), "was", owner.Entry{UID: 9})
	markEntry(t, at("reused"), "reused", owner.Entry{UID: 10, Inode: 1 << 40})
	markEntry(t, at("taken"), "plain", owner.Entry{UID: 11})

	root, err := readMarked(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]tree.Node{
		".": {UID: 1, GID: 2}, "f": {UID: 33, GID: 44}, "second": {UID: 33, GID: 44}, "plain": {}, "link": {UID: 7, GID: 8},
		"moved": {UID: 9}, "reused": {}, "taken": {}, "dev": {GID: 6, Rdev: 259},
	} {
		if n, err := root.Lookup(name); err != nil || n.UID != want.UID || n.GID != want.GID || n.Rdev != want.Rdev {
			t.Errorf("%s: %+v, %v; want %+v", name, n, err, want)
		}
	}
	if n := root.Entries["dev"]; n.Mode != tree.TypeChar|0o640 || n.Content != nil || n.Xattrs != nil {
		t.Errorf("the device: %+v", n)
	}
	if x := root.Entries["f"].Xattrs; len(x) != 1 || x[0].Name != "user.colour" || root.Xattrs != nil {
		t.Errorf("attributes %v, %v", x, root.Xattrs)
	}
}

func TestMalformedOwners(t *testing.T) {
	entry, _ := owner.EntryName("x")
	for attr, value := range map[string]string{owner.Name: "root", entry: "1:2"} {
		dir := t.TempDir()
		mark(t, dir, attr, value)
		if n, err := readMarked(t, dir); err == nil {
			t.Errorf("%s=%s is %+v", attr, value, n)
		}
	}
}

// TestOwnersRoundTrip writes a tree without the right to give files away.
func TestOwnersRoundTrip(t *testing.T) {
	dir := t.TempDir()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	file := &tree.Node{Mode: tree.TypeRegular | 0o600, UID: 33, GID: 44}
	want := map[string]*tree.Node{
		"f": file, "second": file, "l": {Mode: tree.TypeSymlink | 0o777, Target: "f", UID: 5, GID: 6}, "root": {Mode: tree.TypeRegular | 0o644},
		"p": {Mode: tree.TypeFIFO | 0o600, GID: 9}, "d": {Mode: tree.TypeDir | 0o500, UID: 3, Entries: map[string]*tree.Node{}},
	}
	report, err := WriteTree(context.Background(), &tree.Node{Mode: tree.TypeDir | 0o755, GID: 1, Entries: want}, d, WriteOptions{})
	if err != nil || report.Xattrs != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	root, err := readMarked(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	if root.GID != 1 || root.Entries["f"] != root.Entries["second"] {
		t.Errorf("root %+v", root)
	}
	for name, w := range want {
		if n := root.Entries[name]; n.UID != w.UID || n.GID != w.GID || n.Mode != w.Mode || n.Xattrs != nil {
			t.Errorf("%s: %+v; want %+v", name, n, w)
		}
	}
}
