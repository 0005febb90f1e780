package writer

import (
	"context"
	"errors"
	"io"

	"github.com/sealift/sealift/image/tree"
)

// A Source makes the tree that an image is to hold. It may store contents with
// w on the way; those it leaves are stored when the tree is known.
type Source func(w *Writer) (*tree.Node, error)

// Whole is the Source of a tree that is made already.
func Whole(root *tree.Node) Source {
	return func(*Writer) (*tree.Node, error) { return root, nil }
}

// File is what WriteFile needs of a file, such as an *os.File.
type File interface {
	io.Writer
	io.WriterAt
}

// WriteFile writes a whole image to f, which must be empty. It gives up soon
// after ctx has ended.
func WriteFile(ctx context.Context, f File, o Options, source Source) error {
	super, err := Write(ctx, f, o, source)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(super, 0)
	return err
}

// Write writes an image to out, with zeros for the superblock, and returns the
// superblock's bytes, which belong at the image's start. It is for an out that
// cannot go back there.
func Write(ctx context.Context, out io.Writer, o Options, source Source) (super []byte, err error) {
	w, err := New(out, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	defer context.AfterFunc(ctx, func() { w.pipe.fail(context.Cause(ctx)) })()
	root, err := source(w)
	if err != nil {
		return nil, err
	}
	s, err := w.Finish(root)
	if err != nil {
		return nil, err
	}
	return s.Bytes(), nil
}
