package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/definition"
	"github.com/sealift/sealift/image/files"
	"github.com/sealift/sealift/image/scif"
	"github.com/sealift/sealift/image/tree"
)

// copyFiles carries out one line of %files or %appfiles.
type copyFiles struct {
	at, from stageRef
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

// run reads the source now, so that one that is missing is an error before
// anything long happens, and puts it into the tree when that is made.
func (s *copyFiles) run(ctx context.Context, b *building) error {
	copies, err := s.load(ctx, b)
	if err != nil {
		return s.failed(err)
	}
	b.state(s.at).Edit(func(root *tree.Node) error {
		var err error
		if s.app != "" {
			root, err = root.Follow(scif.Dir(s.app))
		}
		if err == nil {
			err = files.Place(root, copies, s.Dest, b.time())
		}
		return s.failed(err)
	})
	return nil
}

func (s *copyFiles) load(ctx context.Context, b *building) ([]files.Copied, error) {
	if s.from.index < 0 {
		return files.Host{Dir: b.Host.Dir, Time: b.time(), Skip: b.own()}.Load(s.Source)
	}
	root, err := b.state(s.from).Settle(ctx)
	if err != nil {
		return nil, err
	}
	return files.Stage{Root: root}.Load(s.Source)
}

// own are the paths that the build itself writes to.
func (b *building) own() []string {
	if b.dir != nil {
		return []string{b.work.Path(), filepath.Dir(b.dir.Path())}
	}
	return []string{b.work.Path(), fmt.Sprintf("/proc/self/fd/%d", b.file.File().Fd())}
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
