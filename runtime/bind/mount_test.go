package bind

import (
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestParseMounts(t *testing.T) {
	for value, want := range map[string][]Bind{
		"type=bind,source=/a,destination=/b":                   {{Source: "/a", Target: "/b"}},
		"source=/a,destination=/b":                             {{Source: "/a", Target: "/b"}},
		"type=bind,src=/a,dst=/b,ro":                           {{Source: "/a", Target: "/b", ReadOnly: true}},
		"type=bind,src=a/,target=/b/,readonly=true":            {{Source: "/cwd/a", Target: "/b", ReadOnly: true}},
		"ro=false,dst=/b,src=/a,type=bind":                     {{Source: "/a", Target: "/b"}},
		`type=bind,"src=/a,b",dst=/c=d`:                        {{Source: "/a,b", Target: "/c=d"}},
		"source=/a,destination=/b,nonested":                    {{Source: "/a", Target: "/b", Unnested: true}},
		"src=/i,dst=/b,image-src=/x/../y":                      {{Source: "/i", Target: "/b", Image: Part{Path: "/y"}}},
		"src=/i,dst=/b,id=4,nonested=false":                    {{Source: "/i", Target: "/b", Image: Part{Path: "/", ID: 4}}},
		"type=bind,src=/a,dst=/b\ntype=bind,src=/,dst=/host\n": {{Source: "/a", Target: "/b"}, {Source: "/", Target: "/host"}},
	} {
		if got, err := ParseMounts([]string{value}, "/cwd"); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", value, got, err)
		}
	}
	if got, err := ParseMounts(nil, "/"); got != nil || err != nil {
		t.Errorf("nothing: %v, %v", got, err)
	}
}

func TestParseMountsFails(t *testing.T) {
	for value, want := range map[string]string{
		"":                                                   "it is empty",
		"type=tmpfs,destination=/b":                          `type "tmpfs"`,
		"type=bind,destination=/b":                           "the source is empty",
		"type=bind,source=/a":                                `destination "" is not an absolute path`,
		"type=bind,source=/a,dst=b":                          `destination "b" is not`,
		"type=bind,source=/a,dst=/":                          "root directory",
		"type=bind,source=/a,dst=/b,ro=no":                   "ro=no",
		"type=bind,source=/a,dst=/b,x=1":                     `unknown option "x"`,
		"type=bind,source=/a,dst=/b,id=0":                    "id=0 is not",
		"type=bind,source=/a,dst=/b,bind-propagation=shared": "bind-propagation cannot",
		"src=/a,dst=/b,nonested=maybe":                       "nonested=maybe",
		"src=/a":                                             "destination",
	} {
		_, err := ParseMounts([]string{value}, "/")
		if err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("%q: %v, hint %q", value, err, hint.Of(err))
		}
	}
	if _, err := ParseMounts([]string{`type=bind,"src=/a`}, "/"); err == nil {
		t.Error("an open quote is accepted")
	}
}

func TestBoth(t *testing.T) {
	got, err := Both([]string{"/a:/b"}, []string{"type=bind,src=c,dst=/d"}, "/cwd")
	if want := []Bind{{Source: "/a", Target: "/b"}, {Source: "/cwd/c", Target: "/d"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range [][2]string{{"", "type=bind,src=/c,dst=/d"}, {"/a", "x"}} {
		if _, err := Both(bad[:1], bad[1:], "/"); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
