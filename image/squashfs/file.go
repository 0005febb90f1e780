package squashfs

import (
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/sealift/sealift/image/tree"
)

func base(name string) string { return path.Base(name) }

// fileInfo is a fs.FileInfo.
type fileInfo struct {
	name string
	ino  *Inode
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return int64(i.ino.Size) }
func (i fileInfo) Mode() fs.FileMode  { return tree.FileMode(i.ino.Mode) }
func (i fileInfo) ModTime() time.Time { return time.Unix(int64(i.ino.MTime), 0) }
func (i fileInfo) IsDir() bool        { return i.ino.IsDir() }
func (i fileInfo) Sys() any           { return i.ino }
func (i fileInfo) String() string     { return fs.FormatFileInfo(i) }

// openFile is an open regular file.
type openFile struct {
	info fileInfo
	*io.SectionReader
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

// openDir is an open directory and the entries not yet read.
type openDir struct {
	info fileInfo
	tree.Listing
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: fs.ErrInvalid}
}

// openOther is an open file without content: a device, FIFO or socket of the
// image is not that of the host.
type openOther struct{ info fileInfo }

func (f *openOther) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openOther) Close() error               { return nil }

func (f *openOther) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.info.name, Err: fs.ErrInvalid}
}
