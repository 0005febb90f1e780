package upper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

// Packing says how changes are packed.
type Packing struct {
	writer.Options
	// AllRoot gives every file to root; else owners stay as they are.
	AllRoot bool
	// NoLater makes later times of files the ModTime of the options.
	NoLater bool
}

// Pack writes the changes in the overlay at path to f, which must be empty, as a
// SquashFS image that shows what the directory does when it is laid over an image:
// with its whiteouts and opaque directories. An overlay without a directory upper
// holds the files itself. No container may be writing to it meanwhile.
func Pack(ctx context.Context, path string, f *os.File, p Packing) (err error) {
	dir, err := open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	files, locked := dir, []*os.File{dir}
	if above := overlayOf(dir); above != nil {
		defer above.Close() // which was only locked
		locked = append(locked, above)
	}
	switch above, err := open(filepath.Join(path, upperName)); {
	case err == nil:
		defer above.Close() // which was only read
		files, locked = above, append(locked, above)
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	// A container locks the directory that it was given, be it the upper one of another overlay.
	for _, d := range locked {
		if err := unix.Flock(int(d.Fd()), unix.LOCK_SH|unix.LOCK_NB); err == unix.EWOULDBLOCK {
			return hint.New(fmt.Sprintf("%s: a container writes to it", path), "wait until that has ended")
		}
	}
	return writer.WriteFile(ctx, f, p.Options, func(*writer.Writer) (*tree.Node, error) {
		root, err := sandbox.ReadTree(ctx, files, sandbox.ReadOptions{Overlay: true})
		if err == nil {
			p.prepare(root)
		}
		return root, err
	})
}

// overlayOf returns the directory above dir, whose lock containers take, if dir is the
// upper one of an overlay there, and nil if it is not or cannot be known to be.
func overlayOf(dir *os.File) *os.File {
	var upper, here unix.Stat_t
	if unix.Fstat(int(dir.Fd()), &here) != nil ||
		unix.Fstatat(int(dir.Fd()), "../"+upperName, &upper, unix.AT_SYMLINK_NOFOLLOW) != nil ||
		upper.Dev != here.Dev || upper.Ino != here.Ino {
		return nil
	}
	fd, err := unix.Openat(int(dir.Fd()), "..", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // no container of the caller's can open it either
	}
	return os.NewFile(uintptr(fd), filepath.Dir(dir.Name()))
}

// prepare changes the tree of an upper directory to that of an image. Opaque
// directories get the attributes of overlayfs: the first is for mounts of a user
// namespace, as Sealift's are, the second for root's.
func (p Packing) prepare(root *tree.Node) {
	for _, n := range root.Walk() {
		if n.Opaque {
			for _, name := range []string{"trusted.overlay.opaque", "user.overlay.opaque"} {
				n.Xattrs = append(n.Xattrs, tree.Xattr{Name: name, Value: []byte("y")})
			}
			slices.SortFunc(n.Xattrs, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
		}
		if p.AllRoot {
			n.UID, n.GID = 0, 0
		}
		if p.NoLater {
			n.ModTime = min(n.ModTime, p.ModTime)
		}
	}
}

func open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, hint.Wrap(err, "name the directory of an overlay that you may read")
	}
	return f, nil
}
