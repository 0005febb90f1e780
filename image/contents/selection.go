package contents

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/tree"
)

// Selection says which part of a source is meant. The zero value is all of it.
type Selection struct {
	// Paths are what is kept, each with all below it and the directories above
	// it. Where a path leads through a symbolic link, the link is kept as well
	// as what it leads to.
	Paths []string
	// Exclude are patterns (path.Match) of what is left out, with all below
	// it. One without a slash is matched against names, wherever they are; one
	// with a slash against whole paths from the root.
	Exclude []string
}

func (o Selection) all() bool { return len(o.Paths) == 0 && len(o.Exclude) == 0 }

func (o Selection) check() error {
	for _, pattern := range o.Exclude {
		if _, err := path.Match(pattern, ""); err != nil {
			return hint.Wrap(fmt.Errorf("pattern %q: %w", pattern, err), `put a backslash before [ where it is meant as such`)
		}
	}
	return nil
}

// excluded tells whether a pattern matches name, a path without leading slash.
func (o Selection) excluded(name string) bool {
	for _, pattern := range o.Exclude {
		text := path.Base(name)
		if strings.Contains(pattern, "/") {
			pattern, text = strings.Trim(pattern, "/"), name
		}
		if match, _ := path.Match(pattern, text); match { // check has seen the pattern
			return true
		}
	}
	return false
}

// apply removes what is not selected from the tree.
func (o Selection) apply(root *tree.Node) error {
	if len(o.Exclude) > 0 {
		o.prune(root, "")
	}
	if len(o.Paths) == 0 {
		return nil
	}
	k := keeper{whole: map[*tree.Node]bool{}, names: map[*tree.Node]map[string]bool{}}
	for _, p := range o.Paths {
		if err := k.add(root, p); err != nil {
			return &fs.PathError{Op: "select", Path: "/" + strings.TrimPrefix(p, "/"), Err: err}
		}
	}
	k.prune(root)
	return nil
}

func (o Selection) prune(dir *tree.Node, at string) {
	for name, child := range dir.Entries {
		if here := path.Join(at, name); o.excluded(here) {
			delete(dir.Entries, name)
		} else {
			o.prune(child, here)
		}
	}
}

// keeper collects what is kept: directories with all below them, and names of
// others.
type keeper struct {
	whole map[*tree.Node]bool
	names map[*tree.Node]map[string]bool
}

// maxLinks is how many symbolic links one path may lead through
// (path_resolution(7)).
const maxLinks = 40

// add keeps what name leads to, as path resolution meets it.
func (k keeper) add(root *tree.Node, name string) error {
	chain, links := []*tree.Node{root}, 0
	for left := name; left != ""; {
		first, rest, more := strings.Cut(left, "/")
		left = rest
		switch first {
		case "", ".":
			continue
		case "..":
			chain = chain[:max(1, len(chain)-1)]
			continue
		}
		dir := chain[len(chain)-1]
		child := dir.Entries[first]
		switch {
		case child == nil:
			return fs.ErrNotExist
		case child.IsDir():
			chain = append(chain, child)
		case child.Type() == tree.TypeSymlink && more:
			if links++; links > maxLinks {
				return syscall.ELOOP
			}
			if strings.HasPrefix(child.Target, "/") {
				chain = chain[:1]
			}
			left = child.Target + "/" + rest
		case more:
			return syscall.ENOTDIR
		}
		k.name(dir, first)
		if !child.IsDir() && left == "" {
			return nil
		}
	}
	k.whole[chain[len(chain)-1]] = true
	return nil
}

func (k keeper) name(dir *tree.Node, name string) {
	if k.names[dir] == nil {
		k.names[dir] = map[string]bool{}
	}
	k.names[dir][name] = true
}

func (k keeper) prune(dir *tree.Node) {
	if k.whole[dir] {
		return
	}
	for name, child := range dir.Entries {
		if !k.names[dir][name] {
			delete(dir.Entries, name)
		} else if child.IsDir() {
			k.prune(child)
		}
	}
}
