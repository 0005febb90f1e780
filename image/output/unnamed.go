package output

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Unnamed makes a temporary file in dir that vanishes when it is closed, open(2)
// O_TMPFILE; where the file system lacks that, one whose name is removed at
// once.
func Unnamed(dir string) (*os.File, error) {
	if dir == "" {
		return nil, errors.New("no directory for a temporary file")
	}
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), dir), nil
	}
	if err != unix.EOPNOTSUPP && err != unix.EISDIR {
		return nil, &fs.PathError{Op: "create a temporary file in", Path: dir, Err: err}
	}
	f, err := os.CreateTemp(dir, ".sealift-*")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}
