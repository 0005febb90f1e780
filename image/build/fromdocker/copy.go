package fromdocker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/dockerfile/ignore"
	"github.com/sealift/sealift/image/dockerfile/perm"
	"github.com/sealift/sealift/image/dockerfile/steps"
	"github.com/sealift/sealift/image/files"
	"github.com/sealift/sealift/image/tree"
)

// item is a thing that COPY or ADD puts into the stage.
type item struct {
	files.Copied
	// identity is what the content depends on, zero for the Node.
	identity key.Digest
	// make, if not nil, makes what is copied when it is known to be needed.
	make func(ctx context.Context, b *build.Build) (files.Copied, error)
}

// copy carries out COPY and ADD. Sources are looked for at once, and read for
// the key.
func (w *walk) copy(ctx context.Context, b *build.Build, do steps.Copy) error {
	items, err := w.items(ctx, b, do)
	if err != nil {
		return err
	}
	if len(items) == 0 {
		b.Warning("%s: no file matches, and nothing is copied", w.recipe.Name)
	}
	change, err := perm.ParseChange(do.Chmod)
	if err != nil {
		return err
	}
	return b.Layer(ctx, w.at, build.Change{
		Kind: "copy",
		Identify: func(k *key.Key) error {
			k.String("dest", do.Dest).String("chown", do.Chown).String("chmod", do.Chmod)
			for _, i := range items {
				if err := i.identify(ctx, b, k); err != nil {
					return err
				}
			}
			return nil
		},
		Do: func() error {
			copies := make([]files.Copied, len(items))
			for n, i := range items {
				if copies[n] = i.Copied; i.make == nil {
					continue
				}
				if copies[n], err = i.make(ctx, b); err != nil {
					return err
				}
			}
			b.Stage(w.at).Edit(func(root *tree.Node) error { return place(root, copies, do, change, b.Time()) })
			return nil
		},
	})
}

// identify adds what the content depends on.
func (i *item) identify(ctx context.Context, b *build.Build, k *key.Key) (err error) {
	content := i.identity
	if content == (key.Digest{}) {
		if content, err = key.Tree(ctx, i.Node, b.TreeKey()); err != nil {
			return err
		}
	}
	k.String("source", i.Source).String("how", fmt.Sprint(i.Contents, i.make != nil)).Digest("content", content)
	return nil
}

// place puts the copies into root, with the owner and mode that do asks for.
func place(root *tree.Node, copies []files.Copied, do steps.Copy, change perm.Change, time int64) error {
	parents := perm.Owner{}
	set := func(n *tree.Node) { n.Mode = change.Apply(n.Mode) }
	if do.Chown != "" {
		o, err := perm.FindOwner(treeFile(root), do.Chown)
		if err != nil {
			return err
		}
		parents = o
		set = func(n *tree.Node) {
			n.UID, n.GID = o.UID, o.GID
			n.Mode = change.Apply(n.Mode)
		}
	}
	if len(copies) == 0 {
		return nil
	}
	dir := do.Dest
	if !strings.HasSuffix(dir, "/") {
		dir = path.Dir(dir)
	}
	if err := mkdirs(root, path.Clean(dir), parents, time); err != nil {
		return err
	}
	placed := make([]files.Copied, len(copies))
	for i, c := range copies {
		placed[i] = c
		placed[i].Node = changed(c.Node, set, map[*tree.Node]*tree.Node{})
	}
	return files.Place(root, placed, do.Dest, time)
}

// changed returns a copy of the tree to which set was applied; but not to
// symbolic links, which have no mode. Names of one file stay that.
func changed(n *tree.Node, set func(*tree.Node), seen map[*tree.Node]*tree.Node) *tree.Node {
	if c := seen[n]; c != nil {
		return c
	}
	c := *n
	seen[n] = &c
	set(&c)
	if c.Entries != nil {
		c.Entries = make(map[string]*tree.Node, len(n.Entries))
		for name, child := range n.Entries {
			c.Entries[name] = changed(child, set, seen)
		}
	}
	return &c
}

// items returns what is to be copied.
func (w *walk) items(ctx context.Context, b *build.Build, do steps.Copy) ([]item, error) {
	keep, err := excluding(do.Exclude)
	if err != nil {
		return nil, err
	}
	var items []item
	for _, s := range do.Sources {
		switch {
		case s.URL != "":
			i, err := w.download(ctx, b, s, do.Checksum)
			if err != nil {
				return nil, err
			}
			items = append(items, i)
		case s.Name != "":
			n := &tree.Node{Mode: tree.TypeRegular | 0o644, ModTime: b.Time(), Content: tree.Bytes(s.Data)}
			items = append(items, item{Copied: files.Copied{Source: s.Name, Node: n}})
		default:
			more, err := w.paths(ctx, b, do, s, keep)
			if err != nil {
				return nil, err
			}
			items = append(items, more...)
		}
	}
	return items, nil
}

// paths returns what a source that is a path stands for.
func (w *walk) paths(ctx context.Context, b *build.Build, do steps.Copy, s steps.Source, keep func(string, bool) bool) ([]item, error) {
	found, err := w.load(ctx, b, do.From, s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		where := "the context " + w.input.Context.Dir + ", or it is left out by .dockerignore"
		if do.From.Kind != steps.OfContext {
			where = do.From.String()
		}
		return nil, hint.New(fmt.Sprintf("%s: no such file in %s", s.Path, where),
			"correct the path; it starts from the context, which is the directory of the Dockerfile or that of --context")
	}
	if err != nil {
		return nil, err
	}
	var items []item
	for _, f := range found {
		if f.node = without(f, keep); f.node == nil {
			continue
		}
		i := item{Copied: files.Copied{Source: "/" + f.path, Node: f.node, Contents: f.node.IsDir()}}
		if s.Unpack {
			i.unpack(w)
		}
		if do.Parents {
			i.Copied = withParents(f, s.Path)
		}
		items = append(items, i)
	}
	return items, nil
}

// excluding returns what tells which paths the patterns do not exclude, nil for
// no pattern.
func excluding(patterns []string) (func(path string, dir bool) bool, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	return ignore.Context("--exclude", []byte(strings.Join(patterns, "\n")))
}

// without returns the node of a source without what keep rejects: by its name,
// or what is in a directory by the path from there. Nil is nothing.
func without(s source, keep func(string, bool) bool) *tree.Node {
	if keep == nil {
		return s.node
	}
	if !s.node.IsDir() {
		if !keep(path.Base(s.path), false) {
			return nil
		}
		return s.node
	}
	n := changed(s.node, func(*tree.Node) {}, map[*tree.Node]*tree.Node{})
	Context{Keep: keep}.prune(n, ".")
	return n
}

// withParents returns a source below the directories of its path, but for those
// before "/./" in the pattern that named it.
func withParents(s source, pattern string) files.Copied {
	rest := s.path
	before, _, ok := strings.Cut(pattern, "/./")
	if before = path.Clean("/" + before)[1:]; ok && before != "" {
		for range strings.Split(before, "/") {
			_, rest, _ = strings.Cut(rest, "/")
		}
	}
	node := s.node
	for ; rest != "" && rest != "."; rest = path.Dir(rest) {
		dir := tree.NewDir(0o755)
		dir.ModTime = s.node.ModTime
		dir.Entries[path.Base(rest)] = node
		node = dir
	}
	return files.Copied{Source: "/", Node: node, Contents: true}
}
