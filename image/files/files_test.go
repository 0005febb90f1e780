package files

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sealift/sealift/image/tree"
)

// hostDir makes files in a new directory: a name that ends with a slash is a
// directory, "a -> b" a link.
func hostDir(t *testing.T, names ...string) Host {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		link, target, isLink := strings.Cut(name, " -> ")
		path := filepath.Join(dir, link)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case err != nil:
		case isLink:
			err = os.Symlink(target, path)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o777)
		default:
			err = os.WriteFile(path, []byte(name), 0o777)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return Host{Dir: dir, Time: 42}
}

// root makes a tree of the same notation.
func root(t *testing.T, names ...string) *tree.Node {
	t.Helper()
	r := tree.NewDir(0o755)
	for _, name := range names {
		link, target, isLink := strings.Cut(name, " -> ")
		n := &tree.Node{Mode: tree.TypeRegular | 0o644, Content: tree.Bytes(name)}
		if isLink {
			n = &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: target}
		} else if strings.HasSuffix(name, "/") {
			n = tree.NewDir(0o700)
		}
		if err := r.Insert(link, n); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// list is the inverse of root, without what before has.
func list(t *testing.T, r, before *tree.Node) []string {
	t.Helper()
	var names []string
	for name, n := range r.Walk() {
		if old, err := before.Lookup(name); err == nil && old.Type() == n.Type() && old.Target == n.Target && text(t, old) == text(t, n) {
			continue
		}
		switch n.Type() {
		case tree.TypeDir:
			name += "/"
		case tree.TypeSymlink:
			name += " -> " + n.Target
		case tree.TypeRegular:
			name += "=" + text(t, n)
		}
		names = append(names, name)
	}
	return names
}

func text(t *testing.T, n *tree.Node) string {
	t.Helper()
	if n.Content == nil {
		return ""
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

func sources(copies []Copied) (names []string) {
	for _, c := range copies {
		names = append(names, c.Source)
	}
	return names
}

func TestPatternsOnHostAndInStage(t *testing.T) {
	names := []string{"a.c", "b.c", "c.h", ".hidden", "sub/d.c", "sub/deep/e.c", ".git/f.c", "star*", "q[1]", "[x", "dir -> sub", "a b", "loop -> ."}
	host, stage := hostDir(t, names...), Stage{root(t, names...)}
	for _, c := range []struct{ pattern, want string }{
		{"a.c", "a.c"},
		{"*.c", "a.c b.c"},
		{"?.[ch]", "a.c b.c c.h"},
		{"[!a].c", "b.c"},
		{"@(a|c).*", "a.c c.h"},
		{"+(x)", ""},
		{"*/d.c", "dir/d.c sub/d.c"},
		{"sub/**/*.c", "sub/d.c sub/deep/e.c"},
		{"**/e.c", "sub/deep/e.c"},
		{".h*", ".hidden"},
		{`star\*`, "star*"},
		{`a\ b`, "a b"},
		{"sub//d.c", "sub/d.c"},
		{"nothing", ""},
		{"{b,a}.c", "b.c a.c"},
		{"{a,sub/{d,deep/e}}.c", "a.c sub/d.c sub/deep/e.c"},
		{"{,sub/}d.c", "sub/d.c"},
		{"{*.c,a.*}", "a.c b.c"},
		{`\{a,b\}.c`, ""},
		{"{a.c}", ""},
		{"{}", ""},
		{"q[1]", "q[1]"},
		{"[x", "[x"},
		{"a.c/x", ""},
		{"a.c/*", ""},
		{"no/*", ""},
	} {
		for _, load := range []func(string) ([]Copied, error){host.Load, stage.Load} {
			copies, err := load(c.pattern)
			got := strings.ReplaceAll(strings.Join(sources(copies), " "), "/", "|")
			want := strings.ReplaceAll(c.want, "/", "|")
			if strings.HasPrefix(got, "|") { // a stage's names are absolute
				got = strings.TrimPrefix(strings.ReplaceAll(got, " |", " "), "|")
			}
			if got != want || (c.want == "") != errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %q, %v; want %q", c.pattern, got, err, want)
			}
		}
	}
	for _, bad := range []string{"[a", "!(a)", "@(a"} {
		if copies, err := host.Load(bad); err == nil {
			t.Errorf("%s: %q", bad, sources(copies))
		}
	}
}

func TestHostFollowsAllLinks(t *testing.T) {
	h := hostDir(t, "dir/file", "dir/link -> ../other", "other", "top -> dir", "dir/sub/")
	if err := os.Chmod(filepath.Join(h.Dir, "other"), 0o777|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	copies, err := h.Load("top")
	if err != nil {
		t.Fatal(err)
	}
	n := copies[0].Node
	if got := list(t, n, tree.NewDir(0)); !slices.Equal(got, []string{"file=dir/file", "link=other", "sub/"}) {
		t.Errorf("%q", got)
	}
	link := n.Entries["link"]
	if link.Mode != tree.TypeRegular|0o755 || link.UID != 0 || link.ModTime != 42 || n.Mode != tree.TypeDir|0o755 {
		t.Errorf("%+v in %+v", link, n)
	}
}

func TestHostReportsWhatCannotBeRead(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	h := hostDir(t, "d/a")
	if err := os.Chmod(h.Dir+"/d/a", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Load("d"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v", err)
	}
}

func TestHostSkips(t *testing.T) {
	h := hostDir(t, "d/a", "d/own/x", "d/out", "own2/x")
	h.Skip = []string{h.Dir + "/d/own", h.Dir + "/d/out", h.Dir + "/own2", h.Dir + "/gone"}
	copies, err := h.Load("*")
	if err != nil {
		t.Fatal(err)
	}
	if len(copies) != 1 || !slices.Equal(copies[0].Node.Names(), []string{"a"}) {
		t.Errorf("%+v", copies)
	}
}

func TestHostParents(t *testing.T) {
	h := hostDir(t, "below/x", "beside")
	h.Dir = filepath.Join(h.Dir, "below")
	copies, err := h.Load("../bes*")
	if err != nil || len(copies) != 1 {
		t.Fatal(copies, err)
	}
	r := root(t)
	if err := Place(r, copies, "", 50); err != nil {
		t.Fatal(err)
	}
	if got := list(t, r, root(t)); !slices.Equal(got, []string{"beside=beside"}) {
		t.Errorf("%q", got)
	}
}

func TestHostRefuses(t *testing.T) {
	h := hostDir(t, "loop/a -> ../loop", "lost -> nothing", "pipe/")
	if err := syscall.Mkfifo(filepath.Join(h.Dir, "pipe", "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]string{
		"loop":      "leads back to a directory above it",
		"lost":      "no such file",
		"/dev/null": "/dev/null is neither file, directory nor FIFO",
	} {
		if _, err := h.Load(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v; want %s", pattern, err, want)
		}
	}
	copies, err := h.Load("pipe")
	if err != nil || copies[0].Node.Entries["fifo"].Type() != tree.TypeFIFO {
		t.Errorf("FIFO: %v, %v", copies, err)
	}
}

func TestHostFileThatChangesItsType(t *testing.T) {
	h := hostDir(t, "file")
	copies, err := h.Load("file")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(h.Dir, "file")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := copies[0].Node.Content.(tree.Opener).Open(); err == nil || !strings.Contains(err.Error(), "changed while the image was built") {
		t.Errorf("error %v", err)
	}
}

func TestStageFollowsOnlyTopLinks(t *testing.T) {
	s := Stage{root(t, "real/file", "real/inner -> file", "top -> real", "out -> ../../../real/file", "host -> /", "lost -> no")}
	copies, err := s.Load("/top")
	if err != nil || !slices.Equal(list(t, copies[0].Node, tree.NewDir(0)), []string{"file=real/file", "inner -> file"}) {
		t.Errorf("%v, %v", copies, err)
	}
	if copies, err = s.Load("../../out"); err != nil || text(t, copies[0].Node) != "real/file" {
		t.Errorf("%v, %v", copies, err)
	}
	if copies, err = s.Load("/host/real/file"); err != nil || text(t, copies[0].Node) != "real/file" {
		t.Errorf("%v, %v", copies, err)
	}
	if copies, err = s.Load("/host"); err != nil || copies[0].Node != s.Root {
		t.Errorf("%v, %v", copies, err)
	}
	if copies, err = s.Load("/host/*/"); err != nil || len(copies) != 3 || !copies[0].Contents {
		t.Errorf("%+v, %v", copies, err)
	}
	if _, err = s.Load("/host/real/file/"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if _, err = s.Load("/lost"); !errors.Is(err, errDangling) {
		t.Errorf("error %v", err)
	}
}

func TestPlace(t *testing.T) {
	base := []string{"etc/passwd", "dir/old", "to -> /dir", "up -> ../../../../dir", "flink -> etc/passwd", "lost -> run/x", "self -> self"}
	h := hostDir(t, "f", "d/old", "d/new", "g")
	for _, c := range []struct {
		source, dest string
		want         []string
	}{
		{"f", "", []string{"f=f"}},
		{"f", "/x/y/z", []string{"x/", "x/y/", "x/y/z=f"}},
		{"f", "x/", []string{"x/", "x/f=f"}},
		{"f", "/x/.", []string{"x/", "x/f=f"}},
		{"f", "/dir", []string{"dir/f=f"}},
		{"f", "/to", []string{"dir/f=f"}},
		{"f", "/to/sub/", []string{"dir/sub/", "dir/sub/f=f"}},
		{"f", "/up/x", []string{"dir/x=f"}},
		{"f", "../../../x", []string{"x=f"}},
		{"f", "/etc/../../../x", []string{"x=f"}},
		{"f", "/flink", []string{"etc/passwd=f"}},
		{"f", "/lost", []string{"run/", "run/x=f"}},
		{"f", "/self", []string{"self=f"}},
		{"f", "/", []string{"f=f"}},
		{"d", "/dir", []string{"dir/d/", "dir/d/new=d/new", "dir/d/old=d/old"}},
		{"d", "/other", []string{"other/", "other/new=d/new", "other/old=d/old"}},
		{"d/*", "/dir", []string{"dir/new=d/new", "dir/old=d/old"}},
		{"d", "", []string{"d/", "d/new=d/new", "d/old=d/old"}},
		{"d/.", "/dir", []string{"dir/new=d/new", "dir/old=d/old"}},
		{"d/./", "/to/", []string{"dir/new=d/new", "dir/old=d/old"}},
		{"d/.", "/x/", []string{"x/", "x/new=d/new", "x/old=d/old"}},
		{"*/.", "/x", []string{"x/", "x/new=d/new", "x/old=d/old"}},
		{"*/", "/x/", []string{"x/", "x/d/", "x/d/new=d/new", "x/d/old=d/old"}},
		{"d/../d", "/dir/", []string{"dir/d/", "dir/d/new=d/new", "dir/d/old=d/old"}},
		{"[fg]", "/x/", []string{"x/", "x/f=f", "x/g=g"}},
	} {
		copies, err := h.Load(c.source)
		if err != nil {
			t.Fatal(err)
		}
		r := root(t, base...)
		before := clone(r, map[*tree.Node]*tree.Node{})
		if err := Place(r, copies, c.dest, 50); err != nil {
			t.Errorf("%s to %q: %v", c.source, c.dest, err)
		}
		if got := list(t, r, before); !slices.Equal(got, c.want) {
			t.Errorf("%s to %q: %q; want %q", c.source, c.dest, got, c.want)
		}
	}
}

func TestPlaceDatesTheDirectoriesItMakes(t *testing.T) {
	r := root(t, "dir/old", "to -> /dir")
	was := r.Entries["dir"].ModTime
	copies, err := hostDir(t, "f").Load("f")
	if err != nil {
		t.Fatal(err)
	}
	if err := Place(r, copies, "/to/a/b/f", 50); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int64{"dir": was, "dir/a": 50, "dir/a/b": 50} {
		if n, err := r.Lookup(name); err != nil || n.ModTime != want || n.Mode&0o777 != 0o755 && name != "dir" {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

// TestCopiesAreNoLinks copies one file twice: neither the two nor the copies of
// another line are links of each other, while links within a copy stay.
func TestCopiesAreNoLinks(t *testing.T) {
	from := Stage{root(t, "d/one")}
	from.Root.Entries["d"].Entries["two"] = from.Root.Entries["d"].Entries["one"]
	to := tree.NewDir(0o755)
	for _, dest := range []string{"/a", "/b"} {
		copies, err := from.Load("/d")
		if err != nil {
			t.Fatal(err)
		}
		if err := Place(to, copies, dest, 50); err != nil {
			t.Fatal(err)
		}
	}
	a, b := to.Entries["a"].Entries, to.Entries["b"].Entries
	if a["one"] != a["two"] || b["one"] != b["two"] {
		t.Error("links within a copy are lost")
	}
	if a["one"] == b["one"] || a["one"] == from.Root.Entries["d"].Entries["one"] {
		t.Error("copies are links of each other")
	}
}

// TestHostFilesGoIntoThoseThatExist does as cp -f: mode, owner and other names
// stay, set-id bits and capabilities go.
func TestHostFilesGoIntoThoseThatExist(t *testing.T) {
	copies, err := hostDir(t, "f").Load("f")
	if err != nil {
		t.Fatal(err)
	}
	old := &tree.Node{
		Mode: tree.TypeRegular | 0o6640, UID: 3, GID: 4, Content: tree.Bytes("old"),
		Xattrs: []tree.Xattr{{Name: "security.capability"}, {Name: "user.a"}},
	}
	r := tree.NewDir(0o755)
	r.Entries["x"], r.Entries["link"] = old, old
	if err := Place(r, copies, "/x", 50); err != nil {
		t.Fatal(err)
	}
	n := r.Entries["x"]
	if n != r.Entries["link"] || text(t, n) != "f" || n.Mode != tree.TypeRegular|0o640 || n.UID != 3 || n.GID != 4 || len(n.Xattrs) != 1 {
		t.Errorf("%+v", n)
	}
	copies[0].InPlace = false
	if err := Place(r, copies, "/x", 50); err != nil {
		t.Fatal(err)
	}
	if n := r.Entries["x"]; n == r.Entries["link"] || n.UID != 0 {
		t.Errorf("%+v", n)
	}
}

func TestPlaceMergesAndKeepsLinks(t *testing.T) {
	from := Stage{root(t, "d/new", "d/link -> new", "d/sub/x")}
	to := root(t, "d/", "d/link -> ../victim", "victim", "d/sub/y")
	copies, err := from.Load("/d")
	if err != nil {
		t.Fatal(err)
	}
	before := clone(to, map[*tree.Node]*tree.Node{})
	if err := Place(to, copies, "", 50); err != nil {
		t.Fatal(err)
	}
	if got := list(t, to, before); !slices.Equal(got, []string{"d/link -> new", "d/new=d/new", "d/sub/x=d/sub/x"}) {
		t.Errorf("%q", got)
	}
	if to.Entries["d"].Mode != tree.TypeDir|0o700 {
		t.Errorf("mode %o", to.Entries["d"].Mode)
	}
	to.Entries["d"].Entries["more"] = tree.NewDir(0)
	to.Entries["d"].Entries["sub"].Entries["more"] = tree.NewDir(0)
	if got := list(t, from.Root, root(t, "d/new", "d/sub/x")); slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "more") }) {
		t.Errorf("the source changed with the copy: %q", got)
	}
}

func TestPlaceRefuses(t *testing.T) {
	h := hostDir(t, "f", "g", "d/x", "e/d")
	for _, c := range []struct{ source, dest, want string }{
		{"[fg]", "/x", "2 files for /x; expected a directory, as in /x/"},
		{"d", "/file", "/file is no directory and cannot be replaced by one"},
		{"e/d", "/", "/d is a directory and cannot be replaced by a file"},
		{"f", "/file/x", "not a directory"},
		{"f", "/" + strings.Repeat("n", 256), "longer than 255"},
	} {
		copies, err := h.Load(c.source)
		if err != nil {
			t.Fatal(err)
		}
		if err := Place(root(t, "file", "d/y"), copies, c.dest, 50); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s to %s: error %v; want %s", c.source, c.dest, err, c.want)
		}
	}
}

func TestBracesAreBounded(t *testing.T) {
	got, err := braces("{a,b}{c,{d,e}}x{1..3}{z")
	if want := []string{"acx{1..3}{z", "adx{1..3}{z", "aex{1..3}{z", "bcx{1..3}{z", "bdx{1..3}{z", "bex{1..3}{z"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	for _, s := range []string{strings.Repeat("{a,b}", 30), "{" + strings.Repeat(",", 5000) + "}"} {
		if got, err := braces(s); err == nil {
			t.Errorf("%d patterns", len(got))
		}
	}
	if got, err := braces(strings.Repeat("{", 1000)); err == nil {
		t.Errorf("%q", got)
	}
	if got, err := braces(strings.Repeat("{", 60)); err != nil || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
}
