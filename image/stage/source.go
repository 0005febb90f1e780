package stage

import (
	"context"
	"fmt"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/tree"
)

// A Source makes the tree that a stage starts from, a new one at each call.
type Source interface {
	Tree(ctx context.Context, store tree.Store) (*tree.Node, error)
	// Streams tells whether the files' contents go to store, and can be read
	// only from what store wrote.
	Streams() bool
}

// layered is a Source that is SquashFS images lying over each other already,
// the bottom one first.
type layered interface{ layers() []*squashfs.Reader }

// Scratch is an empty root directory.
type Scratch struct{}

// Tree is Source's.
func (Scratch) Tree(context.Context, tree.Store) (*tree.Node, error) { return tree.NewDir(0o755), nil }

// Streams is Source's.
func (Scratch) Streams() bool { return false }

// Layers are those of an OCI image, merged while they are read.
type Layers struct {
	Image *oci.Image
	// Warn is told what could not be kept.
	Warn func(string)
}

// Streams is Source's.
func (Layers) Streams() bool { return true }

// Tree is Source's.
func (l Layers) Tree(ctx context.Context, store tree.Store) (*tree.Node, error) {
	root, report, err := tree.Merge(ctx, l.Image.Layers(), store)
	if err != nil {
		return nil, err
	}
	for _, w := range report.Warnings() {
		l.Warn(w)
	}
	return root, nil
}

// Local is an image or directory of the host.
type Local struct {
	File *image.File
	// IDs translates the owners of a directory's files.
	IDs func(uid, gid uint32) (uint32, uint32)
}

// Streams is Source's.
func (Local) Streams() bool { return false }

// Tree is Source's.
func (l Local) Tree(ctx context.Context, _ tree.Store) (*tree.Node, error) {
	root, err := l.File.Tree(ctx, sandbox.ReadOptions{IDs: l.IDs})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.File.Path(), err)
	}
	return root, nil
}

func (l Local) layers() []*squashfs.Reader {
	if r := l.File.Squash(); r != nil {
		return []*squashfs.Reader{r}
	}
	return nil
}

// Tree is Source's.
func (p Packed) Tree(context.Context, tree.Store) (*tree.Node, error) { return p.Reader.Tree() }

// Streams is Source's.
func (Packed) Streams() bool { return false }

func (p Packed) layers() []*squashfs.Reader { return []*squashfs.Reader{p.Reader} }

// stack is SquashFS images lying over each other, the bottom one first.
type stack []*squashfs.Reader

// Tree is Source's.
func (s stack) Tree(context.Context, tree.Store) (*tree.Node, error) {
	root, err := s[0].Tree()
	for _, r := range s[1:] {
		if err != nil {
			return nil, err
		}
		var upper *tree.Node
		if upper, err = r.Tree(); err == nil {
			root = tree.Apply(root, upper)
		}
	}
	return root, err
}

// Streams is Source's.
func (stack) Streams() bool { return false }

func (s stack) layers() []*squashfs.Reader { return s }
