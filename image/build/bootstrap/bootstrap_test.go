package bootstrap

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/oci/registry"
)

// place is a directory to build in.
type place struct {
	dir  string
	env  build.Environment
	told []string
}

func newPlace(t *testing.T) *place {
	p := &place{dir: t.TempDir()}
	p.env = build.Environment{
		Host: build.Host{Arch: "amd64", Dir: p.dir}, Now: time.Unix(1700000000, 0), Fixed: true, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()),
		Registry: registry.New(registry.Options{}), Warn: func(line string) { p.told = append(p.told, line) },
	}
	return p
}

// convert builds an image of a source alone.
func (p *place) convert(t *testing.T, out string, s Source) error {
	t.Helper()
	at := build.At{}
	first, err := New(at, s, p.env.Host)
	if err != nil {
		return err
	}
	o := build.Options{Output: out, Force: true}
	return build.Run(t.Context(), []build.Step{build.Create(o), first, build.Pack(at, o, "recipe"), build.Commit(o)}, o, p.env)
}

func (p *place) has(t *testing.T, out, want string) {
	t.Helper()
	f, err := image.Open(filepath.Join(p.dir, out), image.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := image.ReadFile(f.FS(), "file", 100); err != nil || string(b) != want {
		t.Errorf("%s: %q, %v", out, b, err)
	}
}

// directory makes a directory with a file, to build from.
func (p *place) directory(t *testing.T, text string) string {
	t.Helper()
	dir := filepath.Join(p.dir, "dir-"+text)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/file", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// pushSIF pushes a file as the peers push a SIF.
func pushSIF(t *testing.T, ref, path, mediaType string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	push(t, ref, static.NewLayer(b, types.MediaType(mediaType)))
}

func push(t *testing.T, ref string, layers ...v1.Layer) {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.sylabs.sif.config.v1+json")
	img, err := mutate.AppendLayers(img, layers...)
	if err != nil {
		t.Fatal(err)
	}
	to, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(to, img); err != nil {
		t.Fatal(err)
	}
}

func TestOras(t *testing.T) {
	p := newPlace(t)
	blobs := 0
	real := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodGet && strings.Contains(q.URL.Path, "/blobs/") {
			blobs++
		}
		real.ServeHTTP(w, q)
	}))
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	if err := p.convert(t, "one.sif", Source{Agent: "localimage", From: p.directory(t, "one")}); err != nil {
		t.Fatal(err)
	}
	const sif = "application/vnd.sylabs.sif.layer.v1.sif"
	pushSIF(t, host+"/site/one:1", p.dir+"/one.sif", sif)
	from := Source{Agent: "oras", From: "//" + host + "/site/one:1"}
	if err := p.convert(t, "two.sif", from); err != nil {
		t.Fatal(err)
	}
	p.has(t, "two.sif", "one")

	// With a cache it is fetched once, and again when the cache is damaged.
	dir := t.TempDir()
	store, err := cache.Open(dir, cache.Options{Warn: func(err error) { p.told = append(p.told, err.Error()) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	p.env.Cache = store
	for range 2 {
		blobs = 0
		for i, want := range []int{1, 1} {
			if err := p.convert(t, "three.sif", from); err != nil {
				t.Fatal(err)
			}
			if p.has(t, "three.sif", "one"); blobs != want {
				t.Errorf("build %d: %d blobs were fetched", i, blobs)
			}
		}
		kept, err := filepath.Glob(dir + "/file/*")
		kept = slices.DeleteFunc(kept, func(name string) bool { return filepath.Ext(name) != "" })
		if err != nil || len(kept) != 1 {
			t.Fatalf("%q, %v", kept, err)
		}
		f, err := os.OpenFile(kept[0], os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("damage"), 64); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if len(p.told) != 1 || !strings.Contains(p.told[0], "damaged") {
		t.Errorf("told %q", p.told)
	}

	push(t, host+"/site/image:1", static.NewLayer([]byte("x"), types.OCILayer))
	pushSIF(t, host+"/site/text:1", p.dir+"/dir-one/file", sif)
	for from, want := range map[string][2]string{
		host + "/site/image:1": {"oras://" + host + "/site/image:1: this is no SIF file", "docker://"},
		host + "/site/none:1":  {"404", "check the name"},
		host + "/site/text:1":  {"neither a SIF nor a SquashFS file", ""},
		"UPPER":                {"does not name an image", ""},
	} {
		err := p.convert(t, "no.sif", Source{Agent: "oras", From: from})
		if err == nil || !strings.Contains(err.Error(), want[0]) || !strings.Contains(hint.Of(err), want[1]) {
			t.Errorf("%s: error %v, hint %q", from, err, hint.Of(err))
		}
	}
	if _, err := os.Stat(p.dir + "/no.sif"); err == nil {
		t.Error("there is an output")
	}
	p.env.Registry = nil
	if err := p.convert(t, "no.sif", from); err == nil || !strings.Contains(err.Error(), "no network can be reached") {
		t.Errorf("error %v", err)
	}
}

// TestDockerDaemon builds from what a daemon sends, which is what docker save
// writes.
func TestDockerDaemon(t *testing.T) {
	p := newPlace(t)
	tag, err := name.NewTag("team/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(tarOf("file", "from docker"))), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if img, err = mutate.AppendLayers(img, layer); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := tarball.Write(tag, img, &archive); err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", p.dir+"/sock")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path != "/images/team/app:v1/get" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(archive.Bytes())
	}))
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	p.env.Daemon = "unix://" + p.dir + "/sock"
	if err := p.convert(t, "out.sif", Source{Agent: "docker-daemon", From: "team/app:v1"}); err != nil {
		t.Fatal(err)
	}
	p.has(t, "out.sif", "from docker")
	if err := p.convert(t, "no.sif", Source{Agent: "docker-daemon", From: "none"}); err == nil || !strings.Contains(err.Error(), "none: 404 Not Found") {
		t.Errorf("error %v", err)
	}
}

// tarOf is an archive of one file.
func tarOf(name, text string) string {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}) // to memory
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}
