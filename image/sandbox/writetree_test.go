package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/image/tree"
)

func dir(mode uint32, entries map[string]*tree.Node) *tree.Node {
	return &tree.Node{Mode: tree.TypeDir | mode, Entries: entries, ModTime: 1000}
}

func regular(mode uint32, content string) *tree.Node {
	return &tree.Node{Mode: tree.TypeRegular | mode, Content: tree.Bytes(content), ModTime: 2000}
}

func sample() *tree.Node {
	sh := regular(0o4755, "program")
	sh.Xattrs = []tree.Xattr{{Name: "user.x", Value: []byte("v")}}
	return dir(0o555, map[string]*tree.Node{
		"bin":    dir(0o500, map[string]*tree.Node{"sh": sh, "bash": sh}),
		"secret": dir(0, map[string]*tree.Node{"file": regular(0, "s")}),
		"empty":  {Mode: tree.TypeRegular | 0o600, ModTime: 3000},
		"link":   {Mode: tree.TypeSymlink | 0o777, Target: "/etc/passwd", ModTime: 4000},
		"pipe":   {Mode: tree.TypeFIFO | 0o622, ModTime: 5000},
		"sock":   {Mode: tree.TypeSocket | 0o755, ModTime: 6000},
		"null":   {Mode: tree.TypeChar | 0o666, Rdev: unix.Mkdev(1, 3), ModTime: 7000},
		"old":    {Mode: tree.TypeRegular | 0o644, ModTime: -1},
		"names":  dir(0o755, map[string]*tree.Node{"\xff\n-x ": regular(0o644, ""), strings.Repeat("n", 255): regular(0o644, "")}),
	})
}

// describe lists a tree in a comparable form.
func describe(t *testing.T, n *tree.Node) string {
	var lines []string
	first := map[*tree.Node]string{}
	var walk func(path string, n *tree.Node)
	walk = func(path string, n *tree.Node) {
		line := fmt.Sprintf("%q %o %d %v", path, n.Mode, n.ModTime, n.Xattrs)
		switch n.Mode & tree.TypeMask {
		case tree.TypeSymlink:
			line = fmt.Sprintf("%q %s %d", path, n.Target, n.ModTime)
		case tree.TypeRegular:
			if n.Content != nil && n.Content.Size() > 0 {
				line += " " + text(t, n)
			}
			if first[n] != "" {
				line += " = " + first[n]
			}
			first[n] = path
		case tree.TypeChar:
			line += fmt.Sprintf(" %d", n.Rdev)
		}
		lines = append(lines, line)
		for _, name := range slices.Sorted(maps.Keys(n.Entries)) {
			walk(path+"/"+name, n.Entries[name])
		}
	}
	walk("", n)
	return strings.Join(lines, "\n")
}

func TestWriteTreeRoundTrip(t *testing.T) {
	for name, as := range map[string]func(t *testing.T, dir string, fn func()){
		"user":  asUser,
		"as is": func(_ *testing.T, _ string, fn func()) { fn() },
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			as(t, path, func() {
				root := sample()
				report, err := WriteTree(t.Context(), root, openDir(t, path), WriteOptions{})
				must(t, err)
				if report != (Report{Devices: 1, SetIDs: 1}) {
					t.Errorf("report %+v", report)
				}
				delete(root.Entries, "null")
				find(t, root, "bin/sh").Mode &^= setIDs
				got := mustReadLocked(t, path)
				if g, w := describe(t, got), describe(t, root); g != w {
					t.Errorf("read back:\n%s\nwritten:\n%s", g, w)
				}
				must(t, os.Chmod(path, 0o755))
				must(t, os.Chmod(path+"/bin", 0o755))
				must(t, os.Chmod(path+"/secret", 0o755))
			})
		})
	}
}

// mustReadLocked reads a tree that its owner cannot read without Unlock.
func mustReadLocked(t *testing.T, path string) *tree.Node {
	t.Helper()
	return mustRead(t, path, ReadOptions{Unlock: true})
}

func TestWriteTreeAsRoot(t *testing.T) {
	needRoot(t)
	path := t.TempDir()
	root := sample()
	sh := find(t, root, "bin/sh")
	sh.UID, sh.GID = 4000000000, 77
	find(t, root, "link").UID = 55
	sh.Xattrs = append([]tree.Xattr{{Name: capability, Value: []byte("\x01\x00\x00\x02" + strings.Repeat("\x00", 16))}}, sh.Xattrs...)
	report, err := WriteTree(t.Context(), root, openDir(t, path), WriteOptions{Chown: true, Devices: true})
	must(t, err)
	got := mustRead(t, path, ReadOptions{})
	if report != (Report{}) || describe(t, got) != describe(t, root) {
		t.Errorf("report %+v\nread back:\n%s\nwritten:\n%s", report, describe(t, got), describe(t, root))
	}
	back := find(t, got, "bin/sh")
	if back.UID != 4000000000 || back.GID != 77 || find(t, got, "link").UID != 55 {
		t.Errorf("sh belongs to %d:%d", back.UID, back.GID)
	}
}

func TestWriteTreeCountsRefusedAttributes(t *testing.T) {
	path := t.TempDir()
	asUser(t, path, func() {
		f := regular(0o644, "x")
		f.Xattrs = []tree.Xattr{{Name: "trusted.x", Value: []byte("t")}, {Name: capability, Value: []byte("bad")}, {Name: "user.ok"}}
		report, err := WriteTree(t.Context(), dir(0o755, map[string]*tree.Node{"f": f}), openDir(t, path), WriteOptions{})
		if err != nil || report.Xattrs != 2 {
			t.Errorf("report %+v, %v", report, err)
		}
	})
}

func TestWriteTreeRefuses(t *testing.T) {
	closed := errors.New("layer is gone")
	for name, c := range map[string]struct {
		root *tree.Node
		text string
	}{
		"dot dot":   {dir(0o755, map[string]*tree.Node{"..": regular(0o644, "x")}), `an entry ".."`},
		"dot":       {dir(0o755, map[string]*tree.Node{".": regular(0o644, "x")}), `an entry "."`},
		"empty":     {dir(0o755, map[string]*tree.Node{"": regular(0o644, "x")}), `an entry ""`},
		"slash":     {dir(0o755, map[string]*tree.Node{"../victim": regular(0o644, "x")}), `an entry "../victim"`},
		"NUL":       {dir(0o755, map[string]*tree.Node{"a\x00b": regular(0o644, "x")}), `an entry "a\x00b"`},
		"long":      {dir(0o755, map[string]*tree.Node{strings.Repeat("n", 256): regular(0o644, "x")}), "name too long"},
		"type":      {dir(0o755, map[string]*tree.Node{"x": {Mode: 0o644}}), "unknown file type 0"},
		"root":      {regular(0o644, "x"), "not a directory"},
		"no opener": {dir(0o755, map[string]*tree.Node{"x": {Mode: tree.TypeRegular, Content: unopenable(3)}}), "cannot be opened"},
		"short":     {dir(0o755, map[string]*tree.Node{"x": {Mode: tree.TypeRegular, Content: liar{3, nil}}}), "0 bytes instead of 3"},
		"broken":    {dir(0o755, map[string]*tree.Node{"x": {Mode: tree.TypeRegular, Content: liar{3, closed}}}), closed.Error()},
		"link":      {dir(0o755, map[string]*tree.Node{"x": {Mode: tree.TypeSymlink}}), "x: no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := WriteTree(t.Context(), c.root, openDir(t, t.TempDir()), WriteOptions{})
			wantError(t, err, c.text, "")
		})
	}
}

// unopenable is content that cannot be opened.
type unopenable int64

func (s unopenable) Size() int64 { return int64(s) }

// liar is content that is not as long as it says, or fails.
type liar struct {
	size int64
	err  error
}

func (l liar) Size() int64                  { return l.size }
func (l liar) Open() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), l.err }

func TestWriteTreeNeedsEmptyDirectory(t *testing.T) {
	path := t.TempDir()
	victim := t.TempDir()
	must(t, os.Symlink(victim, path+"/etc"))
	root := dir(0o755, map[string]*tree.Node{"etc": dir(0o755, map[string]*tree.Node{"passwd": regular(0o644, "x")})})
	_, err := WriteTree(t.Context(), root, openDir(t, path), WriteOptions{})
	wantError(t, err, "it is not empty", "")
	if entries, err := os.ReadDir(victim); err != nil || len(entries) != 0 {
		t.Errorf("the victim has %v, %v", entries, err)
	}
}

// racer is content that turns the directory it is written to into a link.
type racer struct{ swap func() }

func (r racer) Size() int64 { return 1 }
func (r racer) Open() (io.ReadCloser, error) {
	r.swap()
	return io.NopCloser(strings.NewReader("x")), nil
}

func TestWriteTreeRace(t *testing.T) {
	path, victim := t.TempDir(), t.TempDir()
	shared := regular(0o600, "h")
	root := dir(0o755, map[string]*tree.Node{
		"a": dir(0o755, map[string]*tree.Node{
			"0": {Mode: tree.TypeRegular | 0o600, Content: racer{func() {
				must(t, os.Rename(path+"/a", path+"/away"))
				must(t, os.Symlink(victim, path+"/a"))
			}}},
			"1": shared,
		}),
		"b": shared, // a link to a/1, where a leads out by now
	})
	_, err := WriteTree(t.Context(), root, openDir(t, path), WriteOptions{})
	if err == nil {
		t.Error("no error")
	}
	if entries, err := os.ReadDir(victim); err != nil || len(entries) != 0 {
		t.Errorf("the victim has %v, %v", entries, err)
	}
}

func TestWriteTreeHoles(t *testing.T) {
	path := t.TempDir()
	const size = 8 << 20
	content := make([]byte, size)
	copy(content[3<<20:], "island")
	root := dir(0o755, map[string]*tree.Node{"sparse": {Mode: tree.TypeRegular | 0o644, Content: tree.Bytes(content)}})
	_, err := WriteTree(t.Context(), root, openDir(t, path), WriteOptions{})
	must(t, err)
	b, err := os.ReadFile(path + "/sparse")
	must(t, err)
	var st unix.Stat_t
	must(t, unix.Stat(path+"/sparse", &st))
	if !bytes.Equal(b, content) || st.Blocks*512 >= size/2 {
		t.Errorf("%d bytes on %d blocks", len(b), st.Blocks)
	}
}

func TestWriteTreeStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	root := dir(0o755, map[string]*tree.Node{
		"0": {Mode: tree.TypeRegular | 0o600, Content: racer{cancel}},
		"1": regular(0o644, "x"),
	})
	_, err := WriteTree(ctx, root, openDir(t, t.TempDir()), WriteOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestWriteTreeFull(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		path := t.TempDir()
		must(t, unix.Mount("tmpfs", path, "tmpfs", 0, "size=64k"))
		defer unix.Unmount(path, unix.MNT_DETACH)
		root := dir(0o755, map[string]*tree.Node{"big": regular(0o644, strings.Repeat("x", 1<<20))})
		_, err := WriteTree(t.Context(), root, openDir(t, path), WriteOptions{})
		wantError(t, err, "write directory "+path+": write big: ", "")
		if !errors.Is(err, unix.ENOSPC) {
			t.Error("the cause is lost")
		}
	})
}
