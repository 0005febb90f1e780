package fromdef

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/definition"
	"github.com/sealift/sealift/image/files"
	"github.com/sealift/sealift/image/scif"
	"github.com/sealift/sealift/image/tree"
)

// copyFiles carries out one line of %files or %appfiles.
type copyFiles struct {
	at, from build.At
	// app is the application that the line is of, empty for none. Its directory
	// is then what destinations start from and cannot leave.
	app string
	// recipe is the name of the definition, for errors.
	recipe string
	definition.Copy
}

func (s *copyFiles) String() string {
	dest := s.Dest
	if dest == "" {
		dest = "the same place"
	}
	if s.app != "" {
		dest += " in the application " + s.app
	}
	return fmt.Sprintf("%v: copy %s of %v to %s", s.at, s.Source, s.from, dest)
}

func (s *copyFiles) Name() string {
	if s.app != "" {
		return s.at.Step("appfiles")
	}
	return s.at.Step("files")
}

// Run reads the source, so that one that is missing is an error before
// anything long happens, and puts it into the tree when that is made.
func (s *copyFiles) Run(ctx context.Context, b *build.Build) error {
	copies, err := s.load(ctx, b)
	if err != nil {
		return s.failed(err)
	}
	return b.Layer(ctx, s.at, build.Change{
		Kind:     "files",
		Identify: func(k *key.Key) error { return s.failed(s.identify(ctx, b, k, copies)) },
		Do: func() error {
			b.Stage(s.at).Edit(func(root *tree.Node) error { return s.failed(s.place(root, copies, b.Time())) })
			return nil
		},
	})
}

func (s *copyFiles) identify(ctx context.Context, b *build.Build, k *key.Key, copies []files.Copied) error {
	k.String("app", s.app).String("dest", s.Dest)
	for _, c := range copies {
		d, err := key.Tree(ctx, c.Node, b.TreeKey())
		if err != nil {
			return err
		}
		k.String("source", c.Source).String("how", fmt.Sprint(c.InPlace, c.Contents)).Digest("content", d)
	}
	return nil
}

func (s *copyFiles) place(root *tree.Node, copies []files.Copied, time int64) (err error) {
	if s.app != "" {
		if root, err = root.Follow(scif.Dir(s.app)); err != nil {
			return err
		}
	}
	return files.Place(root, copies, s.Dest, time)
}

func (s *copyFiles) load(ctx context.Context, b *build.Build) ([]files.Copied, error) {
	if s.from.Index < 0 {
		return files.Host{Dir: b.Host.Dir, Time: b.Time(), Skip: b.Own()}.Load(s.Source)
	}
	root, err := b.Stage(s.from).Settle(ctx)
	if err != nil {
		return nil, err
	}
	return files.Stage{Root: root}.Load(s.Source)
}

func (s *copyFiles) failed(err error) error {
	if err == nil {
		return nil
	}
	section := "%files"
	if s.app != "" {
		section = "%appfiles"
	}
	place := &definition.Error{Name: s.recipe, Line: s.Line, Column: s.Column, Message: section + " " + s.Source}
	if errors.Is(err, fs.ErrNotExist) {
		return hint.Wrap(fmt.Errorf("%w: no such file in %v: %w", place, s.from, err),
			"correct the path; on the host it starts from the directory where the build was started")
	}
	err = fmt.Errorf("%w: %w", place, err)
	if errors.Is(err, fs.ErrPermission) {
		return hint.Wrap(err, "make it readable, or leave it out")
	}
	return err
}
