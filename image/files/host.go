package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/sealift/sealift/image/tree"
)

// Host is the host's file system as %files sees it.
type Host struct {
	// Dir is what relative paths start from.
	Dir string
	// Time is the modification time of every copy, in seconds since the epoch.
	Time int64
	// Skip names files and directories that are never copied: what the build
	// itself writes, which may be below a directory that is copied.
	Skip []string
	// skip describes those of Skip that exist.
	skip []os.FileInfo
}

func (h Host) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return h.Dir + "/" + name // not Join: a ".." behind a link is the kernel's to resolve
}

func (h Host) names(dir string) ([]string, error) {
	f, err := os.Open(h.path(dir))
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil || !st.IsDir() {
		return nil, errors.Join(err, f.Close())
	}
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, errors.Join(err, f.Close())
}

func (h Host) exists(name string) bool {
	_, err := os.Lstat(h.path(name))
	return err == nil
}

func (h Host) isDir(name string) bool {
	st, err := os.Lstat(h.path(name))
	return err == nil && st.IsDir()
}

func (h Host) leadsToDir(name string) bool {
	st, err := os.Stat(h.path(name))
	return err == nil && st.IsDir()
}

// Load returns what the pattern names, with the meaning of cp -fLr under a
// umask of 022: all symbolic links are followed, and the copies belong to
// root, are new, and have no set-id bits. A file is opened again when its
// content is, so the host must keep it until then. Of a directory named by a
// final . or .. it is the contents that are copied. A pattern that matches
// nothing is fs.ErrNotExist.
func (h Host) Load(source string) ([]Copied, error) {
	names, err := glob(h, source)
	if err != nil {
		return nil, err
	}
	for _, name := range h.Skip {
		if st, err := os.Stat(name); err == nil {
			h.skip = append(h.skip, st)
		}
	}
	var copies []Copied
	for _, name := range names {
		node, err := h.node(h.path(name), nil)
		if err != nil {
			return nil, err
		}
		if node != nil {
			copies = append(copies, Copied{Source: name, Node: node, InPlace: true, Contents: endsWithDots(source)})
		}
	}
	return copies, nil
}

// accessRead is R_OK of access(2).
const accessRead = 4

// fileID tells one file of the host from another.
type fileID struct{ dev, ino uint64 }

// node reads a file or directory; above are the directories that lead to it,
// by which a link to one of them is known. What is to be skipped is nil.
func (h Host) node(name string, above []fileID) (*tree.Node, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	perm := uint32(st.Mode().Perm()) &^ 0o022
	switch {
	case slices.ContainsFunc(h.skip, func(x os.FileInfo) bool { return os.SameFile(x, st) }):
		return nil, nil
	case st.Mode().IsRegular():
		// Said now, while it is known which line of the definition asks for it.
		if err := syscall.Access(name, accessRead); err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return &tree.Node{Mode: tree.TypeRegular | perm, ModTime: h.Time, Content: hostContent{name, st}}, nil
	case st.Mode()&fs.ModeNamedPipe != 0:
		return &tree.Node{Mode: tree.TypeFIFO | perm, ModTime: h.Time}, nil
	case !st.IsDir():
		return nil, fmt.Errorf("%s is neither file, directory nor FIFO", name)
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, fmt.Errorf("%s: no inode number", name)
	}
	id := fileID{uint64(sys.Dev), sys.Ino}
	if slices.Contains(above, id) {
		return nil, fmt.Errorf("%s leads back to a directory above it", name)
	}
	dir := &tree.Node{Mode: tree.TypeDir | perm, ModTime: h.Time, Entries: map[string]*tree.Node{}}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		child, err := h.node(filepath.Join(name, e.Name()), append(above, id))
		if err != nil {
			return nil, err
		}
		if child != nil {
			dir.Entries[e.Name()] = child
		}
	}
	return dir, nil
}

// hostContent is a file of the host, read when the image is written.
type hostContent struct {
	path string
	was  fs.FileInfo
}

func (c hostContent) Size() int64 { return c.was.Size() }

// Open opens the file; one that is not what it was when the tree was read is an
// error.
func (c hostContent) Open() (io.ReadCloser, error) {
	f, err := os.OpenFile(c.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() || !os.SameFile(st, c.was) || st.Size() != c.was.Size() || !st.ModTime().Equal(c.was.ModTime()) {
		return nil, errors.Join(err, fmt.Errorf("%s changed while the image was built", c.path), f.Close())
	}
	return f, nil
}
