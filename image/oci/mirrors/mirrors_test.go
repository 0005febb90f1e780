package mirrors

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func parse(t *testing.T, name, text string) *File {
	t.Helper()
	f, err := Parse(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// show prints endpoints: a mirror with "m:", an insecure one with "!".
func show(list []Endpoint, err error) string {
	var out []string
	for _, e := range list {
		s := e.Host + "/" + e.Repository
		if e.Mirror {
			s = "m:" + s
		}
		if e.Insecure {
			s += "!"
		}
		out = append(out, s)
	}
	if err != nil {
		out = append(out, "error: "+err.Error())
	}
	return strings.Join(out, " ")
}

const site = `
unqualified-search-registries = ["quay.io", "docker.io"]
short-name-mode = "enforcing"
[aliases]
"busybox" = "evil.example/busybox"

[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "hub.local:5000"
insecure = true
[[registry.mirror]]
location = "cache.local/hub"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "tags.local/hub"
pull-from-mirror = "tag-only"

[[registry]]
prefix = "a.example/foo"
location = "b.example/bar"
mirror-by-digest-only = true
[[registry.mirror]]
location = "c.example/foo"

[[registry]]
prefix = "a.example/foo/deep"
insecure = true

[[registry]]
prefix = "*.wild.example"
insecure = true
[[registry.mirror]]
location = "wild.local/w"

[[registry]]
prefix = "*.moved.example"
location = "here.example/all"

[[registry]]
prefix = "bad.example"
blocked = true

[[registry]]
prefix = "bad.example/but/good"

[[registry]]
prefix = "ported.example:5000"
[[registry.mirror]]
location = "docker.io/ported"

[[registry]]
prefix = "whole.example/x"
location = "nowhere.example"
`

func TestEndpoints(t *testing.T) {
	r := Merge(parse(t, "/etc/site", site), nil)
	for _, c := range []struct {
		host, repository string
		pinned           bool
		want             string
	}{
		{"index.docker.io", "library/busybox", false, "m:hub.local:5000/library/busybox! m:tags.local/hub/library/busybox index.docker.io/library/busybox"},
		{"index.docker.io", "u/x", true, "m:hub.local:5000/u/x! m:cache.local/hub/u/x index.docker.io/u/x"},
		{"registry-1.docker.io", "u/x", true, "m:hub.local:5000/u/x! m:cache.local/hub/u/x registry-1.docker.io/u/x"},
		{"a.example", "foo", false, "b.example/bar"},
		{"a.example", "foo/x/y", true, "m:c.example/foo/x/y b.example/bar/x/y"},
		{"a.example", "foo/deep/x", true, "a.example/foo/deep/x!"},
		{"a.example", "food", false, "a.example/food"},
		{"A.Example.", "foo/x", false, "b.example/bar/x"},
		{"a.example:443", "foo", false, "a.example:443/foo"},
		{"x.y.wild.example:80", "r", false, "m:wild.local/w/r x.y.wild.example:80/r!"},
		{"wild.example", "r", false, "wild.example/r"},
		{"x.moved.example", "a/b", false, "here.example/all/a/b"},
		{"bad.example", "x", false, "error: bad.example/x is blocked by /etc/site:40"},
		{"BAD.example.:443", "x", false, "error: bad.example:443/x is blocked by /etc/site:40"},
		{"bad.example", "but/good", false, "bad.example/but/good"},
		{"ported.example", "x", false, "ported.example/x"},
		{"ported.example:5000", "x", false, "m:index.docker.io/ported/x ported.example:5000/x"},
		{"whole.example", "x", false, "error: /etc/site:52: nowhere.example stands for whole.example/x, where no repository is left"},
		{"other.example", "x", false, "other.example/x"},
		{"[::1]:5000", "x", false, "[::1]:5000/x"},
	} {
		if got := show(r.Endpoints(c.host, c.repository, c.pinned)); got != c.want {
			t.Errorf("%s/%s: %s; want %s", c.host, c.repository, got, c.want)
		}
	}
	if got := show((*Rules)(nil).Endpoints("h", "r", false)); got != "h/r" {
		t.Errorf("without rules: %s", got)
	}
}

// TestUser: a user's rules take the place of the site's, except for a block.
func TestUser(t *testing.T) {
	user := `
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "mine.example"

[[registry]]
prefix = "bad.example/x"

[[registry]]
prefix = "*.bad.example"
blocked = true

[[registry]]
prefix = "around.example"
location = "bad.example:443"

[[registry]]
prefix = "round.example"
[[registry.mirror]]
location = "bad.example"

[[registry]]
prefix = "a.example"
location = "short.example"
`
	r := Merge(parse(t, "/etc/site", site), parse(t, "user", user))
	blocked := "is blocked by /etc/site:40"
	for name, want := range map[string]string{
		"index.docker.io/u/x": "m:mine.example/u/x index.docker.io/u/x",
		"bad.example/x":       blocked, "around.example/x": blocked, "round.example/x": blocked,
		"x.bad.example/x": "is blocked by user:10",
		"a.example/foo/x": "b.example/bar/x", // the site's is longer
		"a.example/x":     "short.example/x",
	} {
		host, repository, _ := strings.Cut(name, "/")
		list, err := r.Endpoints(host, repository, false)
		if got := show(list, err); !strings.Contains(got, want) || err != nil && !strings.Contains(hint.Of(err), "another registry") {
			t.Errorf("%s: %s; want %s", name, got, want)
		}
	}
}

func TestDirect(t *testing.T) {
	r := Merge(parse(t, "site", site), nil)
	for name, want := range map[string]string{
		"a.example/foo/deep/x": "a.example/foo/deep/x!", "a.example/foo/x": "a.example/foo/x", "x.wild.example/r": "x.wild.example/r!",
		"index.docker.io/u/x": "index.docker.io/u/x", "bad.example/x": "/x error: bad.example/x is blocked by site:40",
	} {
		host, repository, _ := strings.Cut(name, "/")
		e, err := r.Direct(host, repository)
		if err != nil {
			e.Host, e.Repository = "", "x"
		}
		if got := show([]Endpoint{e}, err); got != want {
			t.Errorf("%s: %s; want %s", name, got, want)
		}
	}
}

func TestRoots(t *testing.T) {
	f := parse(t, "site", `
[[registry]]
prefix = "*.corp.example"
ca = "/corp.pem"
[[registry]]
prefix = "far.example"
location = "near.example:5000/x"
ca = "/near.pem"
[[registry.mirror]]
location = "mirror.example"
ca = "/mirror.pem"
`)
	user := parse(t, "user", "[[registry]]\nlocation = \"near.example:5000\"\nca = \"/more.pem\"")
	for host, want := range map[string]string{
		"r.corp.example:80": "[/corp.pem]", "corp.example": "[]", "far.example": "[]", "NEAR.example:5000": "[/near.pem /more.pem]",
		"near.example": "[]", "mirror.example": "[/mirror.pem]",
	} {
		if got := fmt.Sprint(Merge(f, user).Roots(host)); got != want {
			t.Errorf("%s: %s; want %s", host, got, want)
		}
	}
	if got := (*Rules)(nil).Roots("x"); got != nil {
		t.Errorf("%q", got)
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"[[registry]\n": "f:1:",
		"\n[[registry]]\nlocation = \"a\"\ninsecure = 3":             "f:4:12: ",
		"[[registry]]\nlocation = \"a\"\nblokced = true":             "f:3:1: registry.blokced is not a setting",
		"[registries.search]\nregistries = ['x']":                    "f:1:", // version 1
		"[[registry]]\n  location = \"https://a\"":                   "f:2:14: toml: \"https://a\" begins with a scheme",
		"[[registry]]\nlocation = \"a b\"":                           "f:2:12: toml: \"a b\" does not begin with HOST",
		"[[registry]]\nlocation = \"a/b:1\"":                         "has a tag or a digest",
		"[[registry]]\nprefix = \"*.a/b\"":                           "is without port and path",
		"[[registry]]\nprefix = \"*.a:80\"":                          "is without port and path",
		"[[registry]]\nprefix = \"a.*.b\"":                           "does not begin with HOST",
		"[[registry]]\nlocation = \"a/\"":                            "has a path that no repository has",
		"[[registry]]\nlocation = \"a/../b\"":                        "has a path that no repository has",
		"\n\n[[registry]]\nblocked = true":                           "f:3:1: [[registry]] has neither a prefix nor a location",
		"[[registry]]\nlocation = \"a\"\n[[registry]]\nprefix=\"A\"": "f:3:1: another table has the prefix a",
		"[[registry]]\nprefix = \"a\"\nlocation = \"*.b\"":           "f:1:1: the location *.b is no host",
		"[[registry]]\nlocation = \"a\"\n[[registry.mirror]]":        "f:1:1: a mirror of a has no host",
		"registry = [{blocked = true}]":                              "f:1:1: [[registry]] has neither",
		"[[registry]]\nlocation = \"a\"\nca = \"x.pem\"":             "f:3:6: toml: \"x.pem\" is not an absolute path",
		"[[registry]]\nlocation = \"a\"\n[[registry.mirror]]\nlocation = \"b\"\npull-from-mirror = \"never\"":                             "f:5:20: toml: pull-from-mirror is one of",
		"[[registry]]\nlocation = \"a\"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = \"b\"\npull-from-mirror = \"all\"": "beside the registry's mirror-by-digest-only",
	} {
		_, err := Parse("f", []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), "f:") || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, s := range []string{"a", "a:1", "a.b/c-d/e_f", "[::1]:5000/x", "*.a.b", "docker.io/library/x"} {
		var p place
		if err := p.UnmarshalText([]byte(s)); err != nil || p.String() != s {
			t.Errorf("%s: %s, %v", s, p, err)
		}
	}
}

// FuzzParse: no text makes it panic, and every rule that comes of one can be
// asked.
func FuzzParse(f *testing.F) {
	f.Add(site)
	f.Add("registry = [{location = \"a\", mirror = [{location = \"b\"}]}]")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("f", []byte(text))
		if err != nil {
			return
		}
		list, err := Merge(file, file).Endpoints("a.example", "foo/x", true)
		if err == nil && (len(list) == 0 || list[len(list)-1].Mirror || slices.ContainsFunc(list, func(e Endpoint) bool { return e.Host == "" })) {
			t.Errorf("%q: %v", text, list)
		}
	})
}
