package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
)

func usrMerged(t *testing.T) *Node {
	return mustMerge(t, []ent{dir("usr/lib"), link("lib", "usr/lib"), file("usr/lib/so", "1"), link("usr/lib/so.1", "so"),
		link("abs", "/lib"), link("up", "../../usr"), link("loop", "loop"), link("gone", "nowhere")})
}

func TestLookup(t *testing.T) {
	root := usrMerged(t)
	for name, want := range map[string]string{
		"lib/so": "usr/lib/so", "/abs/so": "usr/lib/so", "up/lib/so": "usr/lib/so", "lib/../lib/so": "usr/lib/so",
		"lib": "lib", "usr/lib/so.1": "usr/lib/so.1", "./usr//lib/": "usr/lib",
	} {
		got, err := root.Lookup(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for p, n := range root.Walk() {
			if n == got && p != want {
				t.Errorf("%s led to %s, want %s", name, p, want)
			}
		}
	}
	if n, err := root.Lookup("/"); n != root || err != nil {
		t.Errorf("root: %v, %v", n, err)
	}
	for name, want := range map[string]error{"none": fs.ErrNotExist, "usr/lib/so/x": fs.ErrNotExist, "gone/x": fs.ErrNotExist, "loop/x": errLoop, "../x": errEscapes} {
		_, err := root.Lookup(name)
		var p *fs.PathError
		if !errors.Is(err, want) || !errors.As(err, &p) || p.Path != name {
			t.Errorf("%s: error %v, want %v", name, err, want)
		}
	}
}

func TestMkdirAllAndInsert(t *testing.T) {
	root := usrMerged(t)
	d, err := root.MkdirAll("/lib/a/b", 0o700)
	if err != nil || d.Mode != TypeDir|0o700 {
		t.Fatalf("%+v, %v", d, err)
	}
	if again, err := root.MkdirAll("usr/lib/a/b", 0o755); again != d || err != nil {
		t.Errorf("made again: %v", err)
	}
	if err := root.Insert("gone/x", &Node{Mode: TypeRegular, Content: Bytes("new")}); err != nil {
		t.Error(err)
	}
	if n, err := root.Lookup("nowhere/x"); err != nil || n.Size() != 3 {
		t.Errorf("insert through a dangling link: %v", err)
	}
	if err := root.Insert("lib", NewDir(0o755)); err != nil || !root.Entries["lib"].IsDir() {
		t.Errorf("a link at the end was not replaced: %v", err)
	}
	for name, want := range map[string]error{"usr/lib/so/x": errNotDir, "loop/x": errLoop, "../x": errEscapes, "x/" + strings.Repeat("n", 256): errName} {
		if err := root.Insert(name, NewDir(0)); !errors.Is(err, want) {
			t.Errorf("insert %.20s: error %v, want %v", name, err, want)
		}
		if _, err := root.MkdirAll(name, 0); !errors.Is(err, want) {
			t.Errorf("mkdir %.20s: error %v, want %v", name, err, want)
		}
	}
	if err := root.Insert("usr/..", NewDir(0)); err == nil {
		t.Error("the root was replaced")
	}
}

func TestWalk(t *testing.T) {
	root := mustMerge(t, []ent{file("b", ""), file("a/z", ""), file("a/b", ""), file("a.b", "")})
	var all []string
	for name := range root.Walk() {
		all = append(all, name)
	}
	if want := []string{".", "a", "a/b", "a/z", "a.b", "b"}; !slices.Equal(all, want) {
		t.Errorf("walked %q, want %q", all, want)
	}
	seen := 0
	for range root.Walk() {
		if seen++; seen == 3 {
			break
		}
	}
	if names := root.Names(); !slices.Equal(names, []string{"a", "a.b", "b"}) {
		t.Errorf("names %q", names)
	}
}

// TestDepth makes the deepest tree in a time that grows no faster than the input.
func TestDepth(t *testing.T) {
	const depth = maxDepth
	var lower, upper []ent
	name := ""
	for range depth {
		name += "d/"
		lower = append(lower, dir(name))
	}
	upper = append(upper, wh(name+".wh.x"), wh(name+".wh..wh..opq"), file(name+"f", "1"))
	start := time.Now()
	root := mustMerge(t, lower, upper)
	n, err := root.Lookup(name + "f")
	if err != nil || n.Size() != 1 {
		t.Error(err)
	}
	count := 0
	for range Apply(root, root).Walk() {
		count++
	}
	if count != depth+2 {
		t.Errorf("%d nodes", count)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestManyHardLinks(t *testing.T) {
	entries := []ent{file("f", "1")}
	for i := range 70_000 {
		entries = append(entries, hard(fmt.Sprint("l", i), "f"))
	}
	root := mustMerge(t, entries)
	for _, n := range root.Entries {
		if n != root.Entries["f"] {
			t.Fatal("a link is another file")
		}
	}
	if len(root.Entries) != 70_001 {
		t.Errorf("%d names", len(root.Entries))
	}
}

// TestOddNames keeps names byte for byte, and errors that quote them free of
// control characters.
func TestOddNames(t *testing.T) {
	for _, name := range []string{"\xff\xfe", "new\nline", "\x1b[31m", "%s", "-rf", "space ", strings.Repeat("n", 255)} {
		e := file(name, "1")
		var layer Layer = &memLayer{data: gnuTar(t, e)}
		root, _, err := Merge(context.Background(), []Layer{layer}, new(storing).store)
		if err != nil || root.Entries[name] == nil {
			t.Errorf("%q: %v", name, err)
		}
		layer = &memLayer{data: gnuTar(t, hard(name, "missing"))}
		_, _, err = Merge(context.Background(), []Layer{layer}, new(storing).store)
		if err == nil || strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%q: error %q", name, fmt.Sprint(err))
		}
	}
}

func TestMetadataIsBounded(t *testing.T) {
	for name, stack := range map[string][][]ent{
		"names":         {{file(strings.Repeat("n/", 1000)+"a", ""), file(strings.Repeat("m/", 1000)+"a", "")}},
		"shadows":       {{}, deepFiles("abcde")},
		"link expanded": {{link("l", strings.Repeat("n/", 1000)), link("m", "l/l/l"), file("l/a", ""), link("x", strings.Repeat("y/", 1000)), file("x/a", "")}},
		"attributes":    {manyAttributes()},
	} {
		layers := layersOf(t, stack...)
		if _, _, err := merge(context.Background(), layers, discard, limits{metadata: 64 << 20}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, _, err := merge(context.Background(), layers, discard, limits{metadata: 500_000})
		if err == nil || !strings.Contains(err.Error(), "too much memory") || hint.Of(err) == "" {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func deepFiles(names string) (entries []ent) {
	for _, name := range names {
		entries = append(entries, file(strings.Repeat(string(name)+"/", 1000)+"a", ""))
	}
	return entries
}

func manyAttributes() (entries []ent) {
	for i := range 10 {
		entries = append(entries, ent{name: fmt.Sprint(i), pax: xattr("user.a", strings.Repeat("v", 60000))})
	}
	return entries
}
