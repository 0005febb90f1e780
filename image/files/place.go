// Package files is the copying that a definition's %files asks for.
//
// Input: a pattern, matched on the host or in the tree of an earlier stage,
// and the tree that the copies go to. Output: nodes, put into that tree. Only
// host files are read, by the caller's own rights; nothing is written outside
// a tree, so no symbolic link of an image can lead anywhere on the host.
package files

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/image/tree"
)

// Copied is a file or directory to be put into a tree: under its own name
// into a directory, or under the name of the destination.
type Copied struct {
	// Source is where it comes from; its last name is its own.
	Source string
	Node   *tree.Node
	// InPlace makes the content of a file that of a regular file which exists,
	// whose other names have it as well then and whose mode and owner stay, as
	// by open(2) with O_TRUNC. Without it, the file takes the name over.
	InPlace bool
	// Contents makes what is in a directory go where the directory would.
	Contents bool
}

// Place puts the copies of one line of %files into root as cp -fR would in a
// container there: all symbolic links of the destination are followed inside
// root, and ".." stops at it. An empty dest stands for each source's path. A
// directory that exists is merged with and keeps its own metadata. time is the
// modification time of the directories that had to be made, in seconds since
// the epoch.
func Place(root *tree.Node, copies []Copied, dest string, time int64) error {
	for _, c := range copies {
		p := placer{root, time, c.InPlace}
		c.Node = clone(c.Node, map[*tree.Node]*tree.Node{})
		name, err := p.target(c, dest, len(copies))
		if err == nil {
			err = p.put(name, c.Node)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// target returns the name that one of count copies gets.
func (p placer) target(c Copied, dest string, count int) (string, error) {
	if dest == "" {
		return clamp(c.Source), nil
	}
	name, node := follow(p.root, clamp(dest))
	asDir := strings.HasSuffix(dest, "/") || strings.HasSuffix(dest, "/.")
	switch {
	case !asDir && (node == nil || !node.IsDir()):
		if count > 1 {
			return "", fmt.Errorf("%d files for %s; expected a directory, as in %s/", count, dest, dest)
		}
		return name, nil
	case !c.Contents || !c.Node.IsDir():
		return path.Join(clamp(dest), path.Base(clamp(c.Source))), nil
	case node == nil:
		made := tree.NewDir(0o755)
		made.ModTime = p.time
		return name, p.insert(name, made)
	}
	return name, nil
}

// clamp makes name absolute and drops ".." that would leave the root.
func clamp(name string) string { return path.Clean("/" + name) }

// follow resolves symbolic links at the end of name inside root and returns
// what is there: a nil node where nothing is, or after 40 links (ELOOP of
// path_resolution(7)).
func follow(root *tree.Node, name string) (string, *tree.Node) {
	for range 40 {
		n, err := root.Lookup(name)
		if err != nil {
			return name, nil
		}
		if n.Type() != tree.TypeSymlink {
			return name, n
		}
		if path.IsAbs(n.Target) {
			name = clamp(n.Target)
		} else {
			name = clamp(path.Join(path.Dir(name), n.Target))
		}
	}
	return name, nil
}

// placer puts nodes into root.
type placer struct {
	root *tree.Node
	time int64
	// inPlace is that of Copied.
	inPlace bool
}

// put makes a copy of node be at name, merged into a directory there. A
// symbolic link at name is followed, unless node is one, which replaces it.
func (p placer) put(name string, node *tree.Node) error {
	to, old := follow(p.root, name)
	switch {
	case node.Type() == tree.TypeSymlink && to != name:
		return p.root.Insert(name, node)
	case old == nil:
		return p.insert(to, node)
	case !old.IsDir() && node.IsDir():
		return fmt.Errorf("%s is no directory and cannot be replaced by one", to)
	case p.inPlace && old.Type() == tree.TypeRegular && node.Type() == tree.TypeRegular:
		overwrite(old, node)
		return nil
	case !old.IsDir():
		return p.root.Insert(to, node)
	case !node.IsDir():
		return fmt.Errorf("%s is a directory and cannot be replaced by a file", to)
	}
	for _, base := range node.Names() {
		if err := p.put(path.Join(to, base), node.Entries[base]); err != nil {
			return err
		}
	}
	return nil
}

// insert puts node at name, in directories that are made as needed.
func (p placer) insert(name string, node *tree.Node) error {
	for i := 1; i < len(name); i++ {
		if name[i] != '/' {
			continue
		}
		if _, there := follow(p.root, name[:i]); there != nil {
			continue
		}
		made, err := p.root.MkdirAll(name[:i], 0o755)
		if err != nil {
			return err
		}
		made.ModTime = p.time
	}
	return p.root.Insert(name, node)
}

// overwrite gives old the content of node, and takes the rights away that a
// write does (inode(7) on set-id bits, capabilities(7) on those of files).
func overwrite(old, node *tree.Node) {
	old.Content, old.ModTime = node.Content, node.ModTime
	old.Mode &^= 0o6000
	old.Xattrs = slices.DeleteFunc(old.Xattrs, func(x tree.Xattr) bool { return x.Name == "security.capability" })
}

// clone copies a tree, so that a change of one is not a change of the other
// and the files of two copies are not links of each other. Links within the
// tree stay links; seen are the copies of its files so far.
func clone(n *tree.Node, seen map[*tree.Node]*tree.Node) *tree.Node {
	if c := seen[n]; c != nil {
		return c
	}
	c := *n
	seen[n] = &c
	if n.IsDir() {
		c.Entries = make(map[string]*tree.Node, len(n.Entries))
		for name, child := range n.Entries {
			c.Entries[name] = clone(child, seen)
		}
	}
	return &c
}

// Stage is the root of an earlier stage as %files from sees it.
type Stage struct{ Root *tree.Node }

func (s Stage) names(dir string) ([]string, error) {
	if _, n := follow(s.Root, clamp(dir)); n != nil && n.IsDir() {
		return n.Names(), nil
	}
	return nil, nil
}

func (s Stage) exists(name string) bool {
	_, err := s.Root.Lookup(clamp(name))
	return err == nil
}

func (s Stage) isDir(name string) bool {
	n, err := s.Root.Lookup(clamp(name))
	return err == nil && n.IsDir()
}

func (s Stage) leadsToDir(name string) bool {
	_, n := follow(s.Root, clamp(name))
	return n != nil && n.IsDir()
}

// Load returns what the pattern names in the stage, the contents of directories
// if it ends with a slash. A symbolic link that it
// names itself is followed, inside the stage; links further down stay links. A
// pattern that matches nothing is fs.ErrNotExist.
func (s Stage) Load(source string) ([]Copied, error) {
	pattern := clampPattern(source)
	if strings.HasSuffix(source, "/") {
		pattern += "/"
	}
	names, err := glob(s, pattern)
	if err != nil {
		return nil, err
	}
	copies := make([]Copied, len(names))
	for i, name := range names {
		_, node := follow(s.Root, name)
		if node == nil {
			return nil, fmt.Errorf("%s: %w", name, errDangling)
		}
		copies[i] = Copied{Source: name, Node: node, Contents: strings.HasSuffix(source, "/")}
	}
	return copies, nil
}

var errDangling = errors.New("symbolic link to nothing")

// clampPattern is clamp for a pattern, whose backslashes path.Clean keeps.
func clampPattern(source string) string { return path.Clean("/" + source) }
