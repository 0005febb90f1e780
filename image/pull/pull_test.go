package pull

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

// site is a registry, and a directory to work in.
type site struct {
	host, dir string
	opts      build.Options
	told      []string

	mu   sync.Mutex
	seen []string // requests, but for /v2/
	stop func()
}

func newSite(t *testing.T) *site {
	s := &site{dir: t.TempDir()}
	s.opts.TmpDir = filepath.Join(s.dir, "tmp")
	if err := os.Mkdir(s.opts.TmpDir, 0o700); err != nil {
		t.Fatal(err)
	}
	real := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path != "/v2/" && (q.Method == http.MethodGet || q.Method == http.MethodHead) {
			s.mu.Lock()
			s.seen = append(s.seen, q.Method+" "+q.URL.Path)
			s.mu.Unlock()
		}
		real.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	s.host, s.stop = strings.TrimPrefix(server.URL, "http://"), server.Close
	return s
}

// requests returns those since the last call.
func (s *site) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

// process is what a process of its own would get images with.
func (s *site) process(t *testing.T, cached bool) Environment {
	e := Environment{Environment: build.Environment{
		Host: build.Host{Arch: "amd64", Dir: s.dir, Version: "1"}, Now: time.Unix(1700000000, 0),
		UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Registry: registry.New(registry.Options{}),
		Warn: func(line string) { s.told = append(s.told, line) },
	}}
	if cached {
		c, err := cache.Open(filepath.Join(s.dir, "cache"), cache.Options{Warn: func(err error) { s.told = append(s.told, err.Error()) }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		e.Cache = c
	}
	return e
}

// push pushes an image of one file, and returns its digest.
func (s *site) push(t *testing.T, ref, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := errors.Join(w.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: int64(len(text))}), second(io.WriteString(w, text)), w.Close())
	if err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err == nil {
		img, err = mutate.ConfigFile(img, configFile(t, img))
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.write(t, ref, img)
}

func configFile(t *testing.T, img v1.Image) *v1.ConfigFile {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.OS, c.Architecture, c.Created = "linux", "amd64", v1.Time{Time: time.Unix(1600000000, 0)}
	return c
}

func (s *site) write(t *testing.T, ref string, img v1.Image) string {
	t.Helper()
	to, err := name.ParseReference(s.host + "/" + ref)
	if err == nil {
		err = remote.Write(to, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	s.requests()
	return d.String()
}

func second(_ int, err error) error { return err }

// has compares what the image's file says.
func has(t *testing.T, path, want string) {
	t.Helper()
	f, err := image.Open(path, image.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := image.ReadFile(f.FS(), "file", 100); err != nil || string(b) != want {
		t.Errorf("%s: %q, %v", path, b, err)
	}
}

// get opens an image, looks at it, and closes it.
func (s *site) get(t *testing.T, source, want string, e Environment) (cached bool) {
	t.Helper()
	i, err := Open(t.Context(), source, s.opts, e)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	has(t, i.Path(), want)
	if left, err := os.ReadDir(s.opts.TmpDir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return i.Cached
}

// TestWhatIsHereIsNotFetched: a tag costs one request, a digest none.
func TestWhatIsHereIsNotFetched(t *testing.T) {
	s := newSite(t)
	digest := s.push(t, "team/tool:1", "one")
	tag := "docker://" + s.host + "/team/tool:1"
	if s.get(t, tag, "one", s.process(t, true)) {
		t.Error("a new image is from the cache")
	}
	if got := s.requests(); len(got) != 4 {
		t.Errorf("%q: not a HEAD, a manifest, a configuration and a layer", got)
	}
	if !s.get(t, tag, "one", s.process(t, true)) {
		t.Error("the image is not from the cache")
	}
	if got := s.requests(); !slices.Equal(got, []string{"HEAD /v2/team/tool/manifests/1"}) {
		t.Errorf("a tag costs %q", got)
	}
	s.push(t, "team/tool:1", "two")
	if s.get(t, tag, "two", s.process(t, true)) {
		t.Error("a tag that has moved has the old image")
	}
	s.stop()
	if !s.get(t, "docker://"+s.host+"/team/tool@"+digest, "one", s.process(t, true)) {
		t.Error("a digest is not from the cache")
	}
	if len(s.told) > 0 {
		t.Errorf("told %q", s.told)
	}
}

// TestWithoutCache fetches each time, and leaves nothing.
func TestWithoutCache(t *testing.T) {
	s := newSite(t)
	s.push(t, "tool:1", "one")
	for range 2 {
		if s.get(t, "docker://"+s.host+"/tool:1", "one", s.process(t, false)) {
			t.Error("from a cache")
		}
	}
	if _, err := os.Stat(s.dir + "/cache"); err == nil {
		t.Error("a cache was made")
	}
}

// TestNoPlaceInTheCache goes on without.
func TestNoPlaceInTheCache(t *testing.T) {
	s := newSite(t)
	s.push(t, "tool:1", "one")
	e := s.process(t, true)
	if err := os.WriteFile(filepath.Join(s.dir, "cache", sifKind), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.get(t, "docker://"+s.host+"/tool:1", "one", e)
	if len(s.told) != 1 || !strings.Contains(s.told[0], "not kept") {
		t.Errorf("told %q", s.told)
	}
}

// TestOneConverts: of many processes one fetches.
func TestOneConverts(t *testing.T) {
	s := newSite(t)
	s.push(t, "tool:1", "one")
	var group sync.WaitGroup
	for range 16 {
		e := s.process(t, true)
		group.Go(func() {
			i, err := Open(t.Context(), "docker://"+s.host+"/tool:1", s.opts, e)
			if err != nil {
				t.Error(err)
				return
			}
			has(t, i.Path(), "one")
			i.Close()
		})
	}
	group.Wait()
	fetched := slices.DeleteFunc(s.requests(), func(q string) bool { return strings.HasPrefix(q, "HEAD") })
	if len(fetched) != 3 {
		t.Errorf("%q: not one manifest, configuration and layer", fetched)
	}
}

func TestOras(t *testing.T) {
	s := newSite(t)
	s.push(t, "tool:1", "one")
	if _, err := Save(t.Context(), "docker://"+s.host+"/tool:1", s.to("tool.sif"), s.process(t, false)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(s.dir + "/tool.sif")
	if err != nil {
		t.Fatal(err)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.sylabs.sif.config.v1+json")
	img, err = mutate.AppendLayers(img, static.NewLayer(b, "application/vnd.sylabs.sif.layer.v1.sif"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "sif:1", img)
	source := "oras://" + s.host + "/sif:1"
	var expected, came int64
	e := s.process(t, true)
	e.Expect, e.Received = func(n int64) { expected = n }, func(n int64) { came += n }
	if s.get(t, source, "one", e) {
		t.Error("a new file is from the cache")
	}
	if expected != int64(len(b)) || came != expected {
		t.Errorf("%d of %d bytes came, of %d", came, expected, len(b))
	}
	if !s.get(t, source, "one", s.process(t, true)) {
		t.Error("the file is not from the cache")
	}
	// Whoever changes the file in the cache is found out.
	files, err := filepath.Glob(s.dir + "/cache/file/*[0-9a-f]")
	if files = slices.DeleteFunc(files, func(name string) bool { return filepath.Ext(name) != "" }); err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	f, err := os.OpenFile(files[0], os.O_WRONLY, 0)
	if err == nil {
		err = errors.Join(second(f.WriteAt([]byte("evil"), 5000)), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if s.get(t, source, "one", s.process(t, true)) || len(s.told) != 1 || !strings.Contains(s.told[0], "damaged") {
		t.Errorf("told %q", s.told)
	}
}

// to returns options to save under a name.
func (s *site) to(name string) build.Options {
	o := s.opts
	o.Output = name
	return o
}

func TestSave(t *testing.T) {
	s := newSite(t)
	digest := s.push(t, "tool:1", "one")
	source := "docker://" + s.host + "/tool:1"
	for _, cached := range []bool{false, true, true} {
		o := s.to("out.sif")
		o.Force = true
		r, err := Save(t.Context(), source, o, s.process(t, cached))
		if err != nil {
			t.Fatal(err)
		}
		has(t, s.dir+"/out.sif", "one")
		info, err := os.Stat(s.dir + "/out.sif")
		if err != nil || info.Size() != r.Bytes || r.Name != source || r.Digest != digest || info.Mode()&0o111 == 0 {
			t.Errorf("%+v, %v, %v", r, info, err)
		}
	}
	s.requests()
	if _, err := Save(t.Context(), source, s.to("out.sif"), s.process(t, true)); err == nil || hint.Of(err) == "" || len(s.requests()) > 0 {
		t.Errorf("over a file that is there: %v", err)
	}
	o := s.to("out")
	o.Sandbox = true
	if _, err := Save(t.Context(), source, o, s.process(t, true)); err != nil {
		t.Fatal(err)
	}
	has(t, s.dir+"/out", "one")
}

// TestReproducible: the same bytes whenever it is pulled.
func TestReproducible(t *testing.T) {
	s := newSite(t)
	s.push(t, "tool:1", "one")
	var files [][]byte
	for i, name := range []string{"a.sif", "b.sif"} {
		o, e := s.to(name), s.process(t, false)
		o.Reproducible, e.Now = true, time.Unix(1700000000+int64(i)*1000, 0)
		if _, err := Save(t.Context(), "docker://"+s.host+"/tool:1", o, e); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, b)
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("two pulls differ")
	}
	f, err := image.Open(s.dir+"/a.sif", image.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := f.SIF().Created(); got != 1600000000 {
		t.Errorf("made at %d, not when the image was", got)
	}
}

// TestFailures leave nothing, neither here nor in the cache.
func TestFailures(t *testing.T) {
	s := newSite(t)
	s.push(t, "tool:1", "one")
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		source, want string
		ctx          context.Context
	}{
		{"docker://" + s.host + "/none:1", "404 Not Found", t.Context()},
		{"oras://" + s.host + "/none:1", "404 Not Found", t.Context()},
		{"oras://" + s.host + "/tool:1", "no SIF file", t.Context()},
		{"docker://" + s.host + "/tool:1", "canceled", done},
		{"docker://u:secret@" + s.host + "/tool:1", "log in instead", t.Context()},
		{"gopher://x/y", "gopher", t.Context()},
		{"oci:none", "no such file", t.Context()},
		{"oras://UPPER//x", "does not name", t.Context()},
	} {
		for _, cached := range []bool{true, false} {
			_, err := Save(c.ctx, c.source, s.to("out.sif"), s.process(t, cached))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error()+hint.Of(err), "secret") {
				t.Errorf("%s: %v, hint %q", c.source, err, hint.Of(err))
			}
		}
	}
	if names, err := filepath.Glob(s.dir + "/*"); err != nil || len(names) != 2 {
		t.Errorf("left %q, %v", names, err)
	}
	if names, err := filepath.Glob(s.dir + "/cache/*/*"); err != nil || slices.ContainsFunc(names, func(n string) bool { return !strings.Contains(n, "/document/") }) {
		t.Errorf("left in the cache %q, %v", names, err)
	}
}

func TestNames(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for source, want := range map[string]string{
		"docker://debian:12":          "debian_12.sif",
		"docker://debian":             "debian_latest.sif",
		"docker://h:5000/a/b-c.d:1.2": "b-c.d_1.2.sif",
		"docker://[::1]:5000/a/b":     "b_latest.sif",
		"docker://a/b@" + digest:      "b_" + strings.ReplaceAll(digest, ":", "_") + ".sif",
		"docker://a/b:1@" + digest:    "b_1.sif",
		"oras://h/x:1":                "x_1.sif",
		"library://lib/a/b:1,2":       "b_1.sif",
		"https://h/p/a.sif?token=1/2": "a.sif",
		"oci:dir/image:tag":           "image_tag.sif",
		"oci-archive:/x/y.tar":        "y.tar_latest.sif",
		"https://h/":                  "",
		"https://h/..":                "",
		"docker://":                   "",
		"docker:///:1":                "",
	} {
		got, err := FileName(source)
		if got != want || (err != nil) != (want == "") || err != nil && hint.Of(err) == "" {
			t.Errorf("%s: %q, %v", source, got, err)
		}
	}
	for source, want := range map[string]string{
		"https://u:pw@h/x.sif?token=1": "https://h/x.sif", "docker://u:pw@h/x:1": "docker://h/x:1", "oci:a?b": "oci:a?b",
	} {
		if got := Title(source); got != want {
			t.Errorf("%s: %s", source, got)
		}
	}
	for name, want := range map[string]bool{
		"docker://x": true, "docker:x": true, "oci:dir": true, "oci-archive:f": true, "docker-daemon:x": true, "oras://x": true,
		"gopher://x": true, "x.sif": false, "./docker:x": false, "a:b": false, "/a/b": false, "": false,
	} {
		if got := IsRemote(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
