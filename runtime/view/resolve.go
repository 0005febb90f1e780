package view

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links a path may lead through, as in
// path_resolution(7).
const maxLinks = 40

// Location is the end of a resolved path.
type Location struct {
	Path  string // canonical: without symbolic links
	Mode  fs.FileMode
	Found bool
}

// Resolve follows an absolute path as a process in the container would. Where
// components are missing, the rest of the path is taken literally.
func (v *View) Resolve(p string) (Location, error) {
	at, rest := v.begin(p)
	links := 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		if at.Found && !at.Mode.IsDir() {
			return at, fmt.Errorf("%s: %w in the container", at.Path, syscall.ENOTDIR)
		}
		if name == ".." {
			at = Location{Path: path.Dir(at.Path)}
			var err error
			if at.Mode, at.Found, err = v.Lstat(at.Path); err != nil {
				return at, err
			}
			continue
		}
		next := path.Join(at.Path, name)
		var err error
		parent := at
		at = Location{Path: next}
		if parent.Found {
			at.Mode, at.Found, err = v.Lstat(next)
		}
		if err != nil {
			return at, err
		}
		if at.Mode.Type() != fs.ModeSymlink {
			if at.Found && at.Mode.IsDir() {
				v.dirs[next] = at.Mode
			}
			continue
		}
		if links++; links > maxLinks {
			return at, fmt.Errorf("%s: %w", p, syscall.ELOOP)
		}
		target, err := v.readLink(next)
		if err != nil {
			return at, err
		}
		if rest = append(components(target), rest...); path.IsAbs(target) {
			parent = Location{Path: "/", Mode: fs.ModeDir, Found: true}
		}
		at = parent
	}
	return at, nil
}

// begin returns where the resolution of a path begins, and the components that are left.
func (v *View) begin(p string) (at Location, rest []string) {
	if mode, ok := v.dirs[p]; ok {
		return Location{Path: p, Mode: mode, Found: true}, nil
	}
	if i := strings.LastIndexByte(p, '/'); i > 0 {
		if mode, ok := v.dirs[p[:i]]; ok {
			return Location{Path: p[:i], Mode: mode, Found: true}, components(p[i:])
		}
	}
	return Location{Path: "/", Mode: fs.ModeDir, Found: true}, components(p)
}

// components splits a path; empty ones and "." vanish.
func components(p string) []string {
	return slices.DeleteFunc(strings.Split(p, "/"), func(s string) bool { return s == "" || s == "." })
}

// readLink returns the text of the symbolic link at a canonical path.
func (v *View) readLink(p string) (string, error) {
	if text, ok := v.links[p]; ok && v.made[p].Type() == fs.ModeSymlink {
		return text, nil
	}
	m := v.Governing(p)
	if files := v.files(m); files != nil {
		return fs.ReadLink(files, Relative(m.SourcePath(p)))
	}
	return fs.ReadLink(v.image, Relative(p))
}
