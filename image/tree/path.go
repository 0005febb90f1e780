package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Limits of one path. A component is bounded by NAME_MAX of Linux; the number
// of symbolic links followed by MAXSYMLINKS, path_resolution(7); the depth of a
// directory by nothing in Linux, but by what the reader of images accepts.
const (
	maxName  = 255
	maxHops  = 40
	maxDepth = 1024
)

var (
	errEscapes = errors.New("path leads out of the root")
	errLoop    = errors.New("too many levels of symbolic links")
	errName    = fmt.Errorf("file name longer than %d bytes", maxName)
	errDeep    = fmt.Errorf("directories nest deeper than %d", maxDepth)
	errNotDir  = errors.New("not a directory")
)

// clean makes name relative to the root without "." and ".." components; the
// root itself is ".". An absolute name is taken as relative to the root, and
// one whose ".." leads above it is an error.
func clean(name string) (string, error) {
	c := path.Clean(strings.TrimLeft(name, "/"))
	if c == ".." || strings.HasPrefix(c, "../") {
		return "", errEscapes
	}
	return c, nil
}

// ValidPath is fs.ValidPath for file names of Linux, which need not be UTF-8.
func ValidPath(name string) bool { return fs.ValidPath(strings.ToValidUTF8(name, "?")) }

// split cuts a cleaned path into its directory, "." at the top, and last name.
func split(name string) (dir, base string) {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return ".", name
}

// step is one directory on the way from the root. A nil node means that no
// directory is there: nothing, or a file of another type.
type step struct {
	name string
	node *Node
}

// follow resolves dir, a path of directories, below n as a process chrooted
// there would: symbolic links are followed and neither they nor ".." lead out.
// It goes on lexically below what does not exist. Links that dir spells, not
// those met behind a link, are first shown to hides by the prefix of dir that
// ends in them; when it returns true the result is nil.
func (n *Node) follow(dir string, hides func(prefix string) bool) ([]step, error) {
	steps := []step{{node: n}}
	todo, literal, hops := dir, len(dir), 0
	for todo != "" {
		spelled := len(todo) == literal
		name, rest, _ := strings.Cut(todo, "/")
		todo = rest
		if spelled {
			literal = len(rest)
		}
		if name == ".." {
			steps = steps[:max(1, len(steps)-1)]
		}
		if name == "" || name == "." || name == ".." {
			continue
		}
		next := steps[len(steps)-1].child(name)
		if next == nil || next.Type() != TypeSymlink {
			if len(name) > maxName {
				return nil, errName
			}
			if len(steps) > maxDepth {
				return nil, errDeep
			}
			steps = append(steps, newStep(name, next))
			continue
		}
		if spelled && hides != nil && hides(strings.TrimRight(dir[:len(dir)-len(rest)], "/")) {
			return nil, nil
		}
		if hops++; hops > maxHops {
			return nil, errLoop
		}
		if strings.HasPrefix(next.Target, "/") {
			steps = steps[:1]
		}
		todo = next.Target + "/" + rest
	}
	return steps, nil
}

func (s step) child(name string) *Node {
	if s.node == nil {
		return nil
	}
	return s.node.Entries[name]
}

func newStep(name string, n *Node) step {
	if n != nil && !n.IsDir() {
		n = nil
	}
	return step{name, n}
}

// last returns the directory at the end of steps, nil if there is none.
func last(steps []step) *Node {
	if len(steps) == 0 {
		return nil
	}
	return steps[len(steps)-1].node
}

// fill makes the directories that steps lack, in place of any other file, and
// returns the last one.
func fill(steps []step, perm uint32) *Node {
	for i := range steps {
		if steps[i].node == nil {
			steps[i].node = NewDir(perm)
			steps[i-1].node.Entries[steps[i].name] = steps[i].node
		}
	}
	return last(steps)
}

// Lookup returns the node that name leads to below n. Symbolic links in the
// directories of name are followed without leaving n, one at its end is not.
// The error is an *fs.PathError, fs.ErrNotExist when there is no such node.
func (n *Node) Lookup(name string) (*Node, error) {
	found, err := n.lookup(name)
	if err != nil {
		return nil, &fs.PathError{Op: "lookup", Path: name, Err: err}
	}
	return found, nil
}

func (n *Node) lookup(name string) (*Node, error) {
	name, err := clean(name)
	if err != nil || name == "." {
		return n, err
	}
	dir, base := split(name)
	steps, err := n.follow(dir, nil)
	if err != nil {
		return nil, err
	}
	if found := (step{node: last(steps)}).child(base); found != nil {
		return found, nil
	}
	return nil, fs.ErrNotExist
}

// Follow is Lookup that follows a symbolic link at the end of name too.
func (n *Node) Follow(name string) (*Node, error) {
	found, err := n.followed(name)
	if err != nil {
		return nil, &fs.PathError{Op: "lookup", Path: name, Err: err}
	}
	return found, nil
}

func (n *Node) followed(name string) (*Node, error) {
	name, err := clean(name)
	if err != nil {
		return nil, err
	}
	steps, err := n.follow(name, nil)
	if err != nil {
		return nil, err
	}
	end := steps[len(steps)-1]
	if end.node == nil { // no directory, which is all that follow looks for
		end.node = steps[len(steps)-2].child(end.name)
	}
	if end.node == nil {
		return nil, fs.ErrNotExist
	}
	return end.node, nil
}

// MkdirAll returns the directory name below n, making it and its missing
// parents with the permission bits perm and owner root. Symbolic links are
// followed as in Lookup. A file of another type in the way is an error.
func (n *Node) MkdirAll(name string, perm uint32) (*Node, error) {
	dir, err := n.mkdirAll(name, perm)
	if err != nil {
		return nil, &fs.PathError{Op: "mkdir", Path: name, Err: err}
	}
	return dir, nil
}

func (n *Node) mkdirAll(name string, perm uint32) (*Node, error) {
	name, err := clean(name)
	if err != nil {
		return nil, err
	}
	steps, err := n.follow(name, nil)
	if err != nil {
		return nil, err
	}
	for i := 1; i < len(steps); i++ {
		if steps[i].node == nil && steps[i-1].child(steps[i].name) != nil {
			return nil, errNotDir
		}
	}
	return fill(steps, perm), nil
}

// Insert puts child at name below n, in place of whatever is there. Missing
// parents are made with mode 0755; symbolic links in the parents are followed
// as in Lookup, one at name is replaced.
func (n *Node) Insert(name string, child *Node) error {
	if err := n.insert(name, child); err != nil {
		return &fs.PathError{Op: "insert", Path: name, Err: err}
	}
	return nil
}

func (n *Node) insert(name string, child *Node) error {
	name, err := clean(name)
	if err != nil {
		return err
	}
	if name == "." {
		return errors.New("the root cannot be replaced")
	}
	dir, base := split(name)
	if len(base) > maxName {
		return errName
	}
	parent, err := n.mkdirAll(dir, 0o755)
	if err != nil {
		return err
	}
	parent.Entries[base] = child
	return nil
}
