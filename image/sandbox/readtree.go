package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/tree"
	"github.com/sealift/sealift/starter/filestat"
)

// ReadOptions say how ReadTree understands a directory.
type ReadOptions struct {
	// Overlay reads the upper directory of an overlayfs: whiteouts become
	// character devices 0:0 and opaque directories Node.Opaque, whether they
	// are marked by device or by user or trusted extended attribute
	// (Documentation/filesystems/overlayfs.rst).
	Overlay bool
	// Unlock adds the owner's permissions to files and directories whose mode
	// keeps the caller, their owner, out. The nodes keep the mode that was.
	// It is for directories that Sealift made.
	Unlock bool
	// Mounts reads on across mount points, which are errors otherwise.
	Mounts bool
	// Skip, if not nil, leaves out what it returns true for, given the path
	// below the directory, and all below that, unread.
	Skip func(path string) bool
	// IDs translates the owner and group of every node; nil keeps them. What an
	// attribute says of a file's owner (starter/owner) is not translated.
	IDs func(uid, gid uint32) (uint32, uint32)
}

// ReadTree reads the directory dir into a tree. The files' contents are
// tree.Openers, opened below dir when asked, so dir must stay open as long as
// the tree is used. A file that changed its identity or size since is an error
// then. Names linked to one file are one Node. Attributes kept are user.*,
// trusted.* where the caller sees them, and security.capability. The attributes
// of package owner become what they say of the node.
func ReadTree(ctx context.Context, dir *os.File, o ReadOptions) (*tree.Node, error) {
	r := &treeReader{ctx: ctx, opts: o, root: resolver{root: dir}, seen: make(map[inode]*tree.Node)}
	n, err := r.node(int(dir.Fd()), ".", ".")
	if err == nil && n.Entries == nil {
		err = unix.ENOTDIR
	}
	if errors.Is(err, fs.ErrPermission) {
		err = hint.Wrap(err, "make it readable, or read the directory as the user who owns its files")
	}
	if err != nil {
		return nil, fmt.Errorf("read directory %s: %w", dir.Name(), err)
	}
	return n, nil
}

type treeReader struct {
	ctx  context.Context
	opts ReadOptions
	root resolver
	seen map[inode]*tree.Node // files with several names
}

// inode identifies a file of the host.
type inode struct {
	major, minor uint32
	number       uint64
}

// node reads what dir has under name, and all below it.
func (r *treeReader) node(dir int, name, path string) (*tree.Node, error) {
	var st unix.Statx_t
	if err := filestat.At(dir, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS, &st); err != nil {
		return nil, fail("stat", path, err)
	}
	id := inode{st.Dev_major, st.Dev_minor, st.Ino}
	if n := r.seen[id]; n != nil {
		return n, nil
	}
	if path != "." && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 && !r.opts.Mounts {
		return nil, hint.Wrap(fail("read", path, errors.New("it is a mount point")), "unmount it first")
	}
	n := &tree.Node{Mode: uint32(st.Mode), UID: st.Uid, GID: st.Gid, ModTime: st.Mtime.Sec}
	if r.opts.IDs != nil {
		n.UID, n.GID = r.opts.IDs(st.Uid, st.Gid)
	}
	if err := r.attributes(n, dir, name, path); err != nil {
		return nil, err
	}
	if err := r.body(n, &st, dir, name, path); err != nil {
		return nil, err
	}
	if err := recordedOwner(n, path); err != nil {
		return nil, err
	}
	if st.Nlink > 1 && n.Type() != tree.TypeDir {
		r.seen[id] = n
	}
	return n, nil
}

// body reads what is particular to the type of n.
func (r *treeReader) body(n *tree.Node, st *unix.Statx_t, dir int, name, path string) error {
	switch n.Mode & tree.TypeMask {
	case tree.TypeDir:
		return r.entries(n, dir, name, path)
	case tree.TypeRegular:
		n.Content = &content{
			root: r.root, path: path, size: int64(st.Size), unlock: r.opts.Unlock,
			id: inode{st.Dev_major, st.Dev_minor, st.Ino}, modified: unix.Timespec{Sec: st.Mtime.Sec, Nsec: int64(st.Mtime.Nsec)},
		}
	case tree.TypeSymlink:
		target, err := readlinkat(dir, name)
		n.Target = target
		return fail("readlink", path, err)
	case tree.TypeBlock, tree.TypeChar:
		n.Rdev = unix.Mkdev(st.Rdev_major, st.Rdev_minor)
	}
	return nil
}

func (r *treeReader) entries(n *tree.Node, dir int, name, path string) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	fd, err := openUnlocked(r.opts.Unlock, func(flags int) (int, error) {
		return openat(dir, name, flags|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	})
	if err != nil {
		return fail("open", path, err)
	}
	d := os.NewFile(uintptr(fd), path)
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	n.Entries = make(map[string]*tree.Node, len(names))
	for _, name := range names {
		if r.opts.Skip != nil && r.opts.Skip(join(path, name)) {
			continue
		}
		child, err := r.node(fd, name, join(path, name))
		if err != nil {
			return err
		}
		n.Entries[name] = child
	}
	return entryOwners(n, fd, path)
}

// reading is how files are opened: whatever they have become by then, that
// neither waits nor takes a terminal.
const reading = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY

// openUnlocked opens for reading through open, which is given the flags; when
// the mode forbids and unlock allows, it lifts the mode first.
func openUnlocked(unlock bool, open func(flags int) (int, error)) (int, error) {
	fd, err := open(reading)
	if err != unix.EACCES || !unlock {
		return fd, err
	}
	locked, err := open(unix.O_PATH)
	if err != nil {
		return -1, err
	}
	err = addOwnerMode(locked)
	if err := errors.Join(err, unix.Close(locked)); err != nil {
		return -1, err
	}
	return open(reading)
}

// addOwnerMode gives the owner read permission on the file that fd (O_PATH)
// is, and search permission where it is a directory.
func addOwnerMode(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	mode := st.Mode&0o7777 | 0o400
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		mode |= 0o700
	}
	return unix.Chmod(procPath(fd, ""), mode)
}

// content is a regular file below a directory.
type content struct {
	root   resolver
	path   string
	size   int64
	id     inode
	unlock bool
	// modified is the time of the last write.
	modified unix.Timespec
}

// Size returns the length in bytes when the tree was read.
func (c *content) Size() int64 { return c.size }

// Open opens the file. Its holes need not be read.
func (c *content) Open() (io.ReadCloser, error) {
	fd, err := openUnlocked(c.unlock, func(flags int) (int, error) {
		return c.root.open(c.path, flags, noLinks)
	})
	if err != nil {
		return nil, fail("open", c.path, err)
	}
	f := os.NewFile(uintptr(fd), c.path)
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	now := inode{unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino}
	if err == nil && (now != c.id || st.Size != c.size || st.Mtim != c.modified || st.Mode&unix.S_IFMT != unix.S_IFREG) {
		err = errors.New("it changed while the directory was read")
	}
	if err != nil {
		return nil, errors.Join(fail("open", c.path, err), f.Close())
	}
	if isSparse(&st) {
		return &sparse{File: f, size: st.Size}, nil
	}
	return f, nil
}

// join appends a name to a path of which "." is the root.
func join(dir, name string) string {
	if dir == "." {
		return name
	}
	return dir + "/" + name
}

// fail names the file in err, if there is one.
func fail(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}
