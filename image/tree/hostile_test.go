package tree

import (
	"archive/tar"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
)

// TestWhiteoutsInAnyOrderT9 moves the marks of a layer through its entries: they
// are for the layers below, wherever they are.
func TestWhiteoutsInAnyOrderT9(t *testing.T) {
	lower := []ent{file("d/old", "1"), file("d/both", "1"), file("gone", "1")}
	upper := []ent{wh("d/.wh..wh..opq"), file("d/both", "2"), wh(".wh.gone"), file("d/new", "2"), wh("d/.wh.new"), wh("d/.wh..wh.foo"), file("gone", "2")}
	const want = "d/ d/both=2 d/new=2 gone=2"
	for seed := range int64(200) {
		shuffled := slices.Clone(upper)
		r := rand.New(rand.NewSource(seed))
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := paths(mustMerge(t, lower, shuffled)); got != want {
			t.Fatalf("seed %d: got %s, want %s", seed, got, want)
		}
	}
}

// TestLayersDoNotMeetT8 has the second layer make a link of the directory that the
// first one writes a large file to. However the streams run, each file is where it
// would be if one layer came after the other.
func TestLayersDoNotMeetT8(t *testing.T) {
	lower := []ent{file("a/f", strings.Repeat("large ", 50_000)), file("a/g", "1"), dir("b")}
	want := paths(mustMerge(t, []ent{dir("b"), link("a", "b"), file("b/g", "2")}))
	for range 200 {
		got, _, err := Merge(t.Context(), layersOf(t, lower, []ent{link("a", "b"), file("a/g", "2")}), new(storing).store)
		if err != nil || paths(got) != want {
			t.Fatalf("got %s (%v), want %s", paths(got), err, want)
		}
	}
}

// TestLocksOfDirectoriesT13: modes that keep out everybody keep nothing out of the
// tree, and are stored as given, like the bits beside them.
func TestLocksOfDirectoriesT13(t *testing.T) {
	capability := ent{name: "locked/cap", mode: 0o755, pax: xattr("security.capability", "\x01\x00\x00\x02")}
	n := mustMerge(t, []ent{dir("locked").withMode(0), file("locked/f", "x").withMode(0), file("locked/s", "x").withMode(0o6777), capability,
		dir("t").withMode(0o7000), dir("t").withMode(0o7777)}, []ent{file("locked/g", "y").withMode(0o1777)})
	const want = "040755 0 .\n040000 0 locked\n100755 0 locked/cap\n100000 0 locked/f = x\n101777 0 locked/g = y\n106777 0 locked/s = x\n047777 0 t"
	if got := list(n); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if x := n.Entries["locked"].Entries["cap"].Xattrs; len(x) != 1 || x[0].Name != "security.capability" {
		t.Errorf("attributes %v", x)
	}
}

// TestBoundsT14T15T16: what has too much of something is refused, by one line.
func TestBoundsT14T15T16(t *testing.T) {
	keys := map[string]string{}
	for i := range 10_000 {
		keys[fmt.Sprintf("SCHILY.xattr.user.key%d", i)] = "value"
	}
	for name, c := range map[string]struct {
		ent  ent
		want string // part of the error; empty for none
	}{
		"10,000 attributes":      {ent{name: "a", pax: keys}, "extended attributes have"},
		"target of 65,536 bytes": {link("l", strings.Repeat("t", 65_536)), "has 65536 bytes"},
		"path of 4096 bytes":     {file(strings.Repeat("long/", 819)+"f", "1"), ""},
		"200 directories":        {dir(strings.Repeat("d/", 200)), ""},
		"5,000 directories":      {dir(strings.Repeat("d/", 5000)), "nest deeper than 1024"},
	} {
		_, err := mergeOf(t, []ent{c.ent})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 1000) {
			t.Errorf("%s: error %.300v, want %q", name, err, c.want)
		}
	}
}

// TestWaysOutT2T4 goes through every kind of link, made in every way, with every kind
// of entry. What is made is in the tree, or the layer is refused.
func TestWaysOutT2T4(t *testing.T) {
	links := map[string][]ent{
		"up":            {link("l", "../victim")},
		"far up":        {link("l", strings.Repeat("../", 50)+"victim")},
		"absolute":      {link("l", "/victim")},
		"absolute up":   {link("l", "/../victim")},
		"chain":         {link("l", "m"), link("m", "n"), link("n", "../victim")},
		"chain, later":  {link("n", "../victim"), link("m", "/n"), link("l", "./m")},
		"in a dir":      {dir("dir"), link("dir/loophole", "../.."), link("l", "dir/loophole/victim")},
		"of a dir":      {dir("l"), file("l/old", "1"), link("l", "../victim")},
		"of a file":     {file("l", "1"), link("l", "../victim")},
		"hard":          {link("k", "../victim"), hard("l", "k")},
		"to the root":   {link("l", "/")},
		"to the parent": {link("l", "..")},
		"dots":          {link("l", "./.././../victim/.")},
	}
	entries := map[string]ent{
		"file": file("l/f", "evil"), "dir": dir("l/f"), "deep": file("l/a/b/f", "evil"), "symlink": link("l/f", "/victim/hello"),
		"fifo": {name: "l/f", flag: tar.TypeFifo}, "device": {name: "l/f", flag: tar.TypeChar}, "whiteout": wh("l/.wh.hello"),
		"opaque": wh("l/.wh..wh..opq"), "link itself": file("l", "evil"), "up again": file("l/../../victim/f", "evil"),
		"hard link": hard("f", "l/hello"), "hard link, up": hard("f", "../victim/hello"),
	}
	refused := 0
	for how, first := range links {
		for what, e := range entries {
			for _, stack := range [][][]ent{{append(slices.Clone(first), e)}, {first, {e}}} {
				n, err := mergeOf(t, stack...)
				if err != nil {
					refused++
					if !strings.Contains(err.Error(), "out of the root") && !strings.Contains(err.Error(), "no such file") {
						t.Errorf("%s, %s: %v", how, what, err)
					}
					continue
				}
				for name, node := range n.Walk() {
					if name != "." && !validPath(name) {
						t.Errorf("%s, %s: %q is in the tree", how, what, name)
					}
					for child := range node.Entries {
						if !validPath(child) || strings.Contains(child, "/") {
							t.Errorf("%s, %s: %q has the entry %q", how, what, name, child)
						}
					}
				}
				if strings.HasPrefix(what, "hard link, up") {
					t.Errorf("%s, %s: not refused", how, what)
				}
			}
		}
	}
	if refused < 2*len(links) {
		t.Errorf("%d refused", refused)
	}
}

// validPath reports whether a path has neither empty parts nor dots.
func validPath(path string) bool {
	return !slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool { return part == "" || part == "." || part == ".." })
}
