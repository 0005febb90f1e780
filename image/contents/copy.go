package contents

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
	"github.com/sealift/sealift/image/trust/merkle"
)

// Cat copies the bytes of the regular file that a path leads to.
func Cat(w io.Writer, fsys FS, at string) error {
	if err := cat(w, fsys, Name(at)); err != nil {
		return fmt.Errorf("%s: %w", Quote("/"+Name(at)), cause(err))
	}
	return nil
}

func cat(w io.Writer, fsys FS, name string) (err error) {
	info, err := fsys.Stat(name)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return hint.New("it is a directory", "list it with sealift image ls")
	case !info.Mode().IsRegular():
		return errors.New("it is neither a regular file nor a link to one")
	}
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	// Not more than these two methods, so that the copy is in large pieces.
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{f}, make([]byte, copySize))
	return err
}

// Changes say what of a source goes into an image that is made of it, and how it
// differs there.
type Changes struct {
	Selection
	// Arch is the Go name of the image's architecture where the source does not
	// say.
	Arch string
	// AllRoot gives every file to root; else owners stay as they are.
	AllRoot bool
	// Time is the image's own time. Reproducible makes later times of files
	// that one, and the output depend on nothing but its input.
	Time         time.Time
	Reproducible bool
}

// PackOptions say what Pack makes.
type PackOptions struct {
	Changes
	// SIF makes a SIF file that holds the SquashFS image and its hash tree.
	SIF bool
	// Codec and BlockSize are those of writer.Options.
	Codec     codec.Choice
	BlockSize int
}

// Pack writes what the options select of the source to f, which must be empty,
// as an image. Blocks that are compressed already as they are to be are copied
// as they are.
func (s *Source) Pack(ctx context.Context, f *os.File, o PackOptions) error {
	options := writer.Options{Codec: o.Codec, BlockSize: o.BlockSize, ModTime: o.Time.Unix()}
	source := func(w *writer.Writer) (*tree.Node, error) {
		root, err := s.Tree(ctx, w.Store, o.Selection)
		if err == nil {
			o.change(root)
		}
		return root, err
	}
	if !o.SIF {
		return writer.WriteFile(ctx, f, options, source)
	}
	c := sif.Contents{Arch: s.archOr(o.Arch), Time: o.Time, Reproducible: o.Reproducible}
	return merkle.Create(ctx, f, c, func(w io.Writer) ([]byte, error) { return writer.Write(ctx, w, options, source) })
}

// archOr returns the source's architecture, or other where it does not say.
func (s *Source) archOr(other string) string {
	if a := s.Arch(); a != "" {
		return a
	}
	return other
}

// change makes owners and times what is wanted.
func (o Changes) change(root *tree.Node) {
	for _, n := range root.Walk() {
		if o.AllRoot {
			n.UID, n.GID = 0, 0
		}
		if o.Reproducible {
			n.ModTime = min(n.ModTime, o.Time.Unix())
		}
	}
}

// Unpack writes what is selected of the source below the empty directory dir.
// Contents of layers come in an order of their own, so they are packed into an
// unnamed file in temp first.
func (s *Source) Unpack(ctx context.Context, dir *os.File, temp string, sel Selection, o sandbox.WriteOptions) (err error) {
	root, closer, err := s.Settled(ctx, temp, sel)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	report, err := sandbox.WriteTree(ctx, root, dir, o)
	s.warnings = append(s.warnings, report.Warnings()...)
	return err
}

// Settled returns what is selected as a tree whose contents are tree.Openers until the
// closer is closed. Those of an OCI image are packed into an unnamed file in temp.
func (s *Source) Settled(ctx context.Context, temp string, sel Selection) (_ *tree.Node, _ io.Closer, err error) {
	if s.file != nil {
		root, err := s.Tree(ctx, nil, sel)
		return root, io.NopCloser(nil), err
	}
	f, err := output.Unnamed(temp)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	r, err := Packed(ctx, f, writer.Options{Codec: codec.Choice{Level: 1}}, func(w *writer.Writer) (*tree.Node, error) {
		return s.Tree(ctx, w.Store, sel)
	})
	if err != nil {
		return nil, nil, err
	}
	root, err := r.Tree()
	return root, f, err
}
