package squashfs

import (
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// maxReadFile bounds what ReadFile returns: a sparse file of any size takes
// next to no room in an image.
const maxReadFile = 128 << 20

// FS is an image as a file system of package io/fs: fs.StatFS, fs.ReadDirFS,
// fs.ReadFileFS and fs.ReadLinkFS. Symbolic links resolve inside the image as
// after chroot(2). An open regular file is an io.ReaderAt and an io.Seeker;
// Sys of a file's FileInfo returns its *Inode.
type FS struct{ r *Reader }

// FS returns the image as a file system.
func (r *Reader) FS() *FS { return &FS{r} }

// Open opens the named file, following symbolic links.
func (f *FS) Open(name string) (fs.File, error) {
	ino, err := f.walk("open", name, true)
	if err != nil {
		return nil, err
	}
	info := fileInfo{base(name), ino}
	switch {
	case ino.IsDir():
		entries, err := f.ReadDir(name)
		if err != nil {
			return nil, err
		}
		return &openDir{info, entries}, nil
	case ino.IsRegular():
		content := &File{f.r, ino}
		return &openFile{info, io.NewSectionReader(content, 0, content.Size())}, nil
	}
	return &openOther{info}, nil
}

// Stat describes the named file, following symbolic links.
func (f *FS) Stat(name string) (fs.FileInfo, error) { return f.info("stat", name, true) }

// Lstat describes the named file, a symbolic link itself.
func (f *FS) Lstat(name string) (fs.FileInfo, error) { return f.info("lstat", name, false) }

func (f *FS) info(op, name string, follow bool) (fs.FileInfo, error) {
	ino, err := f.walk(op, name, follow)
	if err != nil {
		return nil, err
	}
	return fileInfo{base(name), ino}, nil
}

// ReadLink returns the text of the named symbolic link.
func (f *FS) ReadLink(name string) (string, error) {
	ino, err := f.walk("readlink", name, false)
	if err != nil {
		return "", err
	}
	if !ino.IsSymlink() {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return ino.Target, nil
}

// ReadDir returns the entries of the named directory, sorted by name.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	ino, err := f.walk("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if !ino.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: syscall.ENOTDIR}
	}
	entries, err := f.r.ReadDir(ino)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	list := make([]fs.DirEntry, len(entries))
	for i, e := range entries {
		list[i] = dirEntry{f.r, e}
	}
	return list, nil
}

// ReadFile returns the content of the named file, following symbolic links.
// It is an error if it is longer than 128 MiB.
func (f *FS) ReadFile(name string) ([]byte, error) {
	ino, err := f.walk("open", name, true)
	if err != nil {
		return nil, err
	}
	switch {
	case ino.IsDir():
		err = syscall.EISDIR
	case !ino.IsRegular():
		err = fs.ErrInvalid
	case ino.Size > maxReadFile:
		err = fmt.Errorf("%d bytes: %w", ino.Size, syscall.EFBIG)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	b := make([]byte, ino.Size)
	if n, err := f.r.ReadAt(ino, b, 0); n < len(b) {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return b, nil
}

// dirEntry is a fs.DirEntry.
type dirEntry struct {
	r *Reader
	e format.DirEntry
}

func (d dirEntry) Name() string { return d.e.Name }
func (d dirEntry) IsDir() bool  { return d.e.Type == format.Dir }
func (d dirEntry) Type() fs.FileMode {
	return tree.FileMode((&format.Inode{Type: d.e.Type}).Mode()).Type()
}
func (d dirEntry) String() string { return fs.FormatDirEntry(d) }

func (d dirEntry) Info() (fs.FileInfo, error) {
	ino, err := d.r.Entry(d.e)
	if err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: d.e.Name, Err: err}
	}
	return fileInfo{d.e.Name, ino}, nil
}
