package fromdocker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/dockerfile/steps"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/tree"
)

// mount is one --mount of a RUN, and what it shows in the beginning.
type mount struct {
	steps.Mount
	node *tree.Node
}

// mounts finds what bind mounts show and caches begin with.
func (w *walk) mounts(ctx context.Context, b *build.Build, list []steps.Mount) ([]mount, error) {
	var found []mount
	for _, m := range list {
		mounted := mount{Mount: m}
		if m.Type == "bind" || m.Type == "cache" && m.From.Kind != steps.OfScratch {
			sources, err := w.load(ctx, b, m.From, m.Source)
			if err == nil && len(sources) != 1 {
				err = fmt.Errorf("%d files match %s; expected one", len(sources), m.Source)
			}
			if err != nil {
				return nil, fmt.Errorf("--mount=%s: %w", m.Options, err)
			}
			mounted.node = sources[0].node
		}
		found = append(found, mounted)
	}
	return found, nil
}

// identify adds what the outcome of the program depends on: not what is in a
// cache or a secret.
func (m *mount) identify(ctx context.Context, b *build.Build, k *key.Key) error {
	k.Strings("mount", []string{m.Type, m.Target, fmt.Sprint(m.ReadOnly), m.Env})
	if m.Type != "bind" {
		return nil
	}
	d, err := key.Tree(ctx, m.node, b.TreeKey())
	k.Digest("content", d)
	if err != nil {
		return fmt.Errorf("--mount=%s: %w", m.Options, err)
	}
	return nil
}

// mounting is the mounts of one RUN.
type mounting struct {
	*walk
	build *build.Build
	// dirs are the directories that go when the program has ended.
	dirs []*os.File
}

// add adds a mount to what x has.
func (m *mounting) add(ctx context.Context, x *build.Exec, mount mount) (err error) {
	to := build.Mount{Target: mount.Target, ReadOnly: mount.ReadOnly, Size: mount.Size}
	switch mount.Type {
	case "bind":
		to.Source, err = m.copied(ctx, mount.node)
	case "cache":
		to.Source, err = m.cache(ctx, mount)
	case "secret":
		return m.secret(ctx, x, mount)
	}
	if err == nil {
		x.Mounts = append(x.Mounts, to)
	}
	return err
}

// content is the name of what is mounted in a directory made for it.
const content = "content"

// copied writes a tree to a directory that goes with the RUN, and returns its
// path: what the program writes there is lost.
func (m *mounting) copied(ctx context.Context, n *tree.Node) (string, error) {
	dir, err := m.build.NewDir("mount")
	if err != nil {
		return "", err
	}
	m.dirs = append(m.dirs, dir)
	return write(ctx, m.build, dir, n)
}

// write writes a tree to a new directory and returns its path. Its owners are
// what the program is shown.
func write(ctx context.Context, b *build.Build, dir *os.File, n *tree.Node) (string, error) {
	root := tree.NewDir(0o755)
	root.Entries[content] = n
	return filepath.Join(dir.Name(), content), b.WriteTree(ctx, root, dir.Name())
}

// cache returns the directory of a cache, which lasts as long as the build.
func (m *mounting) cache(ctx context.Context, c mount) (string, error) {
	id := fmt.Sprintf("%q %o %d:%d", c.ID, c.Mode, c.UID, c.GID)
	if name, ok := m.caches[id]; ok {
		return name, nil
	}
	if m.caches == nil {
		m.computer.caches = map[string]string{}
		m.build.Notice("caches of RUN last as long as the build, and are not kept for other builds")
	}
	node := tree.NewDir(c.Mode)
	if c.node != nil {
		if !c.node.IsDir() {
			return "", fmt.Errorf("%s is not a directory", c.Source)
		}
		node.Entries = c.node.Entries
	}
	node.UID, node.GID, node.ModTime = c.UID, c.GID, m.build.Time()
	dir, err := m.build.NewDir("cache")
	if err != nil {
		return "", err
	}
	name, err := write(ctx, m.build, dir, node)
	m.caches[id] = name
	return name, err
}

// secret makes a secret a file or a variable. It is in no key.
func (m *mounting) secret(ctx context.Context, x *build.Exec, s mount) error {
	get, ok := m.input.Secrets[s.ID]
	if !ok {
		if s.Required {
			return hint.New(fmt.Sprintf("there is no secret %q", s.ID), "give it with --secret id=%s,src=FILE", s.ID)
		}
		return nil
	}
	value, err := get()
	if err != nil {
		return fmt.Errorf("secret %q: %w", s.ID, err)
	}
	if s.Env != "" {
		x.Env = slices.DeleteFunc(x.Env, func(kv string) bool { return strings.HasPrefix(kv, s.Env+"=") })
		x.Env = append(x.Env, s.Env+"="+string(value))
	}
	if s.Target == "" {
		return nil
	}
	name, err := m.copied(ctx, &tree.Node{
		Mode: tree.TypeRegular | s.Mode, UID: s.UID, GID: s.GID, ModTime: m.build.Time(), Content: tree.Bytes(value),
	})
	if err == nil {
		x.Mounts = append(x.Mounts, build.Mount{Source: name, Target: path.Clean(s.Target), ReadOnly: true})
	}
	return err
}

// end removes what the mounts were made of.
func (m *mounting) end(err error) error {
	for _, dir := range m.dirs {
		err = errors.Join(err, output.RemoveIn(dir, content))
	}
	return err
}
