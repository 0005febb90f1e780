package tree

import (
	"errors"
	"io/fs"
	"testing"
)

func TestFollow(t *testing.T) {
	root := NewDir(0o755)
	end := &Node{Mode: TypeRegular, Content: Bytes("x")}
	for name, n := range map[string]*Node{
		"a/b/file": end, "rel": {Mode: TypeSymlink, Target: "a/b/../b/file"}, "abs": {Mode: TypeSymlink, Target: "/rel"},
		"dir": {Mode: TypeSymlink, Target: "a/b"}, "a/up": {Mode: TypeSymlink, Target: "../../../dir/file"},
		"lost": {Mode: TypeSymlink, Target: "a/none"}, "loop": {Mode: TypeSymlink, Target: "loop"},
	} {
		if err := root.Insert(name, n); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a/b/file", "/rel", "abs", "dir/file", "a/up"} {
		if n, err := root.Follow(name); n != end || err != nil {
			t.Errorf("%s: %v, %v", name, n, err)
		}
	}
	if n, err := root.Follow("dir"); err != nil || n != root.Entries["a"].Entries["b"] {
		t.Errorf("dir: %v, %v", n, err)
	}
	if n, err := root.Follow("."); err != nil || n != root {
		t.Errorf("root: %v, %v", n, err)
	}
	for name, want := range map[string]error{
		"lost": fs.ErrNotExist, "none/x": fs.ErrNotExist, "rel/x": fs.ErrNotExist, "loop": errLoop, "../x": errEscapes,
	} {
		if _, err := root.Follow(name); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

func TestValidPath(t *testing.T) {
	for name, want := range map[string]bool{".": true, "a/\xff": true, "a/..": false, "": false, "/a": false, "a//b": false} {
		if ValidPath(name) != want {
			t.Errorf("%q", name)
		}
	}
}
