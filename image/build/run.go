package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sealift/sealift/image/output"
)

// building is a build on its way.
type building struct {
	Environment
	options Options
	// file or dir is the output, the other one nil.
	file *output.File
	dir  *output.NewDir
	// work is a temporary directory on the output's file system.
	work   *output.Dir
	states []*state
	// closers end what steps opened, last first.
	closers []func() error
	// names counts the names made in work.
	names int
}

func (b *building) steps(ctx context.Context, steps []Step) error {
	for _, s := range steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.notify("%v", s)
		if err := s.run(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (b *building) notify(format string, args ...any) {
	if b.Notify != nil {
		b.Notify(fmt.Sprintf(format, args...))
	}
}

// time is when the build happens, in seconds since the epoch.
func (b *building) time() int64 { return b.Now.Truncate(time.Second).Unix() }

func (b *building) closeLater(f func() error) { b.closers = append(b.closers, f) }

// close ends the build: what is not committed is given up.
func (b *building) close(err error) error {
	for i := len(b.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, b.closers[i]())
	}
	return err
}

// workPath returns the path of a new name in the temporary directory.
func (b *building) workPath(kind string) string {
	b.names++
	return filepath.Join(b.work.Path(), fmt.Sprintf("%d-%s", b.names, kind))
}

// workFile makes a file of the temporary directory.
func (b *building) workFile(kind string) (*os.File, error) {
	f, err := os.OpenFile(b.workPath(kind), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return nil, err
	}
	b.closeLater(f.Close)
	return f, nil
}

// workDir makes a directory of the temporary directory and opens it.
func (b *building) workDir(kind string) (*os.File, error) {
	name := b.workPath(kind)
	if err := os.Mkdir(name, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	b.closeLater(f.Close)
	return f, nil
}

// create starts the output, so that a build that cannot end well ends at once.
type create struct{ options Options }

func (s *create) String() string {
	if s.options.Sandbox {
		return "create directory " + s.options.Output
	}
	return "create " + s.options.Output
}

// tempPrefix begins the names of the temporary directories of builds.
const tempPrefix = ".sealift-build"

// marker is what a directory must hold for Force to replace it.
const marker = ".singularity.d"

func (s *create) run(_ context.Context, b *building) error {
	b.options = s.options
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
		b.closeLater(b.dir.Abort)
	} else {
		b.closeLater(b.file.Abort)
	}
	parent := filepath.Dir(filepath.Clean(path))
	if err := output.Sweep(parent, tempPrefix); err != nil {
		b.notify("warning: a build that was killed left something in %s: %v", parent, err)
	}
	if b.work, err = output.TempDir(parent, tempPrefix); err != nil {
		return err
	}
	b.closeLater(b.work.Remove)
	return nil
}

// commit gives the output its name.
type commit struct{ path string }

func (s *commit) String() string { return "commit " + s.path }

func (s *commit) run(_ context.Context, b *building) error {
	if b.dir != nil {
		return b.dir.Commit()
	}
	return b.file.Commit()
}
