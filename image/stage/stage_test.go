package stage

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/tree"
)

// place is a directory for stages, which counts the layers packed there.
type place struct {
	Setting
	dir    string
	packed []string
}

func newPlace(t *testing.T) *place {
	p := &place{dir: t.TempDir()}
	n := 0
	name := func(kind string) string {
		n++
		return filepath.Join(p.dir, string(rune('a'+n))+kind)
	}
	p.Setting = Setting{
		Latest: -1, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Explain: func(err error) error { return err },
		File: func(kind string) (*os.File, error) {
			f, err := os.Create(name(kind))
			if err == nil {
				p.packed = append(p.packed, f.Name())
				t.Cleanup(func() { f.Close() })
			}
			return f, err
		},
		Dir: func(kind string) (*os.File, error) {
			path := name(kind)
			if err := os.Mkdir(path, 0o755); err != nil {
				return nil, err
			}
			f, err := os.Open(path)
			t.Cleanup(func() { f.Close() })
			return f, err
		},
	}
	return p
}

// put is an edit that makes a file.
func put(name, text string) Edit {
	return func(root *tree.Node) error {
		return root.Insert(name, &tree.Node{Mode: tree.TypeRegular | 0o644, UID: 3, Content: tree.Bytes(text)})
	}
}

// text reads a file of the tree that a stage makes of itself.
func text(t *testing.T, s *Stage, name string) string {
	t.Helper()
	root, err := s.Settle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n, err := root.Lookup(name)
	if err != nil {
		return err.Error()
	}
	r, err := n.Content.(tree.Opener).Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func mount(t *testing.T, s *Stage) *Root {
	t.Helper()
	r, err := s.Mount(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// base is a packed stage with a file of incompressible bytes.
func base(t *testing.T, p *place) Packed {
	t.Helper()
	s := New(&p.Setting, Scratch{})
	s.Edit(put("usr/lib/big", random(1<<20)))
	s.Edit(put("etc/motd", "hello"))
	packed, err := s.Pack(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func random(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestScriptsCostWhatChanged: what is packed already is not packed again for a
// script.
func TestScriptsCostWhatChanged(t *testing.T) {
	p := newPlace(t)
	packed := base(t, p)
	p.packed = nil

	s := New(&p.Setting, packed)
	if r := mount(t, s); len(r.Layers()) != 1 || r.Layers()[0] != packed.Reader || len(p.packed) != 0 {
		t.Fatalf("nothing was changed, and %d layers were packed", len(p.packed))
	}
	s.Edit(put("etc/motd", "changed"))
	first := mount(t, s)
	if len(first.Layers()) != 2 || first.Layers()[1] != packed.Reader || len(p.packed) != 1 || size(t, p.packed[0]) > 64<<10 {
		t.Fatalf("%d layers, %q packed", len(first.Layers()), p.packed)
	}
	if mount(t, s) != first {
		t.Error("a second script has another root")
	}
	for name, want := range map[string]string{"etc/motd": "changed", "usr/lib/big": random(1 << 20)} {
		if b, err := first.View.ReadFile(name); err != nil || string(b) != want {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}

	// A script writes and removes; then come an edit and another script.
	if err := errors.Join(os.WriteFile(first.Upper.Name()+"/made", []byte("by the script"), 0o600),
		os.WriteFile(first.Upper.Name()+"/private", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	first.Private = []string{"private"}
	s.Edit(put("later", "edit"))
	second := mount(t, s)
	if second == first || len(second.Layers()) != 3 || size(t, p.packed[1]) > 64<<10 {
		t.Errorf("%d layers, %q packed", len(second.Layers()), p.packed)
	}
	for name, want := range map[string]string{
		"made": "by the script", "later": "edit", "etc/motd": "changed", "private": "lookup private: file does not exist",
	} {
		if got := text(t, s, name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestRemovedStaysRemoved: a name that an edit removes is not in the layers
// below either.
func TestRemovedStaysRemoved(t *testing.T) {
	p := newPlace(t)
	s := New(&p.Setting, base(t, p))
	s.Edit(func(root *tree.Node) error {
		delete(root.Entries, "usr")
		return nil
	})
	r := mount(t, s)
	if _, err := r.View.Stat("usr"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("usr: %v", err)
	}
	top, err := r.Layers()[0].Tree()
	if err != nil {
		t.Fatal(err)
	}
	if n := top.Entries["usr"]; n == nil || n.Type() != tree.TypeChar || n.Rdev != 0 {
		t.Errorf("no whiteout: %+v", n)
	}
}

// TestBlocksAreCopied: the image in the end shares the layers' blocks.
func TestBlocksAreCopied(t *testing.T) {
	p := newPlace(t)
	packed := base(t, p)
	s := New(&p.Setting, packed)
	s.Edit(put("new", "text"))
	mount(t, s)
	whole, err := s.Pack(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	words := func(r *squashfs.Reader) []uint32 {
		root, err := r.Tree()
		if err != nil {
			t.Fatal(err)
		}
		n, err := root.Lookup("usr/lib/big")
		if err != nil {
			t.Fatal(err)
		}
		return n.Content.(*squashfs.File).Inode().Blocks
	}
	if !slices.Equal(words(packed.Reader), words(whole.Reader)) {
		t.Error("a file has other blocks")
	}
}

func TestLatest(t *testing.T) {
	p := newPlace(t)
	p.Latest = 1000
	s := New(&p.Setting, Scratch{})
	s.Edit(func(root *tree.Node) error {
		root.Entries["old"] = &tree.Node{Mode: tree.TypeRegular, ModTime: 5}
		root.Entries["new"] = &tree.Node{Mode: tree.TypeRegular, ModTime: 5000}
		return nil
	})
	root, err := s.Settle(t.Context())
	if err != nil || root.Entries["old"].ModTime != 5 || root.Entries["new"].ModTime != 1000 {
		t.Errorf("%+v, %v", root, err)
	}
}

func TestFailures(t *testing.T) {
	p := newPlace(t)
	boom := errors.New("boom")
	s := New(&p.Setting, Scratch{})
	s.Edit(func(*tree.Node) error { return boom })
	for name, f := range map[string]func() error{
		"mount":  func() error { _, err := s.Mount(t.Context()); return err },
		"pack":   func() error { _, err := s.Pack(t.Context()); return err },
		"settle": func() error { _, err := s.Settle(t.Context()); return err },
		"guess":  func() error { _, err := s.Guess(); return err },
	} {
		if err := f(); !errors.Is(err, boom) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.File = func(string) (*os.File, error) { return nil, boom }
	if _, err := New(&p.Setting, Scratch{}).Pack(t.Context()); !errors.Is(err, boom) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(boom)
	if _, err := New(&newPlace(t).Setting, Scratch{}).Pack(ctx); !errors.Is(err, boom) {
		t.Error(err)
	}
}

// TestRootDirectory: the directory that stands for the root directory has its
// mode and its owner, and the image in the end has them still.
func TestRootDirectory(t *testing.T) {
	for _, uid := range []uint32{0, 1000} {
		p := newPlace(t)
		if p.UID == 0 {
			p.UID = uid
		} else if uid == 0 {
			continue // only real root may give the directory away
		}
		s := New(&p.Setting, Scratch{})
		s.Edit(func(root *tree.Node) error {
			root.Mode, root.UID, root.GID = tree.TypeDir|0o1711, 7, 8
			return nil
		})
		r := mount(t, s)
		if err := os.WriteFile(r.Upper.Name()+"/made", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		root, err := s.Settle(t.Context())
		if err != nil || root.Mode != tree.TypeDir|0o1711 || root.UID != 7 || root.GID != 8 || root.Entries["made"] == nil || len(root.Xattrs) > 0 {
			t.Errorf("uid %d: %+v, %v", uid, root, err)
		}
	}
}

// TestKeepOwners: what cannot carry an attribute keeps the owner of what it
// replaces; for the rest the attribute counts.
func TestKeepOwners(t *testing.T) {
	owned := func(mode, id uint32, entries map[string]*tree.Node) *tree.Node {
		return &tree.Node{Mode: mode, UID: id, GID: id, Entries: entries}
	}
	base := owned(tree.TypeDir, 3, map[string]*tree.Node{
		"link": owned(tree.TypeSymlink, 4, nil), "other": owned(tree.TypeFIFO, 5, nil), "chowned": owned(tree.TypeSymlink, 6, nil),
		"file": owned(tree.TypeRegular, 6, nil),
		"dir":  owned(tree.TypeDir, 7, map[string]*tree.Node{"in": owned(tree.TypeSymlink, 8, nil)}),
	})
	upper := owned(tree.TypeDir, 0, map[string]*tree.Node{
		"link": owned(tree.TypeSymlink, 0, nil), "other": owned(tree.TypeSymlink, 0, nil), "chowned": owned(tree.TypeSymlink, 9, nil),
		"file": owned(tree.TypeRegular, 0, nil), "new": owned(tree.TypeSymlink, 0, nil),
		"dir": owned(tree.TypeDir, 0, map[string]*tree.Node{"in": owned(tree.TypeSymlink, 0, nil), "new": owned(tree.TypeDir, 0, nil)}),
	})
	keepOwners(base, upper)
	for name, want := range map[string]uint32{
		".": 0, "link": 4, "other": 0, "chowned": 9, "file": 0, "new": 0, "dir": 0, "dir/in": 8, "dir/new": 0,
	} {
		if n, err := upper.Lookup(name); err != nil || n.UID != want || n.GID != want {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}
