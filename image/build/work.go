package build

import (
	"fmt"
	"os"
	"path/filepath"
)

// WorkDir returns the path of the build's temporary directory, which goes with
// the build.
func (b *Build) WorkDir() string { return b.work.Path() }

// NewDir makes a directory in the temporary directory and opens it.
func (b *Build) NewDir(kind string) (*os.File, error) {
	name := b.workPath(kind)
	if err := os.Mkdir(name, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	b.Defer(f.Close)
	return f, nil
}

// NewFile makes an empty file in the temporary directory and opens it.
func (b *Build) NewFile(kind string) (*os.File, error) {
	f, err := os.OpenFile(b.workPath(kind), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return nil, err
	}
	b.Defer(f.Close)
	return f, nil
}

// workPath returns the path of a new name in the temporary directory.
func (b *Build) workPath(kind string) string {
	b.names++
	return filepath.Join(b.work.Path(), fmt.Sprintf("%d-%s", b.names, kind))
}

// Own are the paths that the build itself writes to, and the output that is
// there from before: an image does not hold itself.
func (b *Build) Own() []string {
	own := []string{b.work.Path(), b.Host.Absolute(b.Options.Output)}
	if b.dir != nil {
		own = append(own, filepath.Dir(b.dir.Path()))
	} else {
		own = append(own, fmt.Sprintf("/proc/self/fd/%d", b.Image().Fd()))
	}
	if b.kept != nil {
		own = append(own, filepath.Dir(b.kept.Path()))
	}
	return own
}
