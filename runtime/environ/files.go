package environ

import (
	"io/fs"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/shell"
	"github.com/sealift/sealift/runtime/view"
)

// Files returns what scripts see of the container v on the image img when they
// are evaluated in this process: the image's own files and nothing else.
func Files(v *view.View, img image.FS) shell.Files { return scriptFiles{v, img} }

type scriptFiles struct {
	v   *view.View
	img image.FS
}

// Stat is as shell.Files wants it.
func (s scriptFiles) Stat(name string) (fs.FileMode, error) {
	at, err := s.v.Resolve(name)
	switch {
	case err != nil:
		return 0, err
	case s.v.Governing(at.Path).From != view.Image:
		return 0, shell.ErrNeedsContainer
	case !at.Found:
		return 0, fs.ErrNotExist
	}
	return at.Mode, nil
}

// Read is as shell.Files wants it: it reads the image's own files only.
func (s scriptFiles) Read(name string) (string, error) {
	at, err := s.v.Resolve(name)
	switch {
	case err != nil:
		return "", err
	case !at.Found:
		return "", fs.ErrNotExist
	case !s.v.Original(at.Path):
		return "", shell.ErrNeedsContainer
	}
	text, err := image.ReadFile(s.img, view.Relative(at.Path), shell.MaxScript)
	return string(text), err
}
