package contents

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"syscall"
	"time"

	"github.com/sealift/sealift/image/tree"
)

// FS returns the source as a file system. Of an OCI image it is made by a pass
// over the layers, and each file that is read costs another one, up to where
// the file is.
func (s *Source) FS(ctx context.Context) (FS, error) {
	if s.file != nil {
		return s.file.FS(), nil
	}
	root, err := s.merge(ctx, number())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return newTreeFS(root, func(c tree.Content) (io.ReadCloser, error) {
		n, ok := c.(numbered)
		if !ok {
			return nil, fs.ErrInvalid
		}
		return s.stream(ctx, n), nil
	}), nil
}

// TreeFS returns a tree, the contents of which are tree.Openers, as a file
// system.
func TreeFS(root *tree.Node) FS {
	return newTreeFS(root, func(c tree.Content) (io.ReadCloser, error) {
		o, ok := c.(tree.Opener)
		if !ok {
			return nil, fs.ErrInvalid
		}
		return o.Open()
	})
}

func newTreeFS(root *tree.Node, open func(tree.Content) (io.ReadCloser, error)) *treeFS {
	t := &treeFS{root: root, links: map[*tree.Node]uint32{}, open: open}
	t.count(root)
	return t
}

// treeFS is a merged tree as a file system.
type treeFS struct {
	root  *tree.Node
	links map[*tree.Node]uint32 // names of each node, as st_nlink counts them
	open  func(tree.Content) (io.ReadCloser, error)
}

// count counts the names of dir and of what is below it. A directory has two
// and one for each directory in it.
func (t *treeFS) count(dir *tree.Node) {
	t.links[dir] = 2
	for _, child := range dir.Entries {
		if child.IsDir() {
			t.links[dir]++
			t.count(child)
		} else {
			t.links[child]++
		}
	}
}

func (t *treeFS) find(op, name string, follow bool) (*nodeInfo, error) {
	if !tree.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	look := t.root.Lookup
	if follow {
		look = t.root.Follow
	}
	n, err := look(name)
	if err != nil {
		return nil, err
	}
	return &nodeInfo{path.Base(name), n, t.links[n]}, nil
}

// Open opens a regular file or a directory.
func (t *treeFS) Open(name string) (fs.File, error) {
	info, err := t.find("open", name, true)
	if err != nil {
		return nil, err
	}
	switch n := info.node; {
	case n.IsDir():
		list, err := t.ReadDir(name)
		return &treeDir{treeFile{info: info, Reader: failing{syscall.EISDIR}}, list}, err
	case n.Type() != tree.TypeRegular:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	case n.Content == nil:
		return &treeFile{info: info, Reader: failing{io.EOF}}, nil
	}
	stream, err := t.open(info.node.Content)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &treeFile{info, stream, stream}, nil
}

// Stat describes the file that name leads to.
func (t *treeFS) Stat(name string) (fs.FileInfo, error) { return t.find("stat", name, true) }

// Lstat describes the file name itself.
func (t *treeFS) Lstat(name string) (fs.FileInfo, error) { return t.find("lstat", name, false) }

// ReadLink returns the target of a symbolic link.
func (t *treeFS) ReadLink(name string) (string, error) {
	info, err := t.find("readlink", name, false)
	if err == nil && info.node.Type() != tree.TypeSymlink {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return "", err
	}
	return info.node.Target, nil
}

// ReadFile returns the bytes of a regular file.
func (t *treeFS) ReadFile(name string) (b []byte, err error) {
	f, err := t.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(f)
}

// ReadDir returns the entries of a directory sorted by name.
func (t *treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	info, err := t.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if !info.node.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: syscall.ENOTDIR}
	}
	list := make([]fs.DirEntry, 0, len(info.node.Entries))
	for base, n := range info.node.Entries {
		list = append(list, fs.FileInfoToDirEntry(&nodeInfo{base, n, t.links[n]}))
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return list, nil
}

// nodeInfo is a fs.FileInfo; Sys returns itself.
type nodeInfo struct {
	name  string
	node  *tree.Node
	links uint32
}

func (i *nodeInfo) Name() string       { return i.name }
func (i *nodeInfo) Size() int64        { return i.node.Size() }
func (i *nodeInfo) Mode() fs.FileMode  { return tree.FileMode(i.node.Mode) }
func (i *nodeInfo) ModTime() time.Time { return time.Unix(i.node.ModTime, 0) }
func (i *nodeInfo) IsDir() bool        { return i.node.IsDir() }
func (i *nodeInfo) Sys() any           { return i }

// treeFile is an open file.
type treeFile struct {
	info *nodeInfo
	io.Reader
	stream io.Closer // nil if there is none to close
}

func (f *treeFile) Stat() (fs.FileInfo, error) { return f.info, nil }

func (f *treeFile) Close() error {
	if f.stream == nil {
		return nil
	}
	return f.stream.Close()
}

// treeDir is an open directory.
type treeDir struct {
	treeFile
	tree.Listing
}

// failing is a reader of nothing but an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// stream starts to read a content of the layers. It must be closed, which
// waits for the end of the pass.
func (s *Source) stream(ctx context.Context, n numbered) io.ReadCloser {
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	p := &pass{PipeReader: r, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		w.CloseWithError(s.copyOne(ctx, n, w)) // nil is io.EOF
	}()
	return p
}

// pass is a pass over layers on its way.
type pass struct {
	*io.PipeReader
	cancel context.CancelFunc
	done   chan struct{}
}

// Close ends the pass.
func (p *pass) Close() error {
	p.cancel()
	err := p.PipeReader.Close()
	<-p.done
	return err
}
