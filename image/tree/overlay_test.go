package tree

import (
	"context"
	"testing"
)

func opaque(n *Node) *Node { n.Opaque = true; return n }

// dirOf makes a directory of the entries.
func dirOf(perm uint32, entries map[string]*Node) *Node {
	n := NewDir(perm)
	n.Entries = entries
	return n
}

func regular(body string) *Node { return &Node{Mode: TypeRegular | 0o644, Content: Bytes(body)} }

func TestApply(t *testing.T) {
	type m = map[string]*Node
	gone := &Node{Mode: TypeChar}
	base := mustMerge(t, []ent{file("a", "1"), hard("b", "a"), file("d/x", "2"), file("d/sub/y", "3"), file("o/z", "4"), link("l", "d")})
	before := list(base)
	for name, c := range map[string]struct {
		upper *Node
		want  string
	}{
		"nothing":            {dirOf(0o755, nil), "a=1 b==a d/ d/sub/ d/sub/y=3 d/x=2 l>d o/ o/z=4"},
		"file replaced":      {dirOf(0o755, m{"a": regular("5")}), "a=5 b=1 d/ d/sub/ d/sub/y=3 d/x=2 l>d o/ o/z=4"},
		"whiteouts":          {dirOf(0o755, m{"a": gone, "d": dirOf(0o755, m{"sub": gone}), "none": gone}), "b=1 d/ d/x=2 l>d o/ o/z=4"},
		"merged":             {dirOf(0o755, m{"d": dirOf(0o755, m{"sub": dirOf(0o755, m{"n": regular("6")})})}), "a=1 b==a d/ d/sub/ d/sub/n=6 d/sub/y=3 d/x=2 l>d o/ o/z=4"},
		"opaque":             {dirOf(0o755, m{"d": opaque(dirOf(0o755, m{"n": regular("6"), "x": gone}))}), "a=1 b==a d/ d/n=6 l>d o/ o/z=4"},
		"opaque root":        {opaque(dirOf(0o755, m{"n": regular("6")})), "n=6"},
		"dir over file":      {dirOf(0o755, m{"a": dirOf(0o755, m{"n": regular("6"), "w": gone})}), "a/ a/n=6 b=1 d/ d/sub/ d/sub/y=3 d/x=2 l>d o/ o/z=4"},
		"dir over symlink":   {dirOf(0o755, m{"l": dirOf(0o755, nil)}), "a=1 b==a d/ d/sub/ d/sub/y=3 d/x=2 l/ o/ o/z=4"},
		"file over dir":      {dirOf(0o755, m{"d": regular("7")}), "a=1 b==a d=7 l>d o/ o/z=4"},
		"a device that is":   {dirOf(0o755, m{"a": {Mode: TypeChar, Rdev: 0x103}}), "a b=1 d/ d/sub/ d/sub/y=3 d/x=2 l>d o/ o/z=4"},
		"new dir, whiteouts": {dirOf(0o755, m{"new": dirOf(0o755, m{"w": gone})}), "a=1 b==a d/ d/sub/ d/sub/y=3 d/x=2 l>d new/ o/ o/z=4"},
	} {
		got := Apply(base, c.upper)
		if paths(got) != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, paths(got), c.want)
		}
		for p, n := range got.Walk() {
			if n.Opaque || n.IsWhiteout() {
				t.Errorf("%s: %s is a mark of the overlay", name, p)
			}
		}
	}
	if list(base) != before {
		t.Error("the base was changed")
	}
}

func TestApplyMetadata(t *testing.T) {
	base := mustMerge(t, []ent{dir("d").withMode(0o700), dir("e").withMode(0o711)})
	upper := dirOf(0o1777, map[string]*Node{"d": dirOf(0o750, nil)})
	upper.UID, upper.ModTime = 7, 9
	got := Apply(base, upper)
	if want := "041777 7 .\n040750 0 d\n040711 0 e"; list(got) != want || got.ModTime != 9 {
		t.Errorf("got\n%s\nwant\n%s", list(got), want)
	}
}

// TestApplyEqualsMerge lays a layer over another both ways.
func TestApplyEqualsMerge(t *testing.T) {
	lower := []ent{file("a", "1"), file("d/x", "2"), file("k/y", "3"), dir("o").withMode(0o755), file("o/z", "4")}
	upper := []ent{dir("d"), wh("d/.wh.x"), wh(".wh.a"), dir("o"), wh("o/.wh..wh..opq"), file("o/n", "5"), file("k", "6")}
	u := mustMerge(t, upper)
	u.Entries["a"] = &Node{Mode: TypeChar}
	u.Entries["d"].Entries["x"] = &Node{Mode: TypeChar}
	u.Entries["o"].Opaque = true
	merged, _, err := Merge(context.Background(), layersOf(t, lower, upper), new(storing).store)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := list(Apply(mustMerge(t, lower), u)), list(merged); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestBytes(t *testing.T) {
	b := Bytes("text")
	for range 2 {
		r, err := b.Open()
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 10)
		if n, _ := r.Read(buf); string(buf[:n]) != "text" || b.Size() != 4 {
			t.Errorf("read %q", buf[:n])
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if (&Node{}).Size() != 0 {
		t.Error("a file without content has a size")
	}
}
