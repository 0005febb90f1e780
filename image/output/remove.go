package output

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
)

// maxDepth is how many directories a removal holds open. A deeper one is moved
// up first, so that a hostile tree exhausts neither descriptors nor the stack.
const maxDepth = 128

// remover empties one directory tree by descriptor: it follows no symbolic
// link, enters no other mount, and lifts permission bits that lock out the
// tree's owner.
type remover struct{ root *os.File }

// removeTree empties the open directory d, then removes the entry name of
// parent if it still is d.
func removeTree(parent int, name string, d *os.File) error {
	unlock(d)
	r := remover{root: d}
	if err := r.empty(d, name, 0); err != nil {
		return err
	}
	var want, have unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &want); err != nil {
		return err
	}
	err := unix.Fstatat(parent, name, &have, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return nil
	}
	if err == nil && (want.Ino != have.Ino || want.Dev != have.Dev) {
		err = errors.New("replaced by something else meanwhile")
	}
	if err == nil {
		err = unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)
	}
	return pathError("remove", name, err)
}

// empty removes every entry of d, in as many passes as it takes: entries that
// are removed while a directory is read may hide others from the reader.
func (r *remover) empty(d *os.File, path string, depth int) error {
	for {
		if _, err := d.Seek(0, io.SeekStart); err != nil {
			return err
		}
		removed, err := r.pass(d, path, depth)
		if removed == 0 {
			return err
		}
	}
}

// pass reads d once to its end and returns how many entries it removed and the
// first error.
func (r *remover) pass(d *os.File, path string, depth int) (removed int, first error) {
	for {
		names, err := d.Readdirnames(256)
		for _, name := range names {
			if err := r.remove(d, name, path+"/"+name, depth); err == nil {
				removed++
			} else if first == nil {
				first = err
			}
		}
		if err == io.EOF {
			return removed, first
		}
		if err != nil {
			return 0, pathError("remove", path, err)
		}
	}
}

func (r *remover) remove(d *os.File, name, path string, depth int) error {
	fd := int(d.Fd())
	err := unix.Unlinkat(fd, name, 0)
	if err == nil || err == unix.ENOENT {
		return nil
	}
	if err != unix.EISDIR {
		return stays(path, err)
	}
	sub, err := openBelow(fd, name)
	if err != nil {
		return pathError("remove", path, err)
	}
	unlock(sub)
	if depth >= maxDepth {
		err = r.moveUp(fd, name)
	} else if err = r.empty(sub, path, depth+1); err == nil {
		err = stays(path, unix.Unlinkat(fd, name, unix.AT_REMOVEDIR))
	}
	return errors.Join(err, sub.Close())
}

// stays tells of what cannot be removed, though its directory's modes allow it.
func stays(path string, err error) error {
	named := pathError("remove", path, err)
	if err == unix.EPERM {
		return hint.Wrap(named, "if lsattr shows that it or its directory is immutable, remove it after chattr -i")
	}
	return named
}

// moveUp makes a directory an entry of the root, whose next pass removes it.
func (r *remover) moveUp(dir int, name string) error {
	_, err := uniqueName(".sealift-deep-", func(free string) error {
		return unix.Renameat(dir, name, int(r.root.Fd()), free)
	})
	return pathError("remove", name, err)
}

// unlock gives the owner every permission on d. Whoever is not the owner gets an
// error that does not matter: what it would have allowed reports its own.
func unlock(d *os.File) {
	var st unix.Stat_t
	if unix.Fstat(int(d.Fd()), &st) == nil && st.Mode&0o700 != 0o700 {
		_ = unix.Fchmod(int(d.Fd()), st.Mode&0o7777|0o700)
	}
}

// openBelow opens the directory name of dir, which must be neither a symbolic
// link nor a mount point, even when its mode forbids.
func openBelow(dir int, name string) (*os.File, error) {
	fd, err := openDirAt(dir, name, unix.O_RDONLY)
	if err == unix.EACCES {
		if err := unlockDir(dir, name); err != nil {
			return nil, err
		}
		fd, err = openDirAt(dir, name, unix.O_RDONLY)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// unlockDir adds the owner's permissions to a directory that cannot be opened.
// fchmod(2) refuses an O_PATH descriptor; its link in /proc names exactly it.
func unlockDir(dir int, name string) error {
	fd, err := openDirAt(dir, name, unix.O_PATH)
	if err != nil {
		return err
	}
	return errors.Join(unix.Chmod(procPath(fd), 0o700), unix.Close(fd))
}

func openDirAt(dir int, name string, flags int) (int, error) {
	flags |= unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := retry(func() (int, error) {
		return unix.Openat2(dir, name, &unix.OpenHow{
			Flags:   uint64(flags),
			Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_BENEATH,
		})
	})
	if err == unix.EXDEV {
		return -1, errors.New("is a mount point")
	}
	if err == unix.ENOSYS {
		return openSameDevice(dir, name, flags)
	}
	return fd, err
}

// openSameDevice does what it can of openDirAt without openat2 (before Linux
// 5.6): it sees mounts of other file systems only.
func openSameDevice(dir int, name string, flags int) (int, error) {
	fd, err := retry(func() (int, error) { return unix.Openat(dir, name, flags, 0) })
	if err != nil {
		return -1, err
	}
	var above, here unix.Stat_t
	err = errors.Join(unix.Fstat(dir, &above), unix.Fstat(fd, &here))
	if err == nil && above.Dev != here.Dev {
		err = errors.New("is a mount point")
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}
