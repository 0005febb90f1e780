// Package stage is a root file system on its way into an image.
//
// A Stage is a Source (layers of an OCI image, a SquashFS image, a directory)
// and edits of its tree; scripts write over it. Nothing is unpacked: for a
// script, what the stage is becomes a stack of SquashFS layers with an empty
// directory over them, for overlayfs to put together. What is packed already is
// a layer as it is, and what was changed since is another one, so that the cost
// is that of the changes. The writer of the image in the end copies compressed
// blocks out of the layers.
//
// Input: sources, edits, and where temporary files go. Output: trees, for
// writers, and layers, for overlays. The package knows nothing of definition
// files, and runs and mounts nothing.
package stage

import (
	"context"
	"errors"
	"os"

	"github.com/sealift/sealift/image/contents"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/profile"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

// Setting is where and for whom a stage is made.
type Setting struct {
	// Writer is how layers are packed: as the image, so that their blocks can
	// be copied.
	Writer writer.Options
	// Latest, unless negative, is the time in seconds since the epoch that no
	// file is to be younger than.
	Latest int64
	// UID and GID are the caller's: what of an overlay belongs to them is the
	// container's root.
	UID, GID uint32
	// File and Dir make a new file or directory, and open it. They go when the
	// stage is not used any more.
	File, Dir func(kind string) (*os.File, error)
	// Explain adds what a failure to write there is due to.
	Explain func(error) error
}

// Derive starts a stage with what s is now.
func (s *Stage) Derive(ctx context.Context) (*Stage, error) {
	below := s.stacked()
	if below == nil || len(s.edits) > 0 {
		var err error
		if below, _, err = s.stack(ctx); err != nil {
			return nil, err
		}
	}
	return New(s.set, below), nil
}

// An Edit changes a tree in place. It may be applied to more than one.
type Edit func(root *tree.Node) error

// Stage is a root file system on its way.
type Stage struct {
	set    *Setting
	source Source
	edits  []Edit
	// root is the writable root that scripts ran in, until the stage is edited.
	root *Root
	// hot are the files of a packed source that come first in the image.
	hot []format.Ref
	// settled is the tree in the end, for stages that copy from it.
	settled *tree.Node
}

// New starts a stage.
func New(set *Setting, source Source) *Stage { return &Stage{set: set, source: source} }

// Edit changes the stage from here on.
func (s *Stage) Edit(e Edit) { s.edits = append(s.edits, e) }

// Streams tells whether the contents of files are read when the tree is made,
// and then only.
func (s *Stage) Streams() bool { return s.source.Streams() }

// Guess returns the tree that the edits would make of an empty directory.
func (s *Stage) Guess() (*tree.Node, error) {
	root := tree.NewDir(0o755)
	return root, s.apply(root)
}

func (s *Stage) apply(root *tree.Node) error {
	for _, e := range s.edits {
		if err := e(root); err != nil {
			return err
		}
	}
	return nil
}

// tree returns the stage's tree, with the contents of a streaming source
// stored by store. The caller must not change it.
func (s *Stage) tree(ctx context.Context, store tree.Store) (*tree.Node, error) {
	if s.settled != nil {
		return s.settled, nil
	}
	root, err := s.source.Tree(ctx, store)
	if err != nil {
		return nil, err
	}
	if err := s.apply(root); err != nil {
		return nil, err
	}
	s.set.clamp(root)
	return root, nil
}

// clamp makes no file of a tree younger than Latest.
func (s *Setting) clamp(root *tree.Node) {
	if s.Latest < 0 {
		return
	}
	for _, n := range root.Walk() {
		n.ModTime = min(n.ModTime, s.Latest)
	}
}

// Contents makes the stage's tree for the writer of an image, and stores first
// what PutFirst named. check, if not nil, sees the tree before.
func (s *Stage) Contents(ctx context.Context, check func(*tree.Node) error) writer.Source {
	return func(w *writer.Writer) (*tree.Node, error) {
		root, err := s.tree(ctx, w.Store)
		if err == nil && check != nil {
			err = check(root)
		}
		if err == nil {
			err = w.StoreFirst(profile.Nodes(root, s.hot))
		}
		return root, err
	}
}

// Packed is a stage packed into a file. It is a Source.
type Packed struct {
	Path   string
	Reader *squashfs.Reader
}

// Pack makes one file of the stage, its source from then on.
func (s *Stage) Pack(ctx context.Context) (Packed, error) {
	p, err := s.packNew(ctx, s.Contents(ctx, nil))
	if errors.Is(err, metadata.ErrUnreadable) {
		if err = s.packAlone(ctx); err == nil {
			p, err = s.packNew(ctx, s.Contents(ctx, nil))
		}
	}
	if err != nil {
		return Packed{}, err
	}
	s.source, s.edits, s.root = p, nil, nil
	return p, nil
}

// packAlone packs the source without the edits. It is for layers that bring
// metadata, which edits have to read.
func (s *Stage) packAlone(ctx context.Context) error {
	edits := s.edits
	s.edits = nil
	p, err := s.packNew(ctx, s.Contents(ctx, nil))
	if err == nil {
		s.source, s.edits = p, edits
	}
	return err
}

func (s *Stage) packNew(ctx context.Context, source writer.Source) (Packed, error) {
	f, err := s.set.File("layer.squashfs")
	if err != nil {
		return Packed{}, s.set.Explain(err)
	}
	r, err := contents.Packed(ctx, f, s.set.Writer, source)
	if err != nil {
		return Packed{}, s.set.Explain(err)
	}
	return Packed{f.Name(), r}, nil
}

// PutFirst has the files of the source, which must be what Pack returned, come
// first in the image.
func (s *Stage) PutFirst(files []format.Ref) { s.hot = files }

// Settle returns the stage's tree with contents that outlive any writer; the
// stage is complete from then on. The caller must not change the tree.
func (s *Stage) Settle(ctx context.Context) (*tree.Node, error) {
	if s.settled != nil {
		return s.settled, nil
	}
	if s.source.Streams() {
		if _, err := s.Pack(ctx); err != nil {
			return nil, err
		}
	}
	var err error
	s.settled, err = s.tree(ctx, nil)
	return s.settled, err
}
