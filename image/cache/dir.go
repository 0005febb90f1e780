package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
)

// openTop opens the directory of a cache and makes it if it is missing. What
// is checked is what is open: whoever may rename the directory's parent can
// only make the next Open find something else, which is checked again.
func openTop(dir string) (*os.File, error) {
	dir = filepath.Clean(dir)
	if err := checkLink(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unavailable(err)
	}
	d, err := os.OpenFile(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, unavailable(err)
	}
	if err := checkOwn(d); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// checkLink refuses a symbolic link that neither the caller nor root made:
// someone else's, in /tmp, could turn any directory of the caller's into a
// cache.
func checkLink(dir string) error {
	var st unix.Stat_t
	err := unix.Lstat(dir, &st)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK || st.Uid == 0 || isOwn(&st) {
		return nil // what is wrong otherwise shows when it is opened
	}
	return hint.Wrap(fmt.Errorf("the cache %s is a symbolic link made by user %d", dir, st.Uid), moveHint)
}

// checkOwn refuses a directory that someone else may change.
func checkOwn(d *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &st); err != nil {
		return &fs.PathError{Op: "stat", Path: d.Name(), Err: err}
	}
	if !isOwn(&st) {
		return hint.Wrap(fmt.Errorf("the cache %s belongs to user %d", d.Name(), st.Uid), moveHint)
	}
	if st.Mode&0o022 != 0 {
		err := fmt.Errorf("others may write to the cache %s: its mode is %#o", d.Name(), st.Mode&0o7777)
		return hint.Wrap(err, "empty it if you do not trust what is in it, then run chmod 700 %s", d.Name())
	}
	return nil
}

func isOwn(st *unix.Stat_t) bool { return st.Uid == uint32(os.Geteuid()) }

// errNoKind marks something that has the name of a kind and is no directory.
var errNoKind = errors.New("not a directory of the cache")

// kind opens the directory of a kind. One that is missing is fs.ErrNotExist.
func (c *Cache) kind(kind string) (*os.File, error) {
	path := c.dir.Name() + "/" + kind
	fd, err := openat(c.dir, kind, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err == unix.ENOTDIR || err == unix.ELOOP {
		return nil, hint.Wrap(&fs.PathError{Op: "open", Path: path, Err: errNoKind}, "remove %s", path)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	d := os.NewFile(uintptr(fd), path)
	if err := checkOwn(d); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// makeKind opens the directory of a kind and makes it if it is missing.
func (c *Cache) makeKind(kind string) (*os.File, error) {
	d, err := c.kind(kind)
	if !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	err = unix.Mkdirat(int(c.dir.Fd()), kind, 0o700)
	if err != nil && err != unix.EEXIST {
		return nil, c.fail(&fs.PathError{Op: "make", Path: c.dir.Name() + "/" + kind, Err: err})
	}
	return c.kind(kind)
}

// openat opens a name in dir and nothing that it may link to, and waits for
// nothing. It tries again when a signal interrupts it, and once when a server
// no longer knows the file (ESTALE, from NFS).
func openat(dir *os.File, name string, flags int, mode uint32) (int, error) {
	flags |= unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	stale := false
	for {
		fd, err := unix.Openat(int(dir.Fd()), name, flags, mode)
		switch {
		case err == unix.EINTR:
		case err == unix.ESTALE && !stale:
			stale = true
		default:
			return fd, err
		}
	}
}
