package stage

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

// Depth returns of how many layers the stage is made; 0 says that it comes from
// something else.
func (s *Stage) Depth() int { return len(s.stacked()) }

// stacked returns the layers of the source, nil where it is no stack of them.
func (s *Stage) stacked() stack {
	if l, ok := s.source.(layered); ok {
		return l.layers()
	}
	return nil
}

// Freeze writes to f, which must be empty, what has to lie over the lowest
// layers of the stage to make what it is now, as a SquashFS image: all of it
// over no layer, and nothing where they are the stage already. The stage
// stays as it is until Push gives it the layer; a Freeze that failed may be
// tried again with another file.
func (s *Stage) Freeze(ctx context.Context, f *os.File, over int) error {
	err := s.freeze(ctx, f, over)
	if errors.Is(err, metadata.ErrUnreadable) {
		if err = errors.Join(empty(f), s.packAlone(ctx)); err == nil {
			err = s.freeze(ctx, f, over)
		}
	}
	return err
}

// empty makes a file as new.
func empty(f *os.File) error {
	_, err := f.Seek(0, io.SeekStart)
	return errors.Join(err, f.Truncate(0))
}

func (s *Stage) freeze(ctx context.Context, f *os.File, over int) error {
	if over == 0 {
		return writer.WriteFile(ctx, f, s.set.Writer, s.Contents(ctx, nil))
	}
	changes, now, err := s.changes(ctx, s.stacked()[:over])
	if err != nil {
		return err
	}
	s.settled = now // what scripts wrote is read once
	if changes == nil {
		return nil
	}
	return writer.WriteFile(ctx, f, s.set.Writer, writer.Whole(changes))
}

// changes returns what has to lie over the layers below to make what the stage
// is now, nil for nothing, and what it is.
func (s *Stage) changes(ctx context.Context, below stack) (changes, now *tree.Node, err error) {
	was, err := below.Tree(ctx, nil)
	if err != nil {
		return nil, nil, err
	}
	s.set.clamp(was) // a time that is changed in the end changes no layer
	if now, err = s.tree(ctx, nil); err != nil {
		return nil, nil, err
	}
	return tree.Diff(was, now, sameFile), now, nil
}

// Push makes the stage that of its lowest layers with one more over them, which
// Freeze wrote; nil stands for nothing. What was edited or written over them
// is given up.
func (s *Stage) Push(over int, layer *squashfs.Reader) {
	layers := slices.Clone(s.stacked()[:over])
	if layer != nil {
		layers = append(layers, layer)
	}
	s.source, s.edits, s.root, s.settled = layers, nil, nil, nil
}
