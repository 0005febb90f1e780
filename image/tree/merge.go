package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Layer is one layer of an image as a tar stream that is already
// decompressed.
type Layer interface {
	// Open starts the stream from its beginning. It may run ahead of its
	// reader, within a fixed number of bytes, and small reads of it are cheap.
	// Reading it to io.EOF also proves that it is what the image's manifest
	// names; a stream that is not ends in an error instead, as does one whose
	// context ends.
	Open(ctx context.Context) (io.ReadCloser, error)
	// String names the layer in errors, by its digest.
	String() string
}

// Store takes the size bytes of a file from r into the output and returns
// their handle. It is called for one file at a time.
type Store func(r io.Reader, size int64) (Content, error)

// Report counts what Merge could not keep as the layers have it, and what
// deserves a warning.
type Report struct {
	// Devices is the number of device nodes kept.
	Devices int
	// Xattrs is the number of extended attributes dropped: all but user.* and
	// security.*, and of these overlayfs's and SELinux's.
	Xattrs int
	// Skipped is the number of entries of an unknown type or of AUFS's own.
	Skipped int
	// Times is the number of modification times moved into 1970..2106.
	Times int
	// Rereads is the number of layers that had to be read a second time.
	Rereads int
}

// Warnings returns one line for each kind of loss in the report.
func (r *Report) Warnings() []string {
	var lines []string
	for _, w := range []struct {
		n      int
		format string
	}{
		{r.Devices, "%d device nodes kept; a container cannot open them without privilege"},
		{r.Xattrs, "%d extended attributes dropped"},
		{r.Skipped, "%d entries of unknown type skipped"},
		{r.Times, "%d modification times outside 1970..2106 changed to the nearest"},
	} {
		if w.n > 0 {
			lines = append(lines, fmt.Sprintf(w.format, w.n))
		}
	}
	return lines
}

// limits bounds what layers may make Merge hold or produce.
type limits struct {
	metadata int64 // bytes of names, links, attributes and nodes in memory
	holes    int64 // zero bytes that sparse files add to what the layers hold
}

// Merge returns the file tree that layers, the bottom one first, make when
// each is unpacked over those below it, and stores the bytes of its files.
//
// The layers are read from the top down, so that a file hidden by a higher
// layer is known when it is met and its bytes pass unstored. That guess is by
// path alone and follows no symbolic link. What really wins is then decided on
// the names and metadata kept, by applying the layers from the bottom up in
// memory. A file that was taken for hidden and is in the tree after all, such
// as the target of a hard link that lost its own name, has its layer read a
// second time; any other layer is read once.
//
// Memory grows with the number and length of names, to a limit, and never
// with the size of files.
func Merge(ctx context.Context, layers []Layer, store Store) (*Node, *Report, error) {
	return merge(ctx, layers, store, limits{metadata: 4 << 30, holes: 64 << 30})
}

func merge(ctx context.Context, layers []Layer, store Store, l limits) (*Node, *Report, error) {
	m := &merger{ctx: ctx, store: store, left: l, report: &Report{}, root: NewDir(0o755)}
	scans := make([]records, len(layers))
	hidden := &shadow{}
	topDown := make([]int, len(layers))
	for i := range topDown {
		topDown[i] = len(layers) - 1 - i
	}
	err := m.eachStream(layers, topDown, func(i int, stream io.Reader) (err error) {
		scans[i], err = m.scan(stream, i, hidden)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for i, rs := range scans {
		if err := m.apply(rs); err != nil {
			return nil, nil, fmt.Errorf("layer %s: %w", layers[i], err)
		}
	}
	if err := m.storeMissed(layers); err != nil {
		return nil, nil, err
	}
	return m.root, m.report, nil
}

// merger is the state of one Merge.
type merger struct {
	ctx    context.Context
	store  Store
	left   limits
	report *Report
	root   *Node

	// The directory that lastPath led to, while nothing on the way was
	// replaced; entries of one directory come together in a layer. It is
	// lastDepth levels below the root.
	lastPath  string
	lastDir   *Node
	lastDepth int
}

// charge accounts for n bytes of memory that the layers cause to be held.
func (m *merger) charge(n int) error {
	if m.left.metadata -= int64(n); m.left.metadata < 0 {
		return hint.New("the names and attributes of the layers need too much memory",
			"check where the image comes from; it has far more files than any real one")
	}
	return nil
}

// missed is the Content of a file whose bytes were not stored when its layer
// was read.
type missed struct {
	layer, entry int
	size         int64
}

func (c missed) Size() int64 { return c.size }

// storeMissed reads the layers of files in the tree whose bytes were not stored.
func (m *merger) storeMissed(layers []Layer) error {
	wanted := make(map[int]map[int]*Node)
	for _, n := range m.root.Walk() {
		if c, ok := n.Content.(missed); ok {
			if wanted[c.layer] == nil {
				wanted[c.layer] = make(map[int]*Node)
			}
			wanted[c.layer][c.entry] = n
		}
	}
	again := slices.Sorted(maps.Keys(wanted))
	m.report.Rereads = len(again)
	return m.eachStream(layers, again, func(i int, stream io.Reader) error { return m.reread(stream, wanted[i]) })
}

func (m *merger) reread(stream io.Reader, wanted map[int]*Node) error {
	err := eachEntry(m.ctx, stream, func(e *entry) error {
		n := wanted[e.index]
		if n == nil {
			return nil
		}
		delete(wanted, e.index)
		var err error
		n.Content, err = m.keep(e)
		return err
	})
	if err == nil && len(wanted) > 0 {
		err = errors.New("changed while it was being read")
	}
	return err
}
