package tree

import (
	"archive/tar"
	"bytes"
	"context"
	"math/rand"
	"testing"
)

// FuzzMerge (F6) feeds two layers of any bytes: no panic, and a tree that is whole.
func FuzzMerge(f *testing.F) {
	body := 0
	for seed := range 8 {
		r := rand.New(rand.NewSource(int64(seed)))
		f.Add(tarOf(f, randomLayer(r, &body)), tarOf(f, randomLayer(r, &body)))
	}
	f.Add(tarOf(f, []ent{{name: "a", flag: tar.TypeReg, pax: xattr("user.a", "b")}}), []byte(nil))
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		layers := []Layer{&memLayer{data: lower}, &memLayer{data: upper}}
		n, _, err := merge(context.Background(), layers, new(storing).store, limits{metadata: 16 << 20, holes: 1 << 20})
		if err != nil {
			return
		}
		for name, child := range n.Walk() {
			if !child.IsDir() && child.Entries != nil {
				t.Errorf("%q has entries and is no directory", name)
			}
			if _, ok := child.Content.(missed); ok {
				t.Errorf("%q was not stored", name)
			}
			for base := range child.Entries {
				if base == "" || base == "." || base == ".." || len(base) > maxName || bytes.ContainsAny([]byte(base), "/\x00") {
					t.Errorf("%q holds the name %q", name, base)
				}
			}
		}
	})
}
