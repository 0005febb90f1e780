package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/cache/claim"
)

// store is the open directory of a cache. One below another is only read, and
// may be root's as well.
type store struct {
	dir   *os.File
	below bool
}

// trusts says whether nobody else than those who may can have written a file or
// directory.
func (s store) trusts(st *unix.Stat_t) bool {
	return (isOwn(st) || s.below && st.Uid == 0) && st.Mode&0o022 == 0
}

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
	if err := (store{}).check(d); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// openBelow opens the directory of a cache that is only read.
func openBelow(dir string) (store, error) {
	dir = filepath.Clean(dir)
	if err := checkLink(dir); err != nil {
		return store{}, err
	}
	d, err := os.OpenFile(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return store{}, err
	}
	s := store{d, true}
	if err := s.check(d); err != nil {
		return store{}, errors.Join(err, d.Close())
	}
	return s, nil
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

// check refuses a directory that someone else may change.
func (s store) check(d *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &st); err != nil {
		return &fs.PathError{Op: "stat", Path: d.Name(), Err: err}
	}
	if s.trusts(&st) {
		return nil
	}
	if !isOwn(&st) && !(s.below && st.Uid == 0) {
		return hint.Wrap(fmt.Errorf("the cache %s belongs to user %d", d.Name(), st.Uid), moveHint)
	}
	err := fmt.Errorf("others may write to the cache %s: its mode is %#o", d.Name(), st.Mode&0o7777)
	return hint.Wrap(err, "empty it if you do not trust what is in it, then run chmod 700 %s", d.Name())
}

func isOwn(st *unix.Stat_t) bool { return st.Uid == uint32(os.Geteuid()) }

// errNoKind marks something that has the name of a kind and is no directory.
var errNoKind = errors.New("not a directory of the cache")

// kind opens the directory of a kind. One that is missing is fs.ErrNotExist.
func (s store) kind(kind string) (*os.File, error) {
	path := s.dir.Name() + "/" + kind
	fd, err := claim.Openat(s.dir, kind, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err == unix.ENOTDIR || err == unix.ELOOP {
		return nil, hint.Wrap(&fs.PathError{Op: "open", Path: path, Err: errNoKind}, "remove %s", path)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	d := os.NewFile(uintptr(fd), path)
	if err := s.check(d); err != nil {
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
