package merkle

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"
)

func TestRootRoundTrip(t *testing.T) {
	for _, r := range []Root{
		{LeafSize: minLeafSize, Size: 1},
		{LeafSize: DefaultLeafSize, Size: 2 << 30, Top: sum(nodePrefix, nil)},
		{LeafSize: maxLeafSize, Size: math.MaxInt64, Top: Hash{31: 9}},
	} {
		got, err := ParseRoot(r.Bytes())
		if err != nil || got != r {
			t.Errorf("%+v comes back as %+v, %v", r, got, err)
		}
		if r.TreeSize() <= 0 {
			t.Errorf("%+v has a tree of %d bytes", r, r.TreeSize())
		}
	}
}

func TestHostileRoots(t *testing.T) {
	good := Root{LeafSize: DefaultLeafSize, Size: 5000}.Bytes()
	for name, c := range map[string]struct {
		change func(b []byte) []byte
		want   string
	}{
		"empty":        {func([]byte) []byte { return nil }, "malformed"},
		"short":        {func(b []byte) []byte { return b[:RootSize-1] }, "malformed"},
		"long":         {func(b []byte) []byte { return append(b, 0) }, "malformed"},
		"magic":        {func(b []byte) []byte { b[15] = 1; return b }, "malformed"},
		"version":      {func(b []byte) []byte { b[16] = 2; return b }, "version 2"},
		"no leaf":      {func(b []byte) []byte { b[21] = 0; return b }, "leaf size 0 "},
		"odd leaf":     {func(b []byte) []byte { b[20] = 1; return b }, "leaf size 16385 "},
		"small leaf":   {func(b []byte) []byte { b[21] = 8; return b }, "leaf size 2048 "},
		"huge leaf":    {func(b []byte) []byte { b[21], b[23] = 0, 0x80; return b }, "leaf size 2147483648 "},
		"no data":      {func(b []byte) []byte { b[24], b[25] = 0, 0; return b }, "of 0 bytes"},
		"negative":     {func(b []byte) []byte { b[31] = 0x80; return b }, "of -"},
		"other format": {func(b []byte) []byte { return append([]byte("\x1b[31m"), b[5:]...) }, `"\x1b[31m`},
	} {
		_, err := ParseRoot(c.change(append([]byte(nil), good...)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestLevels(t *testing.T) {
	for _, c := range []struct{ leaves, levels, hashes int64 }{
		{1, 1, 1}, {2, 1, 2}, {fanOut, 1, fanOut}, {fanOut + 1, 2, fanOut + 1 + 2},
		{fanOut * fanOut, 2, fanOut*fanOut + fanOut}, {fanOut*fanOut + 1, 3, fanOut*fanOut + 1 + fanOut + 1 + 2},
	} {
		for _, less := range []int64{0, 1, testLeaf - 1} {
			r := Root{LeafSize: testLeaf, Size: c.leaves*testLeaf - less}
			if got := int64(len(r.levels())); got != c.levels || r.TreeSize() != c.hashes*HashSize {
				t.Errorf("%d leaves less %d bytes: %d levels, tree of %d bytes", c.leaves, less, got, r.TreeSize())
			}
		}
	}
}

// The numbers are those of another program that follows the package's documentation.
func TestKnownTree(t *testing.T) {
	leaf := "8a2a5c9b768827de5a9552c38a044c66959c68f6d2f21b5260af54d2f87db827"
	if h := sum(leafPrefix, []byte("hello")); hex.EncodeToString(h[:]) != leaf {
		t.Errorf("hash of a leaf %x", h)
	}
	root, tree := grow(Root{LeafSize: testLeaf, Size: 5}, unhex(t, leaf))
	if hex.EncodeToString(tree) != leaf {
		t.Errorf("tree %x", tree)
	}
	digest := root.Digest()
	if got := hex.EncodeToString(root.Top[:]); got != "eb1f3ad1d880998f11cb48dc81e1a579eede06459a2eb37f1fc8c0ae2fe97d0a" {
		t.Errorf("top %s", got)
	}
	if got := hex.EncodeToString(digest[:]); got != "87aff46e35e173e451d6c7c9b7c662c8bc8d66a7f1d713c17e9fe0b9a71989bc" {
		t.Errorf("digest %s", got)
	}
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	must(t, err)
	return b
}
