package library

import (
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestParseReference(t *testing.T) {
	sum := strings.Repeat("a", 64)
	for text, want := range map[string]string{
		"alpine":                            "library://alpine:latest",
		"library://alpine:3":                "library://alpine:3",
		"library:alpine:3":                  "library://alpine:3",
		"//a/b":                             "library://a/b:latest",
		"library://a/b/c:1,2":               "library://a/b/c:1,2",
		"library:///a/b/c:1":                "library://a/b/c:1",
		"library://h.example/a/b/c":         "library://h.example/a/b/c:latest",
		"library://h.example:5000/a/b/c:v":  "library://h.example:5000/a/b/c:v",
		"library://[::1]:5000/a/b/c:v":      "library://[::1]:5000/a/b/c:v",
		"library://127.0.0.1:80/A/b_c/d":    "library://127.0.0.1:80/A/b_c/d:latest",
		"library://a/b/c:sha256." + sum:     "library://a/b/c:sha256." + sum,
		"library://a/b/c:sha256:" + sum:     "library://a/b/c:sha256." + sum,
		"library://a/b/c:sif.1234-5-6-7-89": "library://a/b/c:sif.1234-5-6-7-89",
	} {
		r, err := ParseReference(text)
		if err != nil || r.String() != want {
			t.Errorf("%s: %v, %v; want %s", text, r, err, want)
		}
		if again, err := ParseReference(r.String()); err != nil || again.String() != want {
			t.Errorf("%s: again %v, %v", text, again, err)
		}
		if got, want := r.Digest(), "sha256:"+sum; strings.Contains(text, sum) != (got == want) {
			t.Errorf("%s: digest %q", text, got)
		}
	}
	for _, text := range []string{
		"", "library://", "a/../b", "a//b", "a/b/c/d/e", "u:p@h/a/b/c", "h x/a/b/c", "a/b/c:", "a/b/c:1,,2", "a/b/c:1:2", "a/b/c?x", "a/b/c@sha256:" + sum,
		"-a", "a/b/c:x/y", "a/b/c\n", "https://h/a", "..",
	} {
		if r, err := ParseReference(text); err == nil || !strings.Contains(hint.Of(err), "library://[HOST/]") {
			t.Errorf("%q: %v, %v", text, r, err)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("a password is told: %v", err)
		}
	}
}
