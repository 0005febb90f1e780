package key

import (
	"slices"
	"strings"
	"testing"
)

// The encoding may only change together with its version: a key that means
// something else than it did brings a wrong result out of the cache.
func TestKeyIsStable(t *testing.T) {
	got := New("post").
		String("script", "make install").
		Strings("args", []string{"-e", "-x"}).
		Digest("parent", New("base").Sum()).
		Sum().String()
	const want = "a20c1bef5bdb38047b8328a7ae5a6500c1fae742d73a3c8deda96bf0b433b41b"
	if got != want {
		t.Errorf("the key is %s, was %s", got, want)
	}
}

// Whatever is said differently has another key.
func TestKeysDiffer(t *testing.T) {
	parent := New("base").Sum()
	keys := map[string]*Key{
		"nothing":         New("post"),
		"other kind":      New("files"),
		"kind and field":  New("post").String("", ""),
		"a=bc":            New("post").String("a", "bc"),
		"ab=c":            New("post").String("ab", "c"),
		"a=b c=d":         New("post").String("a", "b").String("c", "d"),
		"c=d a=b":         New("post").String("c", "d").String("a", "b"),
		"a=bscd":          New("post").String("a", "bscd"),
		"list of none":    New("post").Strings("a", nil),
		"list of one":     New("post").Strings("a", []string{"bc"}),
		"list of two":     New("post").Strings("a", []string{"b", "c"}),
		"other way round": New("post").Strings("a", []string{"c", "b"}),
		"an empty one":    New("post").Strings("a", []string{"", "bc"}),
		"two lists":       New("post").Strings("a", []string{"b"}).Strings("a", []string{"c"}),
		"digest":          New("post").Digest("a", parent),
		"digest as text":  New("post").String("a", parent.String()),
		"digest as bytes": New("post").String("a", string(parent[:])),
		"digest in kind":  New("post" + string(parent[:])),
		"NUL and newline": New("post").String("a", "b\x00\nc"),
	}
	seen := map[Digest]string{}
	for name, k := range keys {
		if other := seen[k.Sum()]; other != "" {
			t.Errorf("%q and %q have one key", name, other)
		}
		seen[k.Sum()] = name
	}
}

func TestSumDoesNotEnd(t *testing.T) {
	k := New("post").String("a", "1")
	first := k.Sum()
	if k.Sum() != first {
		t.Error("a second Sum differs")
	}
	if got, want := k.String("b", "2").Sum(), New("post").String("a", "1").String("b", "2").Sum(); got != want {
		t.Errorf("after a Sum the key is %s, want %s", got, want)
	}
	if text := first.String(); len(text) != 64 || strings.ToLower(text) != text {
		t.Errorf("a digest prints as %q", text)
	}
}

// FuzzKey: two lists of values have one key only if they are equal, however
// their values are cut.
func FuzzKey(f *testing.F) {
	f.Add("a,b", "ab,", "n")
	f.Add("", ",", "")
	f.Add("x\x00\x00\x00\x00\x00\x00\x00\x00", "x", "s")
	f.Fuzz(func(t *testing.T, a, b, name string) {
		x, y := strings.Split(a, ","), strings.Split(b, ",")
		list := New("f").Strings(name, x).Sum() == New("f").Strings(name, y).Sum()
		fields, others := New("f"), New("f")
		for _, v := range x {
			fields.String(name, v)
		}
		for _, v := range y {
			others.String(name, v)
		}
		if same := slices.Equal(x, y); list != same || (fields.Sum() == others.Sum()) != same {
			t.Errorf("%q and %q: lists equal %v, fields equal %v", x, y, list, fields.Sum() == others.Sum())
		}
	})
}
