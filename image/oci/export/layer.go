package export

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/tree"
)

// whiteout begins the names that remove others in a layer; layer.md.
const whiteout = ".wh."

// copySize is the unit of copies in bytes.
const copySize = 1 << 20

// packer writes a tree as a tar archive.
type packer struct {
	ctx     context.Context
	tar     *tar.Writer
	names   map[*tree.Node]string // the first name of each node but directories
	buf     []byte
	sockets int
}

// writeTar writes all of root as a POSIX tar archive, directories before what
// they hold and names in byte order. It returns how many sockets, which tar has
// no type for, it left out.
func writeTar(ctx context.Context, w io.Writer, root *tree.Node) (sockets int, err error) {
	p := &packer{ctx: ctx, tar: tar.NewWriter(w), names: map[*tree.Node]string{}, buf: make([]byte, copySize)}
	for name, n := range root.Walk() {
		if err := ctx.Err(); err != nil {
			return p.sockets, err
		}
		if err := p.add(name, n); err != nil {
			return p.sockets, fmt.Errorf("%q: %w", path.Join("/", name), err)
		}
	}
	return p.sockets, p.tar.Close()
}

// add writes one name.
func (p *packer) add(name string, n *tree.Node) error {
	if strings.HasPrefix(path.Base(name), whiteout) {
		return hint.New("a name that begins with .wh. removes others in a layer", "leave it out with --exclude '.wh.*'")
	}
	if n.Type() == tree.TypeSocket {
		p.sockets++
		return nil
	}
	h, err := header(name, n)
	if err != nil {
		return err
	}
	if first, ok := p.names[n]; ok {
		h.Typeflag, h.Linkname, h.Size, h.PAXRecords = tar.TypeLink, first, 0, nil
		h.Devmajor, h.Devminor = 0, 0
		return p.tar.WriteHeader(h)
	}
	if !n.IsDir() {
		p.names[n] = name
	}
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	if h.Size == 0 {
		return nil
	}
	return p.content(n)
}

// header describes a node.
func header(name string, n *tree.Node) (*tar.Header, error) {
	h := &tar.Header{
		Format: tar.FormatPAX, Name: name, Mode: int64(n.Mode &^ tree.TypeMask),
		Uid: int(n.UID), Gid: int(n.GID), ModTime: time.Unix(n.ModTime, 0),
	}
	switch n.Type() {
	case tree.TypeRegular:
		h.Typeflag, h.Size = tar.TypeReg, n.Size()
	case tree.TypeDir:
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case tree.TypeSymlink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, n.Target
	case tree.TypeBlock, tree.TypeChar:
		h.Typeflag = tar.TypeChar
		if n.Type() == tree.TypeBlock {
			h.Typeflag = tar.TypeBlock
		}
		h.Devmajor, h.Devminor = int64(unix.Major(n.Rdev)), int64(unix.Minor(n.Rdev))
	case tree.TypeFIFO:
		h.Typeflag = tar.TypeFifo
	default:
		return nil, fmt.Errorf("type %#o of file", n.Type())
	}
	for _, x := range n.Xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords["SCHILY.xattr."+x.Name] = string(x.Value)
	}
	return h, nil
}

// content writes the bytes of a regular file.
func (p *packer) content(n *tree.Node) (err error) {
	opener, ok := n.Content.(tree.Opener)
	if !ok {
		return fmt.Errorf("a content of type %T cannot be read", n.Content)
	}
	r, err := opener.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	got, err := io.CopyBuffer(struct{ io.Writer }{p.tar}, whileAsked{p.ctx, r}, p.buf)
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && got != n.Size() {
		return fmt.Errorf("it changed while it was read: it had %d bytes", n.Size())
	}
	return err
}

// whileAsked is a reader until its context ends.
type whileAsked struct {
	ctx context.Context
	r   io.Reader
}

func (w whileAsked) Read(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(b)
}
