// Package layered shows file systems laid over each other as overlayfs does.
//
// Input: file systems, the topmost first. Output: one, in which whiteouts and
// opaque directories have done what they are for
// (Documentation/filesystems/overlayfs.rst of Linux, with user.* attributes). It is
// for looking before anything is mounted; nothing is copied or changed.
package layered

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/sealift/sealift/image"
)

// attributed is a file system whose extended attributes can be read: those of images
// and directories. One without can hide nothing but by whiteouts.
type attributed interface {
	// Attribute returns the value of an attribute of what name is itself, and whether
	// it has it.
	Attribute(name, attr string) (value string, found bool)
}

// isOpaque says whether a directory hides those below it.
func isOpaque(l image.FS, name string) bool {
	if a, ok := l.(attributed); ok {
		value, _ := a.Attribute(name, "user.overlay.opaque")
		return value == "y"
	}
	return false
}

// maxLinks is how many symbolic links a name may lead through, as in
// path_resolution(7).
const maxLinks = 40

// FS is what layers show together.
type FS struct{ layers []image.FS }

// New returns what layers, of which there is one at least, show together, the topmost
// first.
func New(layers ...image.FS) *FS { return &FS{layers} }

// place is a file, with the layers that have it: for a directory all that are
// merged, else one.
type place struct {
	name   string // as in io/fs
	info   fs.FileInfo
	layers []image.FS
}

// top is the layer that shows the file.
func (p *place) top() image.FS { return p.layers[0] }

// root returns the place of the root directory, which is opaque in no layer.
func (f *FS) root() (*place, error) {
	info, err := f.layers[0].Lstat(".")
	return &place{".", info, f.layers}, err
}

// child finds a name in a directory.
func (p *place) child(base string) (*place, error) {
	c := &place{name: path.Join(p.name, base)}
	for _, l := range p.layers {
		info, err := l.Lstat(c.name)
		if missing(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if isWhiteout(info) || c.info != nil && !info.IsDir() {
			break
		}
		if c.info == nil {
			c.info = info
		}
		c.layers = append(c.layers, l)
		if !info.IsDir() || isOpaque(l, c.name) {
			break
		}
	}
	if c.info == nil {
		return nil, fs.ErrNotExist
	}
	return c, nil
}

func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// isWhiteout says whether a file is a character device 0:0.
func isWhiteout(info fs.FileInfo) bool {
	if info.Mode().Type() != fs.ModeDevice|fs.ModeCharDevice {
		return false
	}
	switch sys := info.Sys().(type) {
	case *syscall.Stat_t:
		return sys.Rdev == 0
	case interface{ Device() uint64 }:
		return sys.Device() == 0
	}
	return false
}

// walk follows name to a file, through the last component too if follow says so.
func (f *FS) walk(op, name string, follow bool) (*place, error) {
	p, err := f.steps(name, follow)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: cause(err)}
	}
	return p, nil
}

// cause strips err of a path that is not the one that was asked for.
func cause(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}

func (f *FS) steps(name string, follow bool) (*place, error) {
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	root, err := f.root()
	if err != nil {
		return nil, err
	}
	stack, links := []*place{root}, 0
	for todo := strings.Split(name, "/"); len(todo) > 0; {
		base := todo[0]
		todo = todo[1:]
		here := stack[len(stack)-1]
		switch {
		case base == "" || base == ".":
			continue
		case base == "..":
			stack = stack[:max(1, len(stack)-1)]
			continue
		case !here.info.IsDir():
			return nil, syscall.ENOTDIR
		}
		next, err := here.child(base)
		if err != nil {
			return nil, err
		}
		if next.info.Mode().Type() != fs.ModeSymlink || len(todo) == 0 && !follow {
			stack = append(stack, next)
			continue
		}
		if links++; links > maxLinks {
			return nil, syscall.ELOOP
		}
		target, err := next.top().ReadLink(next.name)
		if err != nil {
			return nil, err
		}
		if path.IsAbs(target) {
			stack = stack[:1]
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return stack[len(stack)-1], nil
}

// Open opens a regular file or a directory, following symbolic links.
func (f *FS) Open(name string) (fs.File, error) {
	p, err := f.walk("open", name, true)
	if err != nil {
		return nil, err
	}
	return p.top().Open(p.name)
}

// Stat describes the file that name leads to.
func (f *FS) Stat(name string) (fs.FileInfo, error) { return f.info("stat", name, true) }

// Lstat describes the file name itself.
func (f *FS) Lstat(name string) (fs.FileInfo, error) { return f.info("lstat", name, false) }

func (f *FS) info(op, name string, follow bool) (fs.FileInfo, error) {
	p, err := f.walk(op, name, follow)
	if err != nil {
		return nil, err
	}
	return p.info, nil
}

// ReadFile returns the bytes of a regular file.
func (f *FS) ReadFile(name string) ([]byte, error) {
	p, err := f.walk("open", name, true)
	if err != nil {
		return nil, err
	}
	return p.top().ReadFile(p.name)
}

// ReadLink returns the target of a symbolic link.
func (f *FS) ReadLink(name string) (string, error) {
	p, err := f.walk("readlink", name, false)
	if err != nil {
		return "", err
	}
	return p.top().ReadLink(p.name)
}

// ReadDir returns the entries of a directory, sorted by name.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	p, err := f.walk("readdir", name, true)
	if err != nil {
		return nil, err
	}
	var entries []fs.DirEntry
	seen := map[string]bool{}
	for _, l := range p.layers {
		list, err := l.ReadDir(p.name)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if seen[e.Name()] {
				continue
			}
			seen[e.Name()] = true
			gone, err := goneBy(e)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path.Join(p.name, e.Name()), err)
			}
			if !gone {
				entries = append(entries, e)
			}
		}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// goneBy says whether an entry is a whiteout.
func goneBy(e fs.DirEntry) (bool, error) {
	if e.Type() != fs.ModeDevice|fs.ModeCharDevice {
		return false, nil
	}
	info, err := e.Info()
	return err == nil && isWhiteout(info), err
}
