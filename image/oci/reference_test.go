package oci

import (
	"testing"

	"github.com/sealift/sealift/image/oci/registry"
)

func TestParseReference(t *testing.T) {
	for s, want := range map[string]Reference{
		"oci:dir":                          {Transport: Layout, Path: "dir", Tag: ""},
		"oci:/a/dir:v1":                    {Transport: Layout, Path: "/a/dir", Tag: "v1"},
		"oci://dir":                        {Transport: Layout, Path: "dir", Tag: ""},
		"oci:///a/dir":                     {Transport: Layout, Path: "/a/dir", Tag: ""},
		"oci:dir:quay.io/x/y:1":            {Transport: Layout, Path: "dir", Tag: "quay.io/x/y:1"},
		"oci-archive:f.tar:v1":             {Transport: LayoutArchive, Path: "f.tar", Tag: "v1"},
		"docker-archive:f.tar:busybox:1.3": {Transport: DockerArchive, Path: "f.tar", Tag: "busybox:1.3"},
		"docker-daemon:team/app:1":         {Transport: DockerDaemon, Path: "team/app:1"},
		"docker://debian:12":               {Transport: Docker, Registry: registry.Reference{Host: "index.docker.io", Repository: "library/debian", Tag: "12"}},
	} {
		got, err := ParseReference(s)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", s, got, err)
			continue
		}
		if again, err := ParseReference(got.String()); err != nil || again != got {
			t.Errorf("%s: written as %s, read as %+v, %v", s, got, again, err)
		}
	}
}

func TestParseReferenceRejects(t *testing.T) {
	for s, text := range map[string]string{
		"":                "has no transport",
		"image.tar":       "has no transport",
		"docker-daemon:":  "has no path",
		"docker:":         "does not name an image of a registry",
		"dokcer://alpine": `unknown transport "dokcer"`,
		"OCI:dir":         `unknown transport "OCI"`,
		"oci:":            "has no path",
		"oci::v1":         "has no path",
		"oci:dir\x00":     "has no path",
		"oci:dir:":        "empty tag",
	} {
		_, err := ParseReference(s)
		wantError(t, err, text, "")
	}
	_, err := ParseReference("dokcer://alpine")
	wantError(t, err, "unknown", "begin it with one of docker:, docker-archive:, docker-daemon:, oci:, oci-archive:")
}

// FuzzParseReference (F9): a reference that is taken names something, and is read
// as the same when it was written.
func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"oci:dir:v1", "oci:////dir", "docker://a", "docker:a/b:v1", "docker://HOST.example:5000/a/b@" + digestOf(nil).String(), "docker-daemon:////x:y:z"} {
		f.Add(s)
	}
	f.Add("docker-archive:///x:y/z:1@2")
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := ParseReference(s)
		if err != nil {
			return
		}
		if ref.Path == "" && ref.Registry.Repository == "" {
			t.Errorf("%q has no path", s)
		}
		again, err := ParseReference(ref.String())
		if err != nil || again != ref {
			t.Errorf("%q is %+v, and again %+v, %v", s, ref, again, err)
		}
	})
}

func TestDigestSyntax(t *testing.T) {
	good := digestOf(nil).String()
	var d digest
	if err := d.UnmarshalText([]byte(good)); err != nil || d.String() != good {
		t.Errorf("%s: %v, %v", good, d, err)
	}
	hex := good[len("sha256:"):]
	for _, s := range []string{
		"", ":", "sha256", "sha256:", hex, "sha256:../../x", "sha256:" + hex[1:], "sha256:" + hex + "0",
		"md5:" + hex[:32], "SHA256:" + hex, "sha256:" + "E" + hex[1:], "sha256:g" + hex[1:], good + "\n",
		"sha512:" + hex, "sha256:sha256:" + hex[7:], "sha256:/" + hex[1:],
	} {
		if err := new(digest).UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q accepted", s)
		}
	}
	long := "sha512:" + hex + hex
	if err := d.UnmarshalText([]byte(long)); err != nil || d.path() != "blobs/sha512/"+hex+hex {
		t.Errorf("%s: %v", long, err)
	}
}
