package build

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/output"
)

// Create is the first step of a build: it starts the output, so that a build
// that cannot end well ends at once.
func Create(o Options) Step { return create{o} }

type create struct{ options Options }

func (create) Name() string { return "create" }

func (s create) String() string {
	if s.options.Update {
		return "update directory " + s.options.Output
	}
	if s.options.Sandbox {
		return "create directory " + s.options.Output
	}
	return "create " + s.options.Output
}

// tempPrefix begins the names of the temporary directories of builds.
const tempPrefix = ".sealift-build"

// marker is what a directory must hold for Force to replace it.
const marker = ".singularity.d"

func (s create) Run(_ context.Context, b *Build) error {
	o := s.options
	path := b.Host.Absolute(o.Output)
	if err := s.output(b, path); err != nil {
		return err
	}
	if o.KeepOnError != "" {
		var err error
		b.kept, err = output.CreateDir(b.Host.Absolute(o.KeepOnError), output.DirOptions{Force: o.Force, Marker: marker})
		if err != nil {
			return err
		}
		b.Defer(b.kept.Abort)
	}
	if o.TmpDir != "" {
		return b.makeWork(b.Host.Absolute(o.TmpDir))
	}
	return b.makeWork(filepath.Dir(filepath.Clean(path)))
}

// output starts the output.
func (s create) output(b *Build, path string) (err error) {
	o := s.options
	if b.Into != nil {
		return nil
	}
	if o.Update {
		if _, err := os.Lstat(path); err != nil {
			return hint.Wrap(fmt.Errorf("update: %w", err), "build it first, without --update")
		}
	}
	if o.Sandbox {
		if b.dir, err = output.CreateDir(path, output.DirOptions{Force: o.Force || o.Update, Marker: marker}); err == nil {
			b.Defer(b.dir.Abort)
		}
		return err
	}
	if b.file, err = output.Create(path, output.Options{Force: o.Force, Mode: 0o777}); err == nil {
		b.Defer(b.file.Abort)
	}
	return err
}

// makeWork makes the temporary directory in parent.
func (b *Build) makeWork(parent string) (err error) {
	if err := output.Sweep(parent, tempPrefix); err != nil {
		b.Warning("a build that was killed left something in %s: %v", parent, err)
	}
	if b.work, err = output.TempDir(parent, tempPrefix); err != nil {
		return err
	}
	b.Defer(b.work.Remove)
	return nil
}

// Commit is the last step of a build: it gives the output its name.
func Commit(o Options) Step { return commit{o.Output} }

type commit struct{ path string }

func (commit) Name() string { return "commit" }

func (s commit) String() string { return "commit " + s.path }

func (s commit) Run(ctx context.Context, b *Build) error {
	if b.Sign != nil && b.dir == nil {
		if err := b.Sign(ctx, b.Image()); err != nil {
			return fmt.Errorf("sign %s: %w", s.path, err)
		}
	}
	switch {
	case b.Into != nil:
		return nil
	case b.dir != nil:
		return b.dir.Commit()
	}
	return b.file.Commit()
}
