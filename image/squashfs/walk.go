package squashfs

import (
	"io/fs"
	"strings"
	"syscall"

	"github.com/sealift/sealift/image/tree"
)

// maxLinks is how many symbolic links one path may lead through
// (path_resolution(7)).
const maxLinks = 40

// walk returns the inode that a path of package io/fs names; follow tells
// whether a symbolic link at its end is followed.
func (f *FS) walk(op, name string, follow bool) (*Inode, error) {
	if !tree.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	ino, err := f.r.resolve(name, follow)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return ino, nil
}

// resolve follows path from the root. An absolute target of a symbolic link
// starts at the root again, and ".." of the root is the root.
func (r *Reader) resolve(path string, follow bool) (*Inode, error) {
	root, err := r.Inode(r.super.Root)
	if err != nil {
		return nil, err
	}
	chain := []*Inode{root} // directories from the root to where the walk is
	links := 0
	for path != "" {
		name, rest, more := strings.Cut(path, "/")
		path = rest
		switch name {
		case "", ".":
			continue
		case "..":
			chain = chain[:max(1, len(chain)-1)]
			continue
		}
		ino, err := r.step(chain, name)
		switch {
		case err != nil:
			return nil, err
		case ino.IsSymlink() && (more || follow):
			if links++; links > maxLinks {
				return nil, syscall.ELOOP
			}
			if path = ino.Target; more {
				path += "/" + rest
			}
			if path[0] == '/' {
				chain = chain[:1]
			}
		case ino.IsDir():
			chain = append(chain, ino)
		case more:
			return nil, syscall.ENOTDIR
		default:
			return ino, nil
		}
	}
	return chain[len(chain)-1], nil
}

// step returns the inode called name in the last directory of chain, unless it
// is one of the chain's own directories or too deep.
func (r *Reader) step(chain []*Inode, name string) (*Inode, error) {
	ino, err := r.Child(chain[len(chain)-1], name)
	if err != nil || !ino.IsDir() {
		return ino, err
	}
	if len(chain) > maxDepth {
		return nil, corrupt("directories nest deeper than %d", maxDepth)
	}
	for _, dir := range chain {
		if dir.Ref == ino.Ref {
			return nil, corrupt("directory inode %d contains itself", ino.Number)
		}
	}
	return ino, nil
}
