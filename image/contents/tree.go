package contents

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

// Tree returns what the selection leaves of the source. The contents of an OCI
// image go to store; those of any other stay where they are, as tree.Openers.
// The layers of an OCI image are read twice when not all is selected: first to
// know what is.
func (s *Source) Tree(ctx context.Context, store tree.Store, o Selection) (*tree.Node, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	root, err := s.selected(ctx, store, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return root, nil
}

func (s *Source) selected(ctx context.Context, store tree.Store, o Selection) (*tree.Node, error) {
	if s.oci != nil && !o.all() {
		root, err := s.merge(ctx, number())
		if err == nil {
			err = o.apply(root)
		}
		if err != nil {
			return nil, err
		}
		store = wanted(root, store)
	}
	root, err := s.whole(ctx, store, o)
	if err != nil {
		return nil, err
	}
	return root, o.apply(root)
}

// whole returns all of the source, but for what need not be read.
func (s *Source) whole(ctx context.Context, store tree.Store, o Selection) (*tree.Node, error) {
	if s.oci != nil {
		return s.merge(ctx, store)
	}
	return s.file.Tree(ctx, sandbox.ReadOptions{Skip: o.excluded})
}

func (s *Source) merge(ctx context.Context, store tree.Store) (*tree.Node, error) {
	root, report, err := tree.Merge(ctx, s.oci.Layers(), store)
	if err != nil {
		return nil, err
	}
	s.warnings = report.Warnings()
	return root, nil
}

// numbered stands for the content that Merge stores as the index-th one. That
// is the same at each Merge of the same layers, whose digests are verified, so
// a second one finds what a first one has seen.
type numbered struct {
	index int
	size  int64
}

// Size returns the length in bytes.
func (n numbered) Size() int64 { return n.size }

// number returns a store that keeps numbers only.
func number() tree.Store { return only(func(numbered) tree.Store { return nil }) }

// only returns a store that numbers contents, and passes those to another that
// pick returns one for.
func only(pick func(numbered) tree.Store) tree.Store {
	next := 0
	return func(r io.Reader, size int64) (tree.Content, error) {
		n := numbered{next, size}
		next++
		if store := pick(n); store != nil {
			return store(r, size)
		}
		_, err := io.Copy(io.Discard, r)
		return n, err
	}
}

// wanted returns a store that stores what is in the tree, which number made,
// and nothing else.
func wanted(root *tree.Node, store tree.Store) tree.Store {
	found := map[tree.Content]bool{}
	for _, n := range root.Walk() {
		if n.Content != nil {
			found[n.Content] = true
		}
	}
	return only(func(n numbered) tree.Store {
		if found[n] {
			return store
		}
		return nil
	})
}

// errEnough ends a Merge that has done what it was for.
var errEnough = errors.New("enough was read")

// copyOne writes the content n to w.
func (s *Source) copyOne(ctx context.Context, n numbered, w io.Writer) error {
	_, err := s.merge(ctx, only(func(m numbered) tree.Store {
		if m != n {
			return nil
		}
		return func(r io.Reader, _ int64) (tree.Content, error) {
			if _, err := io.CopyBuffer(w, r, make([]byte, copySize)); err != nil {
				return nil, err
			}
			return nil, errEnough
		}
	}))
	if errors.Is(err, errEnough) {
		return nil
	}
	if err == nil {
		err = errors.New("the layers changed while they were read")
	}
	return err
}

// copySize is the unit of copies in bytes.
const copySize = 1 << 20

// Packed writes what source makes to f, which must be empty, as a SquashFS
// image, and opens that. f must stay open as long as the Reader is used.
func Packed(ctx context.Context, f *os.File, o writer.Options, source writer.Source) (*squashfs.Reader, error) {
	if err := writer.WriteFile(ctx, f, o, source); err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r, err := squashfs.Open(f, st.Size(), squashfs.Options{})
	if err != nil {
		return nil, fmt.Errorf("read again what was packed: %w", err)
	}
	return r, nil
}
