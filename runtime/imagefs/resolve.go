package imagefs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/sealift/sealift/buildcfg/hint"
)

// maxLinks is how many symbolic links a path may lead through, as in
// path_resolution(7); one more is taken for a loop. maxName is NAME_MAX.
const (
	maxLinks = 40
	maxName  = 255
)

// location is what a path leads to: the entry name, which exists or not, of
// the directory at the end of dir. The name is empty when the path ends in a
// directory without naming it, like "/" and "/usr/..".
type location struct {
	dir   []step
	name  string
	found bool
}

// step is a directory on the way from the root and its name in the one before.
type step struct {
	name string
	node node
}

// resolve follows path like a process under chroot(2) would: links lead on
// inside the tree and ".." stops at its root. Directories missing on the way
// are made, behind a dangling link too; a link in a loop counts as missing. The
// last component is followed, when it is a link, only if follow is set.
func (s *Server) resolve(path string, follow bool) (location, error) {
	if !strings.HasPrefix(path, "/") {
		return location{}, errors.New("the path is not absolute")
	}
	names := split(path)
	dir, rest, links := []step{{node: s.root}}, names, 0
	for at := -1; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		at = max(at, len(names)-len(rest)-1) // of path, not of a link on the way
		if name == ".." {
			dir = dir[:max(1, len(dir)-1)]
			continue
		}
		if len(name) > maxName || strings.ContainsRune(name, 0) {
			return location{}, fmt.Errorf("%q: %w", name, syscall.ENAMETOOLONG)
		}
		child, found, err := s.find(dir[len(dir)-1].node, name)
		if err != nil {
			return location{}, err
		}
		last := len(rest) == 0
		if text, isLink := linkText(child); isLink && (follow || !last) {
			if links++; links > maxLinks {
				return s.breakLoop(names, at, follow)
			}
			if strings.HasPrefix(text, "/") {
				dir = dir[:1]
			}
			rest = slices.Concat(split(text), rest)
			continue
		}
		if last {
			return location{dir, name, found}, nil
		}
		if !found {
			child = s.add(dir, name, &extra{mode: syscall.S_IFDIR | 0o755}).node()
		} else if !child.isDir() {
			err := fmt.Errorf("%s: %w", name, syscall.ENOTDIR)
			return location{}, hint.Wrap(err, "choose a path whose parents are directories in the image")
		}
		dir = append(dir, step{name, child})
	}
	return location{dir: dir, found: true}, nil
}

// breakLoop resolves a path whose component at is a link that leads nowhere: it
// is taken for missing.
func (s *Server) breakLoop(names []string, at int, follow bool) (location, error) {
	loop, err := s.resolve("/"+strings.Join(names[:at+1], "/"), false)
	if err != nil {
		return location{}, err
	}
	if at == len(names)-1 {
		return location{loop.dir, loop.name, false}, nil
	}
	s.add(loop.dir, loop.name, &extra{mode: syscall.S_IFDIR | 0o755})
	return s.resolve("/"+strings.Join(names, "/"), follow)
}

// find is lookup for paths: a missing entry is no error.
func (s *Server) find(dir node, name string) (node, bool, error) {
	n, err := s.lookup(dir, name)
	if err == syscall.ENOENT {
		return node{}, false, nil
	}
	return n, err == nil, err
}

// linkText returns the text of n when it is a symbolic link.
func linkText(n node) (string, bool) {
	if n.x == nil && n.ino == nil {
		return "", false
	}
	return n.link()
}

// split returns the components of a path, without empty ones and ".".
func split(path string) []string {
	names := strings.Split(path, "/")
	return slices.DeleteFunc(names, func(s string) bool { return s == "" || s == "." })
}
