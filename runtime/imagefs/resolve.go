package imagefs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
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
	dir, rest, links := []step{{node: s.root}}, split(path), 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
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
			if links++; links <= maxLinks {
				if strings.HasPrefix(text, "/") {
					dir = dir[:1]
				}
				rest = slices.Concat(split(text), rest)
				continue
			}
			found = false
		}
		if last {
			return location{dir, name, found}, nil
		}
		if !found {
			child = s.add(dir, name, &extra{mode: syscall.S_IFDIR | 0o755}).node()
		} else if !child.isDir() {
			return location{}, fmt.Errorf("%s: %w", name, syscall.ENOTDIR)
		}
		dir = append(dir, step{name, child})
	}
	return location{dir: dir, found: true}, nil
}

// find is lookup for paths: a missing entry is no error.
func (s *Server) find(dir node, name string) (node, bool, error) {
	n, err := s.lookup(dir, name)
	if err == nil {
		return n, true, nil
	}
	if isMissing(err) {
		return node{}, false, nil
	}
	return node{}, false, err
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
