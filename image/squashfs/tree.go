package squashfs

import (
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// Bounds of a tree: how deep directories nest, and how many names there are
// for an inode on average, beyond a number that any image may have.
const (
	maxDepth     = format.MaxDepth
	namesPerNode = 16
	freeNames    = 1 << 20
)

// File is the content of a regular file in an image.
type File struct {
	r   *Reader
	ino *Inode
}

// Reader returns the image that holds the file.
func (f *File) Reader() *Reader { return f.r }

// Inode returns the file's inode.
func (f *File) Inode() *Inode { return f.ino }

// Size returns the file's length in bytes.
func (f *File) Size() int64 { return int64(f.ino.Size) }

// ReadAt reads the file's bytes (io.ReaderAt).
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.r.ReadAt(f.ino, p, off) }

// Open returns a reader of the file's bytes.
func (f *File) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(f, 0, f.Size())), nil
}

// Tree returns the whole image as a tree. Names of one inode share one Node;
// the Content of a regular file is a *File. A directory that two names lead
// to is an error.
func (r *Reader) Tree() (*tree.Node, error) {
	b := builder{r: r, nodes: make(map[format.Ref]*tree.Node)}
	b.names = namesPerNode*int64(r.super.Inodes) + freeNames
	root, err := r.Inode(r.super.Root)
	if err != nil {
		return nil, err
	}
	return b.dir(root, "/", 0)
}

// builder makes a tree.
type builder struct {
	r     *Reader
	nodes map[format.Ref]*tree.Node
	names int64 // that may still come
}

// node returns the node of an inode other than a directory.
func (b *builder) node(ino *Inode) (*tree.Node, error) {
	n := b.nodes[ino.Ref]
	if n != nil {
		return n, nil
	}
	n, err := b.bare(ino)
	if err != nil {
		return nil, err
	}
	switch ino.Mode & tree.TypeMask {
	case tree.TypeRegular:
		n.Content = &File{b.r, ino}
	case tree.TypeBlock, tree.TypeChar:
		n.Rdev = ino.Device()
	case tree.TypeSymlink:
		n.Target = ino.Target
	}
	return n, nil
}

// bare returns and registers a node with what every type has.
func (b *builder) bare(ino *Inode) (*tree.Node, error) {
	xattrs, err := b.r.Xattrs(ino)
	if err != nil {
		return nil, err
	}
	n := &tree.Node{Mode: ino.Mode, UID: ino.UID, GID: ino.GID, ModTime: int64(ino.MTime), Xattrs: xattrs}
	b.nodes[ino.Ref] = n
	return n, nil
}

func (b *builder) dir(ino *Inode, path string, depth int) (*tree.Node, error) {
	if b.nodes[ino.Ref] != nil {
		return nil, corrupt("directory %s (inode %d) has another name", path, ino.Number)
	}
	if depth > maxDepth {
		return nil, corrupt("directories nest deeper than %d", maxDepth)
	}
	n, err := b.bare(ino)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	entries, err := b.r.ReadDir(ino)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if b.names -= int64(len(entries)); b.names < 0 {
		return nil, corrupt("too many names for %d inodes", b.r.super.Inodes)
	}
	n.Entries = make(map[string]*tree.Node, len(entries))
	for _, e := range entries {
		if n.Entries[e.Name], err = b.child(e, path, depth); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (b *builder) child(e format.DirEntry, path string, depth int) (*tree.Node, error) {
	path += e.Name
	ino, err := b.r.Entry(e)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if ino.IsDir() {
		return b.dir(ino, path+"/", depth+1)
	}
	n, err := b.node(ino)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

// Device returns a device's number as makedev(3) makes it. The image holds the
// kernel's new_encode_dev: 12 bits of major between 8 and 12 of minor.
func (i *Inode) Device() uint64 {
	return unix.Mkdev(i.Rdev>>8&0xfff, i.Rdev&0xff|i.Rdev>>12&0xfff00)
}
