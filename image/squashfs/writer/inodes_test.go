package writer

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
)

// inodeAt returns the inode our reader finds at a path of names.
func inodeAt(t *testing.T, r *squashfs.Reader, names ...string) *squashfs.Inode {
	t.Helper()
	ino, err := r.Inode(r.Root())
	for _, name := range names {
		if err != nil {
			break
		}
		var list []format.DirEntry
		if list, err = r.ReadDir(ino); err != nil {
			break
		}
		err = errors.New("no such entry")
		for _, e := range list {
			if e.Name == name {
				ino, err = r.Inode(e.Ref)
			}
		}
	}
	if err != nil {
		t.Fatalf("%v: %v", names, err)
	}
	return ino
}

func TestInodesAreNoLargerThanNeeded(t *testing.T) {
	r := reader(t, image(t, everything(4096), Options{BlockSize: 4096}))
	for path, want := range map[string]struct {
		typ   uint16
		nlink uint32
	}{
		"":              {format.Dir, 2 + 8},
		"empty":         {format.Dir, 2},
		"deep":          {format.Dir, 3},
		"large":         {format.LDir, 2},
		"medium":        {format.Dir, 2},
		"xattr/dir":     {format.LDir, 2},
		"plain":         {format.LReg, 2},
		"linked":        {format.LReg, 2},
		"data/text4096": {format.Reg, 1},
		"data/zero4096": {format.LReg, 1},
		"data/empty":    {format.Reg, 1},
		"types/null":    {format.Char, 1},
		"types/link":    {format.Symlink, 1},
		"xattr/link":    {format.LSymlink, 1},
		"xattr/socket":  {format.LSocket, 1},
		"xattr/fifo":    {format.LFIFO, 1},
		"xattr/char":    {format.LChar, 1},
		"xattr/block":   {format.LBlock, 1},
		"xattr/alone":   {format.LReg, 1},
	} {
		var names []string
		if path != "" {
			names = strings.Split(path, "/")
		}
		ino := inodeAt(t, r, names...)
		if ino.Type != want.typ || ino.Nlink != want.nlink {
			t.Errorf("%q: type %d and %d links, not %d and %d", path, ino.Type, ino.Nlink, want.typ, want.nlink)
		}
	}
	if n := len(inodeAt(t, r, "large").Index); n < 8 {
		t.Errorf("the large directory's index has %d entries", n)
	}
}

func TestParentsAreRecorded(t *testing.T) {
	r := reader(t, image(t, everything(4096), Options{BlockSize: 4096}))
	root, deep := inodeAt(t, r), inodeAt(t, r, "deep")
	if deep.Parent != root.Number || inodeAt(t, r, "deep", "down").Parent != deep.Number {
		t.Error("a directory names another parent than it has")
	}
	if s := r.Super(); root.Number != s.Inodes || root.Parent != s.Inodes+1 {
		t.Errorf("root %d with parent %d of %d inodes", root.Number, root.Parent, s.Inodes)
	}
}

// Nodes can be found by number, as an NFS server does.
func TestExportTable(t *testing.T) {
	root := everything(4096)
	mounted(t, image(t, root, Options{BlockSize: 4096}), func(dir string) {
		fd, err := unix.Open(dir, unix.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		for _, name := range []string{"linked", "data/text4096", "types/unreadable", "names/again"} {
			path := filepath.Join(dir, name)
			handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, path, 0)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			file, err := unix.OpenByHandleAt(fd, handle, unix.O_RDONLY)
			if err != nil {
				t.Fatalf("%s by handle: %v", name, err)
			}
			var got, want unix.Stat_t
			if err := errors.Join(unix.Fstat(file, &got), unix.Lstat(path, &want), unix.Close(file)); err != nil {
				t.Fatal(err)
			}
			if got.Ino != want.Ino || got.Size != want.Size || got.Mode != want.Mode {
				t.Errorf("%s: inode %d by handle, %d by name", name, got.Ino, want.Ino)
			}
		}
	})
}
