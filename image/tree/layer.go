package tree

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Names with a meaning of their own in a layer; see "Whiteouts" in layer.md of
// the OCI image specification. AUFS kept its own files under names that begin
// with two whiteout prefixes.
const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
	aufsPrefix     = ".wh..wh."
)

// kind is what a record does to the tree below its layer.
type kind uint8

const (
	kindNode     kind = iota // puts a node
	kindHardLink             // gives a node another name
	kindWhiteout             // removes a name
	kindOpaque               // removes all names in a directory
)

// record is what a tree needs of one tar entry.
type record struct {
	kind kind
	// name is the cleaned path of the node, or of what a whiteout removes, or
	// of the directory made opaque.
	name string
	// link is the cleaned path of a hard link's target.
	link string
	// node is the file, or the metadata that a hard link's header repeats.
	node *Node
}

// records are those of a layer, in pieces that can be given up one by one.
type records [][]record

// recordsPerPiece is how many records a piece has.
const recordsPerPiece = 1024

func (rs *records) add(r *record) {
	last := len(*rs) - 1
	if last < 0 || len((*rs)[last]) == recordsPerPiece {
		*rs = append(*rs, nil)
		last++
	}
	(*rs)[last] = append((*rs)[last], *r)
}

// all yields the records in their order.
func (rs records) all() iter.Seq[*record] {
	return func(yield func(*record) bool) {
		for _, piece := range rs {
			for i := range piece {
				if !yield(&piece[i]) {
					return
				}
			}
		}
	}
}

// entry is one tar entry as it streams by.
type entry struct {
	*tar.Header
	index int // from 0 in its layer
	body  io.Reader
	raw   *counter
}

// counter counts the bytes taken of a layer and ends when its context does.
type counter struct {
	ctx context.Context
	r   io.Reader
	n   int64
}

func (c *counter) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// eachEntry visits the entries of a layer and then reads it to its end, beyond
// the end mark of the archive, so that all of it is verified.
func eachEntry(ctx context.Context, stream io.Reader, visit func(*entry) error) error {
	raw := &counter{ctx: ctx, r: stream}
	archive := tar.NewReader(raw)
	for i := 0; ; i++ {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		// Names are judged here, whatever GODEBUG=tarinsecurepath says.
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return fmt.Errorf("tar entry %d: %w", i+1, err)
		}
		if err := visit(&entry{h, i, archive, raw}); err != nil {
			return fmt.Errorf("tar entry %.300q: %w", h.Name, err)
		}
	}
	_, err := io.Copy(io.Discard, raw)
	return err
}

// scan reads a layer, stores the files that hidden does not hide, and adds
// what this layer hides to it.
func (m *merger) scan(stream io.Reader, index int, hidden *shadow) (records, error) {
	var rs records
	err := eachEntry(m.ctx, stream, func(e *entry) error {
		r, err := m.record(e)
		if err != nil || r == nil {
			return err
		}
		if r.kind == kindNode && r.node.Type() == TypeRegular && e.Size > 0 {
			if hidden.hides(r.name) {
				r.node.Content = missed{index, e.index, e.Size}
			} else if r.node.Content, err = m.keep(e); err != nil {
				return err
			}
		}
		rs.add(r)
		return m.charge(r.cost())
	})
	if err != nil || index == 0 {
		return rs, err
	}
	for r := range rs.all() {
		made := hidden.add(r)
		if err := m.charge(made * shadowCost); err != nil {
			return nil, err
		}
	}
	return rs, nil
}

// Bytes of memory that a node and a shadow take, roughly, beside their names.
const (
	nodeCost   = 320
	shadowCost = 128
)

func (r *record) cost() int {
	n := nodeCost + len(r.name) + len(r.link)
	if r.node != nil {
		n += len(r.node.Target)
		for _, x := range r.node.Xattrs {
			n += 40 + len(x.Name) + len(x.Value)
		}
	}
	return n
}

// record reads a tar header; nil means that the entry is to be skipped.
func (m *merger) record(e *entry) (*record, error) {
	name, err := clean(e.Name)
	if err != nil {
		return nil, err
	}
	dir, base := split(name)
	if inAUFS(name) && base != opaqueName {
		m.report.Skipped++
		return nil, nil
	}
	if strings.HasPrefix(dir, whiteoutPrefix) || strings.Contains(dir, "/"+whiteoutPrefix) {
		return nil, errors.New("is inside a whiteout")
	}
	if base == opaqueName {
		return &record{kind: kindOpaque, name: dir}, nil
	}
	if gone, ok := strings.CutPrefix(base, whiteoutPrefix); ok {
		if gone == "" || gone == "." || gone == ".." {
			return nil, errors.New("is a whiteout of no file")
		}
		return &record{kind: kindWhiteout, name: strings.TrimSuffix(name, base) + gone}, nil
	}
	if len(base) > maxName {
		return nil, errName
	}
	return m.file(e.Header, name)
}

// inAUFS reports whether a component of name is one of AUFS's own.
func inAUFS(name string) bool {
	return strings.HasPrefix(name, aufsPrefix) || strings.Contains(name, "/"+aufsPrefix)
}

// file reads the header of anything but a whiteout.
func (m *merger) file(h *tar.Header, name string) (*record, error) {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil, nil // archive/tar says itself that it applies to no entry
	}
	node, err := m.node(h)
	if err != nil {
		return nil, err
	}
	if node == nil {
		m.report.Skipped++
		return nil, nil
	}
	if name == "." && h.Typeflag != tar.TypeDir {
		return nil, errors.New("the root is not a directory")
	}
	if h.Typeflag != tar.TypeLink {
		return &record{kind: kindNode, name: name, node: node}, nil
	}
	link, err := clean(h.Linkname)
	if err != nil {
		return nil, fmt.Errorf("hard link to %.300q: %w", h.Linkname, err)
	}
	return &record{kind: kindHardLink, name: name, link: link, node: node}, nil
}

// keep stores the bytes of e, charging what a sparse file's holes add.
func (m *merger) keep(e *entry) (Content, error) {
	body := &bounded{r: e.body, raw: e.raw, start: e.raw.n, left: m.left.holes}
	content, err := m.store(body, e.Size)
	m.left.holes -= body.holes()
	return content, err
}

// bounded reads a file of a layer up to a number of bytes that are not in the
// layer, which only a sparse file has.
type bounded struct {
	r           io.Reader
	raw         *counter
	start, read int64
	left        int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.read += int64(n)
	if b.holes() > b.left {
		return n, hint.New("sparse files of the image are too large once expanded",
			"check where the image comes from, or make it without sparse files")
	}
	return n, err
}

// holes returns how many of the bytes read were not in the layer.
func (b *bounded) holes() int64 { return max(0, b.read-(b.raw.n-b.start)) }
