package ignore

import (
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestContext(t *testing.T) {
	for _, c := range []struct{ name, text, in, out string }{
		{"nothing", "", "a a/b .git/x", ""},
		{"comments", "# a\n\n  b  \n#b\n", "a c", "b b/c"},
		{"names at the root alone", "a", "b/a b", "a a/x a/x/y"},
		{"stars", "*.o\nd*/x", "a/b.o e/x d/y", "b.o d/x dd/x dd/x/y"},
		{"one character", "a?", "a abc b/ac", "ab ab/c"},
		{"any depth", "**/x\n**/*.tmp", "y a/y", "x a/x a/b/x a/x/y t.tmp a/b/t.tmp"},
		{"all below", "a/**", "b", "a/b a/b/c"},
		{"slash in front", "/a\n/b/c", "b b/d", "a b/c"},
		{"slash behind", "a/", "b", "a a/b"},
		{"dots", "./a\nb/../c", "b", "a c"},
		{"exceptions", "*.md\n!README.md", "README.md a/b.md", "x.md"},
		{"the last one decides", "*.md\n!README*.md\nREADME-x.md", "README.md README-y.md", "x.md README-x.md"},
		{"the other way round", "*.md\nREADME-x.md\n!README*.md", "README-x.md", "x.md"},
		{"exception below", "a\n!a/keep", "a/keep a/keep/x", "a/b a/keeper"},
		{"all but", "*\n!src\n!go.*", "src src/a go.mod", "a b/src b/go.mod"},
		{"brackets", "a[0-9]\n\\*", "ab b", "a1 *"},
		{"byte order mark", "\ufeffa", "b", "a"},
		{"carriage returns", "a\r\nb\r\n", "c", "a b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			match, err := Context(".dockerignore", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range strings.Fields(c.in) {
				if !match(path, false) || !match("./"+path, true) {
					t.Errorf("%s is left out", path)
				}
			}
			for _, path := range strings.Fields(c.out) {
				if match(path, false) {
					t.Errorf("%s is in the context", path)
				}
			}
			if !match(".", true) {
				t.Error("the root is left out")
			}
		})
	}
}

// TestDirectories tells which directories that are left out a walk enters.
func TestDirectories(t *testing.T) {
	for _, c := range []struct{ text, enter, skip string }{
		{"a", "b", "a a/b"},
		{"a\n!a/b/c", "a a/b", "a/c a/b2 a/b/d"},
		{"*\n!a/*/c", "a a/x", "b a/x/y a/x/d"},
		{"*\n!**/c", "a a/b a/b/d", ""},
		{"*\n!a/**", "a a/b a/b/c", "b"},
		{"*\n!a", "a a/b", "b"},
	} {
		match, err := Context("x", []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range strings.Fields(c.enter) {
			if !match(dir, true) {
				t.Errorf("%q: %s is skipped", c.text, dir)
			}
		}
		for _, dir := range strings.Fields(c.skip) {
			if match(dir, true) {
				t.Errorf("%q: %s is entered", c.text, dir)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"a\n!\n":                        "illegal exclusion pattern",
		"[":                             "syntax error in pattern",
		strings.Repeat("a", maxSize+1):  "1048577 bytes; expected at most 1048576",
		strings.Repeat("a", maxSize-10): "token too long",
	} {
		_, err := Context("my.dockerignore", []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), "my.dockerignore: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want %s", err, want)
		}
	}
	if _, err := Context("x", []byte("!")); hint.Of(err) == "" {
		t.Error("no hint")
	}
}

func TestNames(t *testing.T) {
	if beside, root := Names("dir/My.Dockerfile"); beside != "dir/My.Dockerfile.dockerignore" || root != ".dockerignore" {
		t.Error(beside, root)
	}
}

// TestConcurrently is for the race detector.
func TestConcurrently(t *testing.T) {
	match, err := Context("x", []byte("**/a\n!b/**/a\nc?\n"))
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	got := make([]bool, 8)
	for i := range got {
		group.Go(func() { got[i] = !match("x/a", false) && match("b/x/a", false) && !match("cd", true) })
	}
	group.Wait()
	if slices.Contains(got, false) {
		t.Error(got)
	}
}

// FuzzContext checks that nothing panics and that a file in the context has
// all directories above it entered.
func FuzzContext(f *testing.F) {
	f.Add("*\n!a/*/c\n", "a/b/c")
	f.Add("**/a\n!b/**\n[a-z]\n\\a", "b/a")
	f.Add("!a\n a \n/../b", "b")
	f.Fuzz(func(t *testing.T, text, name string) {
		match, err := Context("x", []byte(text))
		if err != nil || name != path.Clean(name) || len(name) > 4096 || path.IsAbs(name) || strings.HasPrefix(name, "..") {
			return
		}
		if !match(name, false) {
			return
		}
		for i, c := range name {
			if c == '/' && !match(name[:i], true) {
				t.Fatalf("%q has %q, but not %q", text, name, name[:i])
			}
		}
	})
}
