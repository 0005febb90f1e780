package sandbox

import (
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/tree"
	"github.com/sealift/sealift/starter/owner"
)

// recordedOwner gives n the owner, and the type, that its own attribute says it
// has, and drops all attributes of the kind.
func recordedOwner(n *tree.Node, path string) error {
	for _, x := range n.Xattrs {
		if x.Name != owner.Name {
			continue
		}
		r, err := owner.Parse(x.Value)
		if err != nil {
			return fail("getxattr "+x.Name, path, err)
		}
		n.UID, n.GID = r.UID, r.GID
		if r.Type != 0 && n.Type() == tree.TypeRegular {
			n.Mode, n.Rdev, n.Content = n.Mode&^tree.TypeMask|r.Type, uint64(r.Rdev), nil
		}
	}
	n.Xattrs = slices.DeleteFunc(n.Xattrs, func(x tree.Xattr) bool { return strings.HasPrefix(x.Name, owner.Prefix) })
	if len(n.Xattrs) == 0 {
		n.Xattrs = nil
	}
	return nil
}

// entryOwners gives entries of the directory n, open as fd, the owners that
// its attributes say they have. A file that was renamed since is found by its
// number, as long as it has left no successor under its old name.
func entryOwners(n *tree.Node, fd int, path string) error {
	var names map[uint64]string // of the entries that attributes are about
	for _, x := range n.Xattrs {
		name, ok := owner.CutEntry(x.Name)
		if !ok {
			continue
		}
		e, err := owner.ParseEntry(x.Value)
		if err == nil && names == nil {
			names, err = entryNumbers(n, fd)
		}
		if err != nil {
			return fail("getxattr "+x.Name, path, err)
		}
		now, found := names[e.Inode]
		if child := n.Entries[now]; found && (now == name || n.Entries[name] == nil) {
			child.UID, child.GID = e.UID, e.GID
		}
	}
	return nil
}

// entryNumbers returns the entries of n that cannot have attributes of users,
// by inode number.
func entryNumbers(n *tree.Node, fd int) (map[uint64]string, error) {
	names := make(map[uint64]string)
	for _, name := range slices.Sorted(maps.Keys(n.Entries)) {
		switch n.Entries[name].Type() {
		case tree.TypeSymlink, tree.TypeFIFO, tree.TypeSocket:
		default:
			continue
		}
		var st unix.Stat_t
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return nil, err
		}
		names[st.Ino] = name
	}
	return names, nil
}

// recordOwner writes down whose the file is that n was written to, for want of
// a change of its owner.
func recordOwner(dir int, name string, n *tree.Node) error {
	r := owner.Record{UID: n.UID, GID: n.GID}
	if r.Root() {
		return nil
	}
	if n.Type() == tree.TypeRegular || n.Type() == tree.TypeDir {
		return unix.Lsetxattr(procPath(dir, name), owner.Name, r.Append(nil), 0)
	}
	attr, ok := owner.EntryName(name)
	if !ok {
		return unix.ENAMETOOLONG
	}
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	e := owner.Entry{UID: n.UID, GID: n.GID, Inode: st.Ino}
	return unix.Setxattr(procPath(dir, ""), attr, e.Append(nil), 0)
}
