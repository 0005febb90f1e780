package metadata

import "testing"

func TestPublic(t *testing.T) {
	for name, want := range map[string]string{
		"docker://user:secret@host/a:1":         "docker://host/a:1",
		"https://u:p@host/a?token=secret#x":     "https://host/a",
		"http://host/a b":                       "http://host/a%20b",
		"https://host/%zz?secret":               "https:",
		"oci:dir:tag":                           "oci:dir:tag",
		"localimage:/images/base.sif?no=query":  "localimage:/images/base.sif?no=query",
		"library://entity/collection/name:tag":  "library://entity/collection/name:tag",
		"https://host/with/at@sign?secret=hide": "https://host/with/at@sign",
	} {
		if got := Known(name, "").Public(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if d, err := Known("x", "sha256:1").Digest(t.Context()); err != nil || d != "sha256:1" {
		t.Error(d, err)
	}
}
