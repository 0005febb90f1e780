package output

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
)

// target is a name in an open directory. Everything is done relative to the
// descriptor, so that a directory renamed meanwhile keeps its outputs.
type target struct {
	path string // as the user wrote it, for messages
	dir  *os.File
	base string
}

// openTarget opens the directory of path without touching the rest of it.
func openTarget(path string) (*target, error) {
	dir, base := filepath.Split(path)
	if base == "" || base == "." || base == ".." || strings.ContainsRune(path, 0) {
		return nil, hint.Wrap(&fs.PathError{Op: "create", Path: path, Err: errors.New("not a file name")},
			"end the path with the name of the new file")
	}
	if dir == "" {
		dir = "."
	}
	d, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Wrap(fmt.Errorf("create %s: %w", path, err), "make the directory %s first", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	return &target{path, d, base}, nil
}

func (t *target) fd() int { return int(t.dir.Fd()) }

// stat describes what has the target's name now.
func (t *target) stat() (st unix.Stat_t, exists bool, err error) {
	err = unix.Fstatat(t.fd(), t.base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return st, false, nil
	}
	if err != nil {
		return st, false, t.fail("create", err)
	}
	return st, true, nil
}

// checkFile fails unless the target is free, or a regular file and force.
func (t *target) checkFile(force bool) error {
	st, exists, err := t.stat()
	switch {
	case err != nil || !exists:
		return err
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		err := fmt.Errorf("create %s: it is %s, not a regular file", t.path, typeName(st.Mode))
		return hint.Wrap(err, "remove it or choose another name")
	case !force:
		return t.exists()
	}
	return nil
}

func (t *target) exists() error {
	return hint.Wrap(&fs.PathError{Op: "create", Path: t.path, Err: fs.ErrExist}, "use --force to replace it")
}

// fail names the target in err and adds the remedy for the usual causes.
func (t *target) fail(op string, err error) error {
	var named error = &fs.PathError{Op: op, Path: t.path, Err: err}
	switch {
	case errors.Is(err, fs.ErrExist):
		return t.exists()
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EROFS), errors.Is(err, unix.EPERM):
		return hint.Wrap(named, "choose a directory that you may write to")
	}
	return Explain(named, filepath.Dir(t.path))
}

// tempPrefix begins the names of the hidden files of this target. Long names
// are cut, for the whole must stay within NAME_MAX (255 bytes).
func (t *target) tempPrefix() string {
	return "." + t.base[:min(len(t.base), 180)] + ".sealift-"
}

// uniqueName calls try with fresh hidden names until it does not report that
// the name is taken.
func (t *target) uniqueName(try func(name string) error) (string, error) {
	return uniqueName(t.tempPrefix(), try)
}

func uniqueName(prefix string, try func(name string) error) (string, error) {
	for range 100 {
		name := fmt.Sprintf("%s%d-%s", prefix, os.Getpid(), strings.ToLower(rand.Text()[:8]))
		if err := try(name); err != unix.EEXIST {
			return name, err
		}
	}
	return "", fs.ErrExist
}

// sync makes the directory's entries durable. A directory that may be written
// but not read cannot be opened for it, and some file systems refuse to sync
// one; then the rename's own guarantees have to do.
func (t *target) sync() error {
	fd, err := retry(func() (int, error) {
		return unix.Openat(t.fd(), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err == unix.EACCES {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = retry(func() (int, error) { return 0, unix.Fsync(fd) })
	if err == unix.EINVAL || err == unix.ENOTSUP {
		err = nil
	}
	return errors.Join(err, unix.Close(fd))
}

// typeName names the file type in st_mode.
func typeName(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "a regular file"
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFIFO:
		return "a FIFO"
	case unix.S_IFSOCK:
		return "a socket"
	}
	return "a device"
}

// retry repeats a system call that a signal interrupted.
func retry[T any](call func() (T, error)) (T, error) {
	for {
		v, err := call()
		if err != unix.EINTR {
			return v, err
		}
	}
}

// lock takes the lock that keeps sweep away while fd is open. A file system
// without locks (ENOLCK) is tolerated: sweep cannot take one there either.
func lock(fd int) error {
	err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	switch err {
	case unix.ENOLCK, unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL, unix.EBADF:
		return nil
	}
	return err
}
