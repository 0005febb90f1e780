package build

import (
	"context"
	"path/filepath"

	"github.com/sealift/sealift/image/output"
)

// Create is the first step of a build: it starts the output, so that a build
// that cannot end well ends at once.
func Create(o Options) Step { return create{o} }

type create struct{ options Options }

func (create) Name() string { return "create" }

func (s create) String() string {
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
	path := s.options.Output
	if !filepath.IsAbs(path) {
		path = filepath.Join(b.Host.Dir, path)
	}
	var err error
	if s.options.Sandbox {
		b.dir, err = output.CreateDir(path, output.DirOptions{Force: s.options.Force, Marker: marker})
	} else {
		b.file, err = output.Create(path, output.Options{Force: s.options.Force, Mode: 0o777})
	}
	if err != nil {
		return err
	}
	if s.options.Sandbox {
		b.Defer(b.dir.Abort)
	} else {
		b.Defer(b.file.Abort)
	}
	parent := filepath.Dir(filepath.Clean(path))
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

func (commit) Run(_ context.Context, b *Build) error {
	if b.dir != nil {
		return b.dir.Commit()
	}
	return b.file.Commit()
}
