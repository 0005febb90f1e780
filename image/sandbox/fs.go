// Package sandbox treats a host directory as an image: it shows one as a file
// system, reads one into a tree, and writes a tree into one.
//
// Input: an open directory, or a tree. Output: an fs.FS, a tree, or files
// below that directory. The directory's contents are hostile: nothing is
// opened outside it whatever its symbolic links say, and nothing but regular
// files and directories is opened at all. The package runs as any user; what
// only root may do is done when asked for, else counted.
package sandbox

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/tree"
)

// DirFS is a directory as a read-only file system whose symbolic links are
// resolved as if it were the root directory.
type DirFS struct{ r resolver }

// FS returns the file system below dir, which must stay open.
func FS(dir *os.File) *DirFS { return &DirFS{resolver{root: dir}} }

// Open opens a regular file or a directory. Any other file is refused without
// being opened for longer than fstat(2) takes, and without waiting for it.
func (d *DirFS) Open(name string) (fs.File, error) {
	f, err := d.open("open", name, reading, follow)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() && !st.IsDir() {
		err = &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("it is %s", typeName(st.Mode()))}
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	if st.IsDir() {
		return &dirFile{f, d, name}, nil
	}
	return f, nil
}

// Stat describes the file that name leads to.
func (d *DirFS) Stat(name string) (fs.FileInfo, error) { return d.stat("stat", name, follow) }

// Lstat describes the file name itself.
func (d *DirFS) Lstat(name string) (fs.FileInfo, error) { return d.stat("lstat", name, noFinal) }

// ReadDir returns the entries of a directory sorted by name.
func (d *DirFS) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := d.open("readdir", name, unix.O_RDONLY|unix.O_DIRECTORY, follow)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := (&dirFile{f, d, name}).ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// ReadFile returns the bytes of a regular file, however many.
func (d *DirFS) ReadFile(name string) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// ReadLink returns the target of a symbolic link.
func (d *DirFS) ReadLink(name string) (string, error) {
	f, err := d.open("readlink", name, unix.O_PATH, noFinal)
	if err != nil {
		return "", err
	}
	defer f.Close()
	target, err := readlink(int(f.Fd()))
	if err == unix.ENOENT { // what readlinkat says of other files
		err = unix.EINVAL
	}
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return target, nil
}

func (d *DirFS) stat(op, name string, h how) (fs.FileInfo, error) {
	f, err := d.open(op, name, unix.O_PATH, h)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

func (d *DirFS) open(op, name string, flags int, h how) (*os.File, error) {
	if !tree.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	fd, err := d.r.open(name, flags, h)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// dirFile is an open directory. It hides the *os.File, whose own ReadDir looks
// up entries by their path on the host.
type dirFile struct {
	f    *os.File
	fs   *DirFS
	name string
}

// Stat describes the directory.
func (d *dirFile) Stat() (fs.FileInfo, error) { return d.f.Stat() }

// Read fails.
func (d *dirFile) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: unix.EISDIR}
}

// Close closes the directory.
func (d *dirFile) Close() error { return d.f.Close() }

// ReadDir returns the next n entries, or all when n <= 0, in the directory's
// own order.
func (d *dirFile) ReadDir(n int) ([]fs.DirEntry, error) {
	names, err := d.f.Readdirnames(n)
	entries := make([]fs.DirEntry, 0, len(names))
	for _, name := range names {
		info, statErr := d.fs.Lstat(path.Join(d.name, name))
		if os.IsNotExist(statErr) {
			continue // removed since
		}
		if statErr != nil {
			return entries, statErr
		}
		entries = append(entries, fs.FileInfoToDirEntry(info))
	}
	return entries, err
}

// typeName names a file type in errors.
func typeName(m fs.FileMode) string {
	switch m.Type() {
	case fs.ModeNamedPipe:
		return "a FIFO"
	case fs.ModeSocket:
		return "a socket"
	case fs.ModeSymlink:
		return "a symbolic link"
	case fs.ModeDir:
		return "a directory"
	}
	return "a device"
}
