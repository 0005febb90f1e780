package bind

import (
	"slices"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestParse(t *testing.T) {
	for value, want := range map[string][]Bind{
		"/a":                               {{Source: "/a", Target: "/a"}},
		"/a:/b":                            {{Source: "/a", Target: "/b"}},
		"/a:/b:ro":                         {{Source: "/a", Target: "/b", ReadOnly: true}},
		"/a:/b:ro,rw":                      {{Source: "/a", Target: "/b"}},
		"/a:/b:rw,ro,/c":                   {{Source: "/a", Target: "/b", ReadOnly: true}, {Source: "/c", Target: "/c"}},
		"/a,/b:/c:ro,/d":                   {{Source: "/a", Target: "/a"}, {Source: "/b", Target: "/c", ReadOnly: true}, {Source: "/d", Target: "/d"}},
		"/a::ro":                           {{Source: "/a", Target: "/a", ReadOnly: true}},
		"/a/../b/:/c//d/":                  {{Source: "/b", Target: "/c/d"}},
		"x":                                {{Source: "/cwd/x", Target: "/cwd/x"}},
		"./x:/y":                           {{Source: "/cwd/x", Target: "/y"}},
		"..":                               nil,
		`/a\:b:/c\,d`:                      {{Source: "/a:b", Target: "/c,d"}},
		`/a\\:/b`:                          {{Source: `/a\`, Target: "/b"}},
		`/a\b`:                             {{Source: `/a\b`, Target: `/a\b`}},
		"/i:/b:image-src=":                 {{Source: "/i", Target: "/b", Image: Part{Path: "/"}}},
		"/i:/b:image-src=/d,ro,/c":         {{Source: "/i", Target: "/b", ReadOnly: true, Image: Part{Path: "/d"}}, {Source: "/c", Target: "/c"}},
		"i:/b:ro,id=3,image-src=d/../../e": {{Source: "/cwd/i", Target: "/b", ReadOnly: true, Image: Part{Path: "/e", ID: 3}}},
		"/a,ro":                            {{Source: "/a", Target: "/a"}, {Source: "/cwd/ro", Target: "/cwd/ro"}},
	} {
		got, err := Parse([]string{value}, "/cwd")
		if (err != nil) != (want == nil) || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", value, got, err)
		}
	}
}

func TestParseFails(t *testing.T) {
	for _, value := range []string{"", ":/b", "/a:b", "/a:/", "/a:/b:x", "/a:/b:ro:rw:x", "/a:/b:id=0", "/a:/b:id=x", "/a:/b:id=", "/a,,/b", "/"} {
		if got, err := Parse([]string{value}, "/cwd"); err == nil || hint.Of(err) == "" {
			t.Errorf("%q: %v, %v", value, got, err)
		}
	}
}

func TestSplitHome(t *testing.T) {
	for _, c := range []struct{ value, source, target string }{
		{"/a", "/a", "/a"}, {"/a:/b/", "/a", "/b"}, {"rel:/b", "rel", "/b"}, {`/a\:x`, "/a:x", "/a:x"},
	} {
		source, target, err := SplitHome(c.value)
		if err != nil || source != c.source || target != c.target {
			t.Errorf("%s: %q %q %v", c.value, source, target, err)
		}
	}
	for _, value := range []string{"", ":/b", "rel", "/a:b", "/a:/b:/c"} {
		if _, _, err := SplitHome(value); err == nil || hint.Of(err) == "" {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// TestJoin gives a nested container what Join wrote.
func TestJoin(t *testing.T) {
	targets := []string{"/a", "/b,c", "/d:e", `/f\g`, `/h\,i`, `/j\`}
	got, err := Parse([]string{Join(targets)}, "/")
	if err != nil || len(got) != len(targets) {
		t.Fatal(got, err)
	}
	for i, b := range got {
		if b.Source != targets[i] || b.Target != targets[i] {
			t.Errorf("%q became %+v", targets[i], b)
		}
	}
	if Join(nil) != "" {
		t.Error("no targets are something")
	}
}

// FuzzParse (F12): binds that are taken have absolute paths, and errors a remedy.
func FuzzParse(f *testing.F) {
	f.Add("/a:/b:ro,/c")
	f.Fuzz(func(t *testing.T, value string) {
		binds, err := Parse([]string{value}, "/cwd")
		for _, b := range binds {
			if b.Source == "" || b.Source[0] != '/' || b.Target == "/" || b.Target[0] != '/' {
				t.Errorf("%q: %+v", value, b)
			}
		}
		if err != nil && hint.Of(err) == "" {
			t.Errorf("%q: no hint: %v", value, err)
		}
	})
}
