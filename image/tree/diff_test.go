package tree

import (
	"bytes"
	"math/rand"
	"testing"
)

func sameBytes(a, b Content) bool { return bytes.Equal(a.(Bytes), b.(Bytes)) }

func TestDiff(t *testing.T) {
	base := mustMerge(t, []ent{file("a", "1"), hard("b", "a"), file("d/x", "2"), file("d/sub/y", "3"), file("e/z", "4"), link("l", "d")})
	at := func(n *Node, name string) *Node {
		found, err := n.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for name, c := range map[string]struct {
		change func(n *Node)
		want   string // what is to be laid over base, "" for nothing
	}{
		"nothing":      {func(*Node) {}, ""},
		"gone":         {func(n *Node) { delete(at(n, "d").Entries, "sub") }, "d/ d/sub"},
		"new":          {func(n *Node) { at(n, "e").Entries["n"] = regular("5") }, "e/ e/n=5"},
		"mode":         {func(n *Node) { at(n, "d/x").Mode ^= 1 }, "d/ d/x=2"},
		"directory":    {func(n *Node) { at(n, "d").UID = 9 }, "d/"},
		"one of names": {func(n *Node) { at(n, "a").UID = 9 }, "a=1 b==a"},
		"third name":   {func(n *Node) { at(n, "e").Entries["c"] = at(n, "a") }, "a=1 b==a e/ e/c==a"},
		"links parted": {func(n *Node) { other := *at(n, "a"); n.Entries["b"] = &other }, "b=1"},
		"links joined": {func(n *Node) { n.Entries["a"] = at(n, "e/z") }, "a=4 e/ e/z==a"},
		"file for dir": {func(n *Node) { n.Entries["d"] = regular("6") }, "d=6"},
		"dir for file": {func(n *Node) { n.Entries["a"] = dirOf(0o755, map[string]*Node{"f": regular("7")}) }, "a/ a/f=7"},
		"dir for link": {func(n *Node) { n.Entries["l"] = dirOf(0o755, nil) }, "l/"},
	} {
		changed := clone(base)
		c.change(changed)
		upper := Diff(base, changed, sameBytes)
		got := ""
		if upper != nil {
			got = paths(upper)
			if merged := Apply(base, upper); list(merged) != list(changed) || paths(merged) != paths(changed) {
				t.Errorf("%s: laid over the base it makes\n%s\nnot\n%s", name, paths(merged), paths(changed))
			}
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// clone copies a tree, with its links.
func clone(n *Node) *Node {
	copies := map[*Node]*Node{}
	var copied func(n *Node) *Node
	copied = func(n *Node) *Node {
		if copies[n] == nil {
			c := *n
			copies[n] = &c
			if n.IsDir() {
				c.Entries = map[string]*Node{}
				for name, child := range n.Entries {
					c.Entries[name] = copied(child)
				}
				copies[n] = &c
			}
		}
		return copies[n]
	}
	return copied(n)
}

// TestDiffThenApply: whatever two trees are, the difference laid over one makes
// the other.
func TestDiffThenApply(t *testing.T) {
	for seed := range 3000 {
		r := rand.New(rand.NewSource(int64(seed)))
		body := 0
		trees := make([]*Node, 0, 2)
		common := randomLayer(r, &body)
		for range 2 {
			if n, err := mergeOf(t, common, randomLayer(r, &body)); err == nil {
				trees = append(trees, n)
			}
		}
		if len(trees) < 2 {
			continue
		}
		base, changed := trees[0], trees[1]
		before := list(base) + list(changed)
		got := base
		if upper := Diff(base, changed, sameBytes); upper != nil {
			got = Apply(base, upper)
		}
		if list(got) != list(changed) || paths(got) != paths(changed) {
			t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, paths(got), paths(changed))
		}
		if list(base)+list(changed) != before {
			t.Fatalf("seed %d: an argument was changed", seed)
		}
	}
}
