package oci

import (
	"archive/tar"
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	name "github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	ggcrlayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// dockerSave makes what docker save writes before version 25 or since then.
func dockerSave(tags []string, modern bool, parts ...part) (place, object) {
	p := place{}
	config := toJSON(configFor("amd64", parts))
	image := object{"Config": digestOf(config).hex + ".json", "RepoTags": tags}
	if modern {
		image["Config"] = digestOf(config).path()
	}
	p[image["Config"].(string)] = config
	layers := []string{}
	for _, l := range parts {
		name := digestOf(l.plain).hex + "/layer.tar"
		if modern {
			name = digestOf(l.blob).path()
		}
		p[name] = l.blob
		layers = append(layers, name)
		if !modern { // for Docker before 1.10
			dir := digestOf(l.plain).hex
			p[dir+"/VERSION"], p[dir+"/json"], p["repositories"] = []byte("1.0"), []byte("{}"), []byte("{}")
		}
	}
	image["Layers"] = layers
	p["manifest.json"] = toJSON([]object{image})
	return p, image
}

func TestDockerArchive(t *testing.T) {
	for _, modern := range []bool{false, true} {
		p, image := dockerSave([]string{"busybox:1.3", "localhost/b:latest"}, modern, threeParts...)
		plain, packed := writeFile(t, p.tar()), writeFile(t, gz(p.tar()))
		for _, ref := range []string{plain, packed, plain + ":busybox:1.3", plain + ":docker.io/library/busybox:1.3", packed + ":localhost/b"} {
			img, err := openAs(t, "docker-archive:"+ref)
			if err != nil {
				t.Fatal(err)
			}
			checkThree(t, img)
			if want := digestIn(image["Config"].(string)).String(); img.Digest() != want {
				t.Errorf("digest %s, want %s", img.Digest(), want)
			}
			want := digestOf(threeParts[1].plain)
			if modern {
				want = digestOf(threeParts[1].blob)
			}
			if got := img.Layers()[1].String(); got != want.String() {
				t.Errorf("layer is named %s, want %s", got, want)
			}
		}
		_, err := openAs(t, "docker-archive:"+plain+":busybox")
		wantError(t, err, `no image with the tag "busybox"`, ":busybox:1.3, :localhost/b:latest")
	}
}

// TestBothInOne opens the output of docker save since version 25 as what it
// also is.
func TestBothInOne(t *testing.T) {
	p := place{}
	d := p.addImage("amd64", threeParts...)
	q, _ := dockerSave([]string{"busybox:1.3"}, true, threeParts...)
	maps.Copy(p, q)
	p.layout(with(d, "annotations", object{"io.containerd.image.name": "docker.io/library/busybox:1.3", "org.opencontainers.image.ref.name": "1.3"}))
	at := writeFile(t, p.tar())
	for _, ref := range []string{"docker-archive:" + at, "oci-archive:" + at, "oci-archive:" + at + ":1.3"} {
		img, err := openAs(t, ref)
		if err != nil {
			t.Fatal(err)
		}
		checkThree(t, img)
	}
}

func TestDockerArchiveOfSeveral(t *testing.T) {
	p, first := dockerSave([]string{"a:1"}, false, plainPart("one"))
	q, second := dockerSave([]string{"b:1"}, false, plainPart("two"))
	for name, raw := range q {
		p[name] = raw
	}
	p["manifest.json"] = toJSON([]object{first, second})
	at := "docker-archive:" + writeFile(t, p.tar())
	_, err := openAs(t, at)
	wantError(t, err, "several images", ":a:1, :b:1")
	img, err := openAs(t, at+":b:1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(img); err != nil || !slices.Equal(got, []string{"two"}) {
		t.Errorf("layers %q, %v", got, err)
	}
}

// TestDockerArchiveLinks has a layer twice, once as the link that docker save
// writes, and links that lead nowhere.
func TestDockerArchiveLinks(t *testing.T) {
	x := plainPart("x")
	p, image := dockerSave(nil, false, x, x, x)
	first := image["Layers"].([]string)[0]
	image["Layers"] = []string{first, "id2/layer.tar", "id3/layer.tar"}
	p["manifest.json"] = toJSON([]object{image})
	for target, ok := range map[string]bool{"../" + first: true, "../../../" + first: true, "../id2/layer.tar": false, "/etc/passwd": false} {
		var buf bytes.Buffer
		buf.Write(bytes.TrimSuffix(p.tar(), make([]byte, 1024)))
		w := tar.NewWriter(&buf)
		w.WriteHeader(&tar.Header{Name: "id2/layer.tar", Typeflag: tar.TypeSymlink, Linkname: target})
		w.WriteHeader(&tar.Header{Name: "id3/layer.tar", Typeflag: tar.TypeLink, Linkname: first})
		w.Close()
		img, err := openAs(t, "docker-archive:"+writeFile(t, buf.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		got, err := read(img)
		if (err == nil) != ok || ok && !slices.Equal(got, []string{"x", "x", "x"}) {
			t.Errorf("link to %s: layers %q, %v", target, got, err)
		}
	}
}

func TestBadDockerArchives(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p place, image object)
		want   string
	}{
		"too few layers":  {func(_ place, m object) { m["Layers"] = []string{} }, "diff IDs for 1 layers, the image has 0"},
		"too many layers": {func(_ place, m object) { m["Layers"] = make([]string, maxLayers+1) }, "more than 1000"},
		"layer missing":   {func(_ place, m object) { m["Layers"] = []string{"../../etc/passwd"} }, "is missing"},
		"layer changed":   {func(p place, m object) { p[m["Layers"].([]string)[0]] = []byte("y") }, "content is sha256:"},
		"no config":       {func(_ place, m object) { delete(m, "Config") }, "image configuration"},
		"config changed":  {func(p place, m object) { p[m["Config"].(string)] = []byte("{}") }, "image configuration is sha256:"},
		"wrong platform": {func(p place, m object) {
			m["Config"] = "c"
			p["c"] = toJSON(configFor("arm64", []part{plainPart("x")}))
		}, "not for linux/amd64"},
	} {
		t.Run(name, func(t *testing.T) {
			p, image := dockerSave(nil, false, plainPart("x"))
			c.change(p, image)
			p["manifest.json"] = toJSON([]object{image})
			img, err := openAs(t, "docker-archive:"+writeFile(t, p.tar()))
			if err == nil {
				_, err = read(img)
			}
			wantError(t, err, c.want, "")
		})
	}
	_, err := openAs(t, "docker-archive:"+writeFile(t, place{"manifest.json": []byte("{")}.tar()))
	wantError(t, err, "manifest.json: ", "damaged")
	_, err = openAs(t, "docker-archive:"+writeFile(t, place{"repositories": []byte("{}")}.tar()))
	wantError(t, err, "not the output of docker save", "before Docker 1.10")
}

// TestOthersWrite reads what go-containerregistry writes.
func TestOthersWrite(t *testing.T) {
	layer := static.NewLayer([]byte(strings.Repeat("data", 1000)), types.DockerUncompressedLayer)
	img, err := mutate.ConfigFile(empty.Image, &ggcr.ConfigFile{OS: "linux", Architecture: "amd64"})
	if err == nil {
		img, err = mutate.AppendLayers(img, layer)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := ggcrlayout.Write(dir, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img})); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "saved")
	if err := tarball.WriteToFile(file, name.MustParseReference("busybox:1"), img); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"oci:" + dir, "docker-archive:" + file + ":busybox:1"} {
		opened, err := openAs(t, ref)
		if err != nil {
			t.Fatal(err)
		}
		got, err := read(opened)
		if err != nil || len(got) != 1 || len(got[0]) != 4000 {
			t.Errorf("%s: %d layers, %v", ref, len(got), err)
		}
	}
}
