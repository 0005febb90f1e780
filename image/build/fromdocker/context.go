package fromdocker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/dockerfile/ignore"
	"github.com/sealift/sealift/image/dockerfile/steps"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/tree"
)

// Context is a directory of the host.
type Context struct {
	// Dir is absolute.
	Dir string
	// Keep tells what of it COPY and ADD see, as ignore.Context has it; nil
	// keeps all.
	Keep func(path string, dir bool) bool
}

// OpenContext returns the context of a Dockerfile, both by absolute paths, and
// reads which files it leaves out.
func OpenContext(dir, dockerfile string) (Context, error) {
	c := Context{Dir: dir}
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		if err == nil {
			err = fmt.Errorf("%s is not a directory", dir)
		}
		return c, hint.Wrap(fmt.Errorf("context: %w", err), "name the directory that COPY and ADD are to copy from")
	}
	beside, root := ignore.Names(dockerfile)
	for _, name := range []string{beside, filepath.Join(dir, root)} {
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return c, err
		}
		text, err := io.ReadAll(io.LimitReader(f, 2<<20)) // more than ignore accepts
		if err = errors.Join(err, f.Close()); err == nil {
			c.Keep, err = ignore.Context(name, text)
		}
		return c, err
	}
	return c, nil
}

// tree reads what wanted asks for of the context, given paths below it. All
// belongs to root.
func (c Context) tree(ctx context.Context, b *build.Build, wanted func(path string) bool) (*tree.Node, error) {
	dir, err := os.Open(c.Dir)
	if err != nil {
		return nil, err
	}
	b.Defer(dir.Close) // contents are opened below it
	own := ownFiles(b)
	root, err := sandbox.ReadTree(ctx, dir, sandbox.ReadOptions{Mounts: true, Skip: func(name string) bool {
		return !wanted(name) || c.Keep != nil && !c.Keep(name, true) || own(filepath.Join(c.Dir, name))
	}})
	if err != nil {
		return nil, err
	}
	if c.Keep != nil {
		c.prune(root, ".")
	}
	for _, n := range root.Walk() {
		n.UID, n.GID = 0, 0
	}
	return root, nil
}

// prune takes out what Skip had to let pass, as it is not told what is a
// directory.
func (c Context) prune(dir *tree.Node, at string) {
	for name, n := range dir.Entries {
		p := path.Join(at, name)
		if n.IsDir() {
			c.prune(n, p)
		}
		if !c.Keep(p, false) && len(n.Entries) == 0 {
			delete(dir.Entries, name)
		}
	}
}

// ownFiles returns what tells the files that the build itself writes.
func ownFiles(b *build.Build) func(name string) bool {
	var own []os.FileInfo
	for _, name := range b.Own() {
		if st, err := os.Stat(name); err == nil {
			own = append(own, st)
		}
	}
	return func(name string) bool {
		st, err := os.Lstat(name)
		return err == nil && slices.ContainsFunc(own, func(o os.FileInfo) bool { return os.SameFile(o, st) })
	}
}

// source is a file or directory to be copied, by its path from the root of
// where it is from.
type source struct {
	path string
	node *tree.Node
}

// load returns what a pattern stands for in an origin. Of the context no more
// is read than it takes.
func (w *walk) load(ctx context.Context, b *build.Build, from steps.Origin, pattern string) ([]source, error) {
	pattern = path.Clean("/" + pattern)[1:]
	if from.Kind != steps.OfContext {
		root, err := w.root(ctx, b, from)
		if err != nil {
			return nil, err
		}
		return match(root, pattern)
	}
	root, err := w.input.Context.tree(ctx, b, func(name string) bool { return leads(pattern, name) })
	if err != nil {
		return nil, err
	}
	found, err := match(root, pattern)
	if (errors.Is(err, fs.ErrNotExist) || err == nil && len(found) == 0) && hasLinks(root) {
		// A link may lead to what was not read.
		if root, err = w.input.Context.tree(ctx, b, func(string) bool { return true }); err == nil {
			found, err = match(root, pattern)
		}
	}
	return found, err
}

// root returns the root directory of a stage or an image.
func (w *walk) root(ctx context.Context, b *build.Build, from steps.Origin) (*tree.Node, error) {
	if from.Kind == steps.OfScratch {
		return tree.NewDir(0o755), nil
	}
	at := w.images[from.Image]
	if from.Kind == steps.OfStage {
		at = w.walks[from.Stage].at
	}
	root, err := b.Stage(at).Settle(ctx)
	if err != nil {
		return nil, err
	}
	return metadata.Without(root), nil
}

func hasLinks(root *tree.Node) bool {
	for _, n := range root.Walk() {
		if n.Type() == tree.TypeSymlink {
			return true
		}
	}
	return false
}

// leads tells whether a path leads to what a pattern matches, or lies below.
func leads(pattern, name string) bool {
	parts := strings.Split(name, "/")
	for i, p := range strings.Split(pattern, "/") {
		if pattern == "" || i == len(parts) {
			return true
		}
		if ok, err := path.Match(p, parts[i]); err == nil && !ok {
			return false
		}
	}
	return true
}

// hasMeta tells a pattern from a plain path.
func hasMeta(pattern string) bool { return strings.ContainsAny(pattern, `*?[\`) }

// match returns what a pattern stands for in a tree, by path.Match part for
// part, in the order of the names. Links within its path are followed, and one
// that a plain path names. A plain path of nothing is fs.ErrNotExist.
func match(root *tree.Node, pattern string) ([]source, error) {
	if !hasMeta(pattern) {
		n, err := root.Follow(pattern)
		return []source{{pattern, n}}, err
	}
	found := []source{{"", root}}
	for part := range strings.SplitSeq(pattern, "/") {
		var next []source
		for _, s := range found {
			dir, err := root.Follow(s.path)
			if err != nil || !dir.IsDir() {
				continue
			}
			for _, name := range dir.Names() {
				ok, err := path.Match(part, name)
				if err != nil {
					return nil, fmt.Errorf("pattern %q: %w", pattern, err)
				}
				if ok {
					next = append(next, source{path.Join(s.path, name), dir.Entries[name]})
				}
			}
		}
		found = next
	}
	return found, nil
}
