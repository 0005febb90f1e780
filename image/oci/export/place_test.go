package export

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/oci"
)

// tags are those in the index of a layout, "-" for an image without.
func tags(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(dir + "/index.json")
	must(t, err)
	var index struct{ Manifests []entry }
	must(t, json.Unmarshal(text, &index))
	var list []string
	for _, m := range index.Manifests {
		list = append(list, strings.TrimPrefix("-"+m.Annotations[refName], "-"))
	}
	return strings.Join(list, " ")
}

// TestLayoutGrows adds images to a layout.
func TestLayoutGrows(t *testing.T) {
	dir := t.TempDir() + "/layout"
	put := func(text, tag string, force bool) (Report, error) {
		return write(t, image(files(map[string]string{"f": text})), "oci:"+dir+tag, force)
	}
	one, err := put("1", ":one", false)
	must(t, err)
	_, err = put("2", ":one", false)
	wantError(t, err, dir+`: it holds an image with the tag "one"`, "--force")
	_, err = put("2", ":two", false)
	must(t, err)
	_, err = put("2", "", false)
	wantError(t, err, "images with tags", "oci:DIR:TAG")
	if got := tags(t, dir); got != "one two" {
		t.Errorf("tags %s", got)
	}
	changed, err := put("3", ":one", true)
	must(t, err)
	if got := tags(t, dir); got != "two one" || changed.Manifest == one.Manifest {
		t.Errorf("tags %s", got)
	}
	if img, root := read(t, "oci:"+dir+":one"); img.Digest() != changed.Manifest.Digest || root.Entries["f"].Size() != 1 {
		t.Errorf("image %s", img.Digest())
	}
	if got := names(t, dir); got != "blobs index.json oci-layout" {
		t.Errorf("the layout has %s", got)
	}
}

// TestUntagged replaces only what nothing tells apart.
func TestUntagged(t *testing.T) {
	dir := t.TempDir() + "/layout"
	for n, force := range []bool{false, true} {
		_, err := write(t, image(files(map[string]string{"f": fmt.Sprint(n)})), "oci:"+dir, force)
		must(t, err)
	}
	_, err := write(t, image(files(nil)), "oci:"+dir, false)
	wantError(t, err, "it holds an image", "or use --force")
	_, err = write(t, image(files(nil)), "oci:"+dir+":t", false)
	must(t, err)
	if got := tags(t, dir); got != " t" {
		t.Errorf("tags %q", got)
	}
}

// TestIndexIsKept: what is not understood stays.
func TestIndexIsKept(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/oci-layout", []byte(layoutText), 0o644))
	old := `{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"digest":"sha256:1","size":1,"new":[1],"annotations":{"a":"b"}}],"annotations":{"x":"y"},"schemaVersion":2}`
	must(t, os.WriteFile(dir+"/index.json", []byte(old), 0o644))
	_, err := write(t, image(files(nil)), "oci:"+dir+":t", false)
	must(t, err)
	text, err := os.ReadFile(dir + "/index.json")
	must(t, err)
	if !strings.Contains(string(text), `{"digest":"sha256:1","size":1,"new":[1],"annotations":{"a":"b"}}`) || !strings.Contains(string(text), `{"x":"y"}`) {
		t.Errorf("index %s", text)
	}
	for text, want := range map[string]string{"[": "index.json", `{"manifests":[1]}`: "index.json", `{"manifests":1}`: "index.json"} {
		must(t, os.WriteFile(dir+"/index.json", []byte(text), 0o644))
		_, err := write(t, image(files(nil)), "oci:"+dir+":t", false)
		wantError(t, err, want, "")
	}
	must(t, os.Remove(dir+"/index.json"))
	must(t, unix.Mkfifo(dir+"/index.json", 0o600))
	_, err = write(t, image(files(nil)), "oci:"+dir+":t", false)
	wantError(t, err, "index.json is not a file", "")
}

// TestManyWriters add to one layout at a time, and none is lost.
func TestManyWriters(t *testing.T) {
	dir := t.TempDir() + "/layout"
	_, err := write(t, image(files(nil)), "oci:"+dir+":first", false)
	must(t, err)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			if _, err := write(t, image(files(map[string]string{"f": fmt.Sprint(n)})), fmt.Sprintf("oci:%s:t%d", dir, n), false); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := strings.Fields(tags(t, dir)); len(got) != 9 {
		t.Errorf("tags %s", got)
	}
}

// TestNewLayout has the modes that the umask gives, and is not there before it
// is whole.
func TestNewLayout(t *testing.T) {
	parent := t.TempDir()
	old := unix.Umask(0o027)
	defer unix.Umask(old)
	place, err := Create(oci.Reference{Transport: oci.Layout, Path: parent + "/new"}, false)
	must(t, err)
	r, err := image(files(nil)).Write(t.Context(), place)
	must(t, err)
	if _, err := os.Stat(parent + "/new"); err == nil {
		t.Error("it is there before Commit")
	}
	must(t, place.Commit(t.Context()))
	must(t, place.Abort())
	for name, want := range map[string]fs.FileMode{"": 0o750, "blobs": 0o750, "oci-layout": 0o640, "index.json": 0o640, blobsDir + "/" + encoded(r.Layer): 0o640} {
		if st, err := os.Stat(parent + "/new/" + name); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
	if got := names(t, parent); got != "new" {
		t.Errorf("there is %s", got)
	}
	if d := descriptor(MediaTypeConfig, blob(t, parent+"/new", r.Config)); d != r.Config {
		t.Errorf("configuration %v, not %v", d, r.Config)
	}
}

// TestRefused: names that cannot become a place.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/file", nil, 0o644))
	for name, want := range map[string][2]string{
		"oci:" + dir:                     {"is there and not an OCI layout", "does not exist yet"},
		"oci:" + dir + "/no/layout":      {"no such file", "make the directory"},
		"oci:" + dir + "/x:-":            {`"-" is not a tag`, "letters and digits"},
		"oci-archive:" + dir + "/x:a//b": {`"a//b" is not a tag`, "letters and digits"},
		"oci-archive:" + dir + "/file":   {"file already exists", "--force"},
		"docker-archive:" + dir + "/x:A": {`"A" does not name`, "write "},
		"docker-archive:" + dir + "/x:a@sha256:" + strings.Repeat("0", 64): {"has a digest", "NAME[:TAG]"},
		"docker://host/x": {"cannot be written to docker://", "oci:, oci-archive:, docker-archive:"},
	} {
		_, err := write(t, image(files(nil)), name, false)
		wantError(t, err, want[0], want[1])
	}
	if got := names(t, dir); got != "file" {
		t.Errorf("left %s", got)
	}
	for name, want := range map[string]bool{"oci:x": true, "docker-archive:x": true, "oci": false, "docker-daemon:x": false, "x:oci:": false} {
		if IsPlace(name) != want {
			t.Errorf("%s", name)
		}
	}
}

// TestDockerName: names as docker load shows them.
func TestDockerName(t *testing.T) {
	for name, want := range map[string]string{"": "", "a": "a:latest", "a:1": "a:1", "host:5000/a/b": "host:5000/a/b:latest", "host:5000/a:2": "host:5000/a:2"} {
		if got, err := dockerName(name); err != nil || got != want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// TestLargeMember: the header of a layer of any size fits in its place.
func TestLargeMember(t *testing.T) {
	for _, size := range []int64{0, 1 << 33, 1 << 50} {
		name := blobsDir + "/" + strings.Repeat("a", 64)
		b, err := oneBlock(name, size)
		must(t, err)
		h, err := tar.NewReader(bytes.NewReader(b)).Next()
		if err != nil || h.Size != size || h.Name != name {
			t.Errorf("%d: %+v, %v", size, h, err)
		}
	}
	if _, err := oneBlock(strings.Repeat("a", 300), 1); err == nil {
		t.Error("a long name")
	}
}
