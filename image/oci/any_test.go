package oci

import (
	"context"
	"slices"
	"testing"
)

// TestAnyArchive opens archives without being told their format.
func TestAnyArchive(t *testing.T) {
	open := func(p place, tag string) (*Image, error) {
		ref := Reference{Transport: AnyArchive, Path: writeFile(t, p.tar()), Tag: tag}
		return Open(context.Background(), ref, amd64, Options{TempDir: t.TempDir()})
	}
	x := plainPart("x")
	layout := place{}
	layout.layout(withTag(layout.addImage("amd64", x), "one"))
	saved, image := dockerSave([]string{"app:1"}, true, x)
	saved["manifest.json"] = toJSON([]object{image})
	for tag, p := range map[string]place{"one": layout, "app:1": saved, "": saved} {
		img, err := open(p, tag)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read(img); err != nil || !slices.Equal(got, []string{"x"}) {
			t.Errorf("%q: layers %q, %v", tag, got, err)
		}
		img.Close()
	}
	_, err := open(layout, "two")
	wantError(t, err, `no image with the tag "two"`, ":one")
	_, err = open(place{"some": []byte("file")}, "")
	wantError(t, err, "archive of no image", "docker save")
	if _, err := ParseReference("archive:x"); err == nil {
		t.Error("a user may not name the transport")
	}
}
