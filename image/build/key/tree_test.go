package key

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/tree"
)

// sample is a tree with a node of each type, made anew by every call.
func sample() *tree.Node {
	root := tree.NewDir(0o755)
	root.Entries["a"] = &tree.Node{Mode: tree.TypeRegular | 0o644, Content: tree.Bytes("content"), ModTime: 7}
	root.Entries["b"] = &tree.Node{Mode: tree.TypeRegular | 0o644, Content: tree.Bytes("content"), ModTime: 7}
	root.Entries["empty"] = &tree.Node{Mode: tree.TypeRegular | 0o600}
	root.Entries["link"] = &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "a"}
	root.Entries["null"] = &tree.Node{Mode: tree.TypeChar | 0o666, Rdev: unix.Mkdev(1, 3)}
	dir := tree.NewDir(0o700)
	dir.Entries["x"] = &tree.Node{Mode: tree.TypeRegular | 0o755, Content: tree.Bytes("x"), Xattrs: []tree.Xattr{
		{Name: "user.a", Value: []byte("1")}, {Name: "user.b", Value: []byte("2")},
	}}
	root.Entries["dir"] = dir
	return root
}

func digest(t *testing.T, n *tree.Node, o TreeOptions) Digest {
	t.Helper()
	d, err := Tree(context.Background(), n, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTreeIsStable(t *testing.T) {
	const want = "ec050d397f8019c8f4cec14156583c2c6b78eacccf718f54e7380fb4f1f1acfc"
	for workers := range 4 {
		if got := digest(t, sample(), TreeOptions{Workers: workers}).String(); got != want {
			t.Errorf("with %d workers the digest is %s, was %s", workers, got, want)
		}
	}
}

// Each change of what an image would hold changes the digest.
func TestTreeChanges(t *testing.T) {
	changes := map[string]func(root *tree.Node){
		"nothing":           func(*tree.Node) {},
		"mode of the root":  func(n *tree.Node) { n.Mode = tree.TypeDir | 0o750 },
		"content":           func(n *tree.Node) { n.Entries["a"].Content = tree.Bytes("Content") },
		"length":            func(n *tree.Node) { n.Entries["a"].Content = tree.Bytes("content\x00") },
		"mode":              func(n *tree.Node) { n.Entries["a"].Mode |= 0o4000 },
		"user":              func(n *tree.Node) { n.Entries["a"].UID = 1 },
		"group":             func(n *tree.Node) { n.Entries["a"].GID = 1 },
		"type":              func(n *tree.Node) { n.Entries["empty"].Mode = tree.TypeFIFO | 0o600 },
		"target":            func(n *tree.Node) { n.Entries["link"].Target = "b" },
		"device":            func(n *tree.Node) { n.Entries["null"].Rdev++ },
		"name":              func(n *tree.Node) { rename(n, "a", "aa") },
		"moved":             func(n *tree.Node) { n.Entries["dir"].Entries["a"] = n.Entries["a"]; delete(n.Entries, "a") },
		"removed":           func(n *tree.Node) { delete(n.Entries, "empty") },
		"removed directory": func(n *tree.Node) { delete(n.Entries, "dir") },
		"opaque":            func(n *tree.Node) { n.Entries["dir"].Opaque = true },
		"hard link":         func(n *tree.Node) { n.Entries["b"] = n.Entries["a"] },
		"other hard link":   func(n *tree.Node) { n.Entries["c"] = n.Entries["a"] },
		"another one":       func(n *tree.Node) { n.Entries["c"] = n.Entries["b"] },
		"a copy":            func(n *tree.Node) { c := *n.Entries["b"]; n.Entries["c"] = &c },
		"attribute":         func(n *tree.Node) { n.Entries["dir"].Entries["x"].Xattrs[0].Value[0] = '3' },
		"attribute's name":  func(n *tree.Node) { n.Entries["dir"].Entries["x"].Xattrs[0].Name = "user.aa" },
		"no attributes":     func(n *tree.Node) { n.Entries["dir"].Entries["x"].Xattrs = nil },
	}
	seen := map[Digest]string{}
	for name, change := range changes {
		root := sample()
		change(root)
		d := digest(t, root, TreeOptions{})
		if other := seen[d]; other != "" {
			t.Errorf("%q and %q have one digest", name, other)
		}
		seen[d] = name
	}
}

func rename(n *tree.Node, from, to string) {
	n.Entries[to] = n.Entries[from]
	delete(n.Entries, from)
}

// What does not count: times unless asked, and the order of attributes.
func TestTreeIgnores(t *testing.T) {
	plain, timed := digest(t, sample(), TreeOptions{}), digest(t, sample(), TreeOptions{Times: true})
	if plain == timed {
		t.Error("digests with and without times are equal")
	}
	root := sample()
	root.Entries["a"].ModTime++
	if digest(t, root, TreeOptions{}) != plain {
		t.Error("a time counts")
	}
	if digest(t, root, TreeOptions{Times: true}) == timed {
		t.Error("a time does not count when it should")
	}
	root = sample()
	x := root.Entries["dir"].Entries["x"].Xattrs
	x[0], x[1] = x[1], x[0]
	if digest(t, root, TreeOptions{}) != plain {
		t.Error("the order of attributes counts")
	}
	if x[0].Name != "user.b" {
		t.Error("the tree was changed")
	}
}

// fake is content that is not what it was.
type fake struct {
	size int64
	open func() (io.ReadCloser, error)
}

func (f fake) Size() int64                  { return f.size }
func (f fake) Open() (io.ReadCloser, error) { return f.open() }

// unreadable has a size only.
type unreadable struct{}

func (unreadable) Size() int64 { return 1 }

func TestTreeFails(t *testing.T) {
	opens := func(text string) func() (io.ReadCloser, error) {
		return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	}
	for name, c := range map[string]struct {
		content tree.Content
		want    string
	}{
		"shrunk":     {fake{3, opens("ab")}, "digest d/x: it has 2 bytes now, not 3"},
		"grown":      {fake{1, opens("ab")}, "digest d/x: it has 2 bytes now, not 1"},
		"gone":       {fake{1, func() (io.ReadCloser, error) { return nil, fs.ErrNotExist }}, "digest d/x: file does not exist"},
		"unreadable": {unreadable{}, "digest d/x: its content cannot be read"},
	} {
		root := tree.NewDir(0o755)
		root.Entries["d"] = tree.NewDir(0o755)
		root.Entries["d"].Entries["x"] = &tree.Node{Mode: tree.TypeRegular, Content: c.content}
		for _, other := range []string{"a", "e", "f"} {
			root.Entries[other] = &tree.Node{Mode: tree.TypeRegular, Content: tree.Bytes("fine")}
		}
		for workers := range 4 {
			_, err := Tree(context.Background(), root, TreeOptions{Workers: workers})
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
		}
	}
}

// A digest ends with its context, in the midst of a file too.
func TestTreeIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	endless := fake{1 << 40, func() (io.ReadCloser, error) { return io.NopCloser(cancelling{cancel}), nil }}
	root := tree.NewDir(0o755)
	root.Entries["x"] = &tree.Node{Mode: tree.TypeRegular, Content: endless}
	if _, err := Tree(ctx, root, TreeOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("in a file: %v", err)
	}
	if _, err := Tree(ctx, sample(), TreeOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("before a file: %v", err)
	}
}

// cancelling has no end but the one that it causes.
type cancelling struct{ cancel func() }

func (c cancelling) Read(p []byte) (int, error) {
	c.cancel()
	return len(p), nil
}

// A directory of the host has one digest, however it came about, and another
// once a byte in it changes.
func TestTreeOfTheHost(t *testing.T) {
	make := func(last byte) Digest {
		dir := t.TempDir()
		big := append(bytes.Repeat([]byte("0123456789"), 100_000), last)
		if err := errors.Join(
			os.Chmod(dir, 0o755),
			os.WriteFile(dir+"/big", big, 0o644),
			os.Mkdir(dir+"/sub", 0o755),
			os.Link(dir+"/big", dir+"/sub/link"),
			os.Symlink("../big", dir+"/sub/symlink"),
		); err != nil {
			t.Fatal(err)
		}
		d, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		root, err := sandbox.ReadTree(context.Background(), d, sandbox.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return digest(t, root, TreeOptions{})
	}
	a, again, b := make('a'), make('a'), make('b')
	if a != again {
		t.Error("equal directories have different digests")
	}
	if a == b {
		t.Error("different directories have one digest")
	}
}

// Files are read at the same time, as many as asked for, and each once however
// many names it has.
func TestTreeReadsAtOnce(t *testing.T) {
	var opened atomic.Int32
	var together sync.WaitGroup
	together.Add(2)
	meets := fake{1, func() (io.ReadCloser, error) {
		opened.Add(1)
		together.Done()
		together.Wait() // for the other to be opened
		return io.NopCloser(strings.NewReader("x")), nil
	}}
	root := tree.NewDir(0o755)
	for _, name := range []string{"a", "b"} {
		root.Entries[name] = &tree.Node{Mode: tree.TypeRegular, Content: meets}
		root.Entries[name+" again"] = root.Entries[name]
	}
	digest(t, root, TreeOptions{Workers: 2})
	if n := opened.Load(); n != 2 {
		t.Errorf("two files were opened %d times", n)
	}
}
