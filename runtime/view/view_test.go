package view

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"
	"testing"
	"testing/fstest"
)

func dir() *fstest.MapFile { return &fstest.MapFile{Mode: fs.ModeDir | 0o755} }
func link(to string) *fstest.MapFile {
	return &fstest.MapFile{Mode: fs.ModeSymlink | 0o777, Data: []byte(to)}
}

// newView is an image and a host with links in all directions, and mounts.
func newView() *View {
	img := fstest.MapFS{
		"bin": link("usr/bin"), "usr/bin/sh": {Mode: 0o755}, "etc/passwd": {}, "abs": link("/usr/bin/sh"),
		"up": link("../../../etc/passwd"), "gone": link("/no/where"), "a": link("b"), "b": link("a"), "tmp": dir(), "home": dir(),
		"out": link("/home/u/in"), "etc/sub/x": {}, "self": link("."),
	}
	host := fstest.MapFS{
		"data/u/file": {}, "data/u/in": link("/etc"), "data/u/sub": dir(), "data/u/back": link("../.."),
	}
	v := New(img, host)
	v.Add(Mount{Target: "/home/u", From: Host, Source: "/data/u", Dir: true})
	v.Add(Mount{Target: "/tmp", From: Memory, Dir: true, Grow: true})
	v.Add(Mount{Target: "/etc/sub", From: Kernel, Dir: true})
	v.Add(Mount{Target: "/file", From: Host, Source: "/data/u/file"})
	v.Make("/made/dir/file", 0o644)
	v.Link("/made/link", "/etc/passwd")
	v.Link("/made/covered", "/etc/passwd")
	v.Add(Mount{Target: "/made/covered", From: Memory, Dir: true, Grow: true})
	return v
}

func TestResolve(t *testing.T) {
	v := newView()
	for _, c := range []struct {
		path, want string
		found      bool
	}{
		{"/", "/", true}, {"", "/", true}, {"//.//", "/", true}, {"/..", "/", true}, {"/bin/sh", "/usr/bin/sh", true},
		{"/bin/../etc/passwd", "/usr/etc/passwd", false}, {"/abs", "/usr/bin/sh", true}, {"/up", "/etc/passwd", true},
		{"/gone", "/no/where", false}, {"/gone/..", "/no", false}, {"/gone/../../etc", "/etc", true}, {"/gone/deeper", "/no/where/deeper", false}, {"/self/self/bin", "/usr/bin", true},
		{"/home/u", "/home/u", true}, {"/home/u/file", "/home/u/file", true}, {"/home/u/none", "/home/u/none", false},
		{"/home/u/in/passwd", "/etc/passwd", true}, {"/home/u/back/tmp", "/tmp", true}, {"/out/passwd", "/etc/passwd", true},
		{"/tmp", "/tmp", true}, {"/tmp/x", "/tmp/x", false}, {"/etc/sub", "/etc/sub", true}, {"/etc/sub/x", "/etc/sub/x", false},
		{"/made", "/made", true}, {"/made/link", "/etc/passwd", true}, {"/made/covered/x", "/made/covered/x", false}, {"/made/dir", "/made/dir", true}, {"/made/dir/file", "/made/dir/file", true}, {"/file", "/file", true},
	} {
		at, err := v.Resolve(c.path)
		if err != nil || at.Path != c.want || at.Found != c.found {
			t.Errorf("%s leads to %s, %v, %v; want %s, %v", c.path, at.Path, at.Found, err, c.want, c.found)
		}
	}
}

func TestResolveFails(t *testing.T) {
	v := newView()
	if _, err := v.Resolve("/a"); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("loop: %v", err)
	}
	for _, p := range []string{"/etc/passwd/x", "/usr/bin/sh/..", "/made/dir/file/x", "/file/x"} {
		if at, err := v.Resolve(p); err == nil {
			t.Errorf("%s leads to %+v", p, at)
		}
	}
}

func TestStat(t *testing.T) {
	v := newView()
	if mode, found := v.Stat("/bin"); !found || !mode.IsDir() {
		t.Error("/bin", mode, found)
	}
	for p, want := range map[string]bool{"/bin/sh": true, "/bin": false, "/none": false, "/a": false, "/home/u/file": true} {
		if v.IsFile(p) != want {
			t.Errorf("IsFile(%s) = %v", p, !want)
		}
	}
}

func TestNames(t *testing.T) {
	v := newView()
	v.Make("/home/u/sub/made", 0o644)
	for p, want := range map[string][]string{
		"/usr/bin": {"sh"}, "/bin": {"sh"}, "/home/u": {"back", "file", "in", "sub"}, "/home/u/sub": {"made"},
		"/made/dir": {"file"}, "/tmp": nil, "/none": nil, "/etc/sub": nil, "/etc/passwd": nil, "/etc/passwd/x": nil,
	} {
		got, err := v.Names(p)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Names(%s) = %q, %v; want %q", p, got, err, want)
		}
	}
	if _, err := v.Names("/a"); err == nil {
		t.Error("a loop has names")
	}
}

func TestLaterMountsHide(t *testing.T) {
	v := newView()
	v.Make("/tmp/old", 0o644)
	v.Add(Mount{Target: "/tmp", From: Host, Source: "/data", Dir: true})
	for p, want := range map[string]bool{"/tmp/old": false, "/tmp/u/file": true} {
		if at, err := v.Resolve(p); err != nil || at.Found != want {
			t.Errorf("%s: %+v, %v", p, at, err)
		}
	}
	v.Add(Mount{Target: "/home", From: Memory, Dir: true})
	if at, err := v.Resolve("/home/u/file"); err != nil || at.Found {
		t.Errorf("a hidden mount shows: %+v, %v", at, err)
	}
	if m := v.Governing("/home/u"); m.From != Memory {
		t.Errorf("governed by %+v", m)
	}
}

func TestOriginal(t *testing.T) {
	v := newView()
	for p, want := range map[string]bool{"/etc/passwd": true, "/none": true, "/made/dir/file": false, "/home/u/file": false, "/tmp/x": false} {
		if v.Original(p) != want {
			t.Errorf("Original(%s) = %v", p, !want)
		}
	}
}

func TestLstatImage(t *testing.T) {
	v := newView()
	for range 2 { // the second time from memory
		if mode, found, err := v.LstatImage("/etc/sub/x"); err != nil || !found || !mode.IsRegular() {
			t.Error(mode, found, err)
		}
	}
	if _, found, err := New(nil, fstest.MapFS{}).LstatImage("/etc"); found || err != nil {
		t.Error("an empty root has files", err)
	}
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		p, dir string
		want   bool
	}{{"/a", "/a", true}, {"/a/b", "/a", true}, {"/ab", "/a", false}, {"/a", "/", true}, {"/", "/a", false}, {"/", "/", true}} {
		if Within(c.p, c.dir) != c.want {
			t.Errorf("Within(%s, %s) = %v", c.p, c.dir, !c.want)
		}
	}
}

func TestSourcePath(t *testing.T) {
	for _, c := range []struct{ target, source, p, want string }{
		{"/home/u", "/data/u", "/home/u/x", "/data/u/x"}, {"/m", "/", "/m/x", "/x"}, {"/m", "/data", "/m", "/data"},
	} {
		if got := (Mount{Target: c.target, Source: c.source}).SourcePath(c.p); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// broken is a file system that cannot be read.
type broken struct{ fstest.MapFS }

func (broken) Lstat(string) (fs.FileInfo, error)     { return nil, syscall.EIO }
func (broken) ReadDir(string) ([]fs.DirEntry, error) { return nil, syscall.EIO }
func (broken) Stat(string) (fs.FileInfo, error)      { return nil, syscall.EIO }

func TestDamagedImage(t *testing.T) {
	v := New(broken{}, fstest.MapFS{})
	if _, err := v.Resolve("/etc"); !errors.Is(err, syscall.EIO) {
		t.Errorf("Resolve: %v", err)
	}
	if _, err := v.Names("/"); !errors.Is(err, syscall.EIO) {
		t.Errorf("Names: %v", err)
	}
}

// TestVolume looks into what is mounted of another image, and not into what nobody
// can look into.
func TestVolume(t *testing.T) {
	files := fstest.MapFS{
		"in":      {Mode: fs.ModeDir | 0o755},
		"in/file": {Data: []byte("x"), Mode: 0o644},
		"in/link": {Data: []byte("file"), Mode: fs.ModeSymlink | 0o777},
	}
	v := New(nil, fstest.MapFS{"host": {Mode: 0o644}})
	v.Add(Mount{Target: "/v", From: Volume, Source: "/in", Dir: true, Files: files})
	v.Add(Mount{Target: "/dark", From: Volume, Source: "/", Dir: true})
	for p, want := range map[string]string{"/v": "/v", "/v/file": "/v/file", "/v/link": "/v/file", "/v/gone": "", "/dark/x": "", "/dark": "/dark"} {
		at, err := v.Resolve(p)
		if err != nil || at.Found != (want != "") || at.Found && at.Path != want {
			t.Errorf("%s leads to %+v, %v", p, at, err)
		}
	}
	if names, err := v.Names("/v"); err != nil || !slices.Equal(names, []string{"file", "link"}) {
		t.Errorf("names %v, %v", names, err)
	}
}

// TestResolveAgain: what was found of a directory holds until something is mounted or
// made there, and not for other ways to write its path.
func TestResolveAgain(t *testing.T) {
	v := newView()
	at := func(p, want string, found bool) {
		t.Helper()
		if got, err := v.Resolve(p); err != nil || got.Path != want || got.Found != found {
			t.Errorf("%s: %+v, %v", p, got, err)
		}
	}
	for range 2 {
		at("/home/u/sub", "/home/u/sub", true)
		at("/home/u/sub/..", "/home/u", true)
		at("/home/u/sub/./x", "/home/u/sub/x", false)
		at("/home/u/sub/", "/home/u/sub", true)
		at("/bin/sh", "/usr/bin/sh", true)
		at("/bin", "/usr/bin", true)
	}
	v.Add(Mount{Target: "/home", From: Memory, Dir: true, Grow: true})
	at("/home/u/sub", "/home/u/sub", false)
	v.Make("/home/u/sub", fs.ModeDir|0o755)
	at("/home/u/sub/y", "/home/u/sub/y", false)
	at("/home/u/sub", "/home/u/sub", true)
	v.Link("/home/u/sub", "/etc")
	at("/home/u/sub/passwd", "/etc/passwd", true)
}
