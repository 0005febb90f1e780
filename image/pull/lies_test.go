package pull

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/sealift/sealift/buildcfg/hint"
)

// mark is in everything that is a lie.
const mark = `"evil"`

// evilLayer returns a layer whose file has the mark.
func evilLayer(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	err := errors.Join(w.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: int64(len(mark))}), second(io.WriteString(w, mark)), w.Close(), z.Close())
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// parts returns the image's name at the site, of an index, and the digests of what it is
// made of.
func (s *site) parts(t *testing.T) (index, manifest, config, layer string) {
	t.Helper()
	s.push(t, "tool:plain", "one")
	from, err := name.ParseReference(s.host + "/tool:plain")
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(from)
	if err != nil {
		t.Fatal(err)
	}
	list := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img,
		Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}})
	to, err := name.ParseReference(s.host + "/tool:1")
	if err == nil {
		err = remote.WriteIndex(to, list)
	}
	if err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	top, err1 := list.Digest()
	one, err2 := img.Digest()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return top.String(), one.String(), m.Config.Digest.String(), m.Layers[0].Digest.String()
}

// marked returns a document that says something else.
func marked(b []byte) []byte { return append([]byte(`{`+mark+`:1,`), b[1:]...) }

// TestLiesT59: whatever a registry sends in the place of what was asked for, it is one
// error, and neither that nor what came before it is taken for the image afterwards: the
// cache has none of it, and what is true is found when it is there.
func TestLiesT59(t *testing.T) {
	s := newSite(t)
	index, manifest, config, layer := s.parts(t)
	another := "sha256:" + strings.Repeat("a", 64)
	evil := evilLayer(t)
	type lie struct {
		at     string // the last part of the path
		change func(b []byte) []byte
	}
	swap := func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b }
	same := func(b []byte) []byte { return bytes.Clone(append(marked(b), make([]byte, len(b))...)[:len(b)]) }
	for what, c := range map[string]struct {
		lie
		says string // of the tag, if not the truth
		ref  string
		want string
	}{
		"what the tag is":             {lie{another, nil}, another, ":1", "instead of " + another},
		"the index of a tag":          {lie{index, marked}, "", ":1", "instead of " + index},
		"the index of a digest":       {lie{index, marked}, "", "@" + index, "instead of " + index},
		"one bit of the index":        {lie{index, swap}, "", ":1", "instead of " + index},
		"the manifest of an index":    {lie{manifest, marked}, "", ":1", "instead of " + manifest},
		"the manifest of a digest":    {lie{manifest, marked}, "", "@" + manifest, "instead of " + manifest},
		"a manifest, of the size":     {lie{manifest, same}, "", ":1", "instead of " + manifest},
		"a manifest with a space":     {lie{manifest, func(b []byte) []byte { return append(b, ' ') }}, "", ":1", "instead of " + manifest},
		"nothing as the manifest":     {lie{manifest, func([]byte) []byte { return nil }}, "", ":1", "instead of " + manifest},
		"the configuration":           {lie{config, marked}, "", ":1", "bytes there, not"},
		"a configuration of the size": {lie{config, same}, "", ":1", "not " + config},
		"one bit of the layer":        {lie{layer, swap}, "", ":1", layer},
		"the layer":                   {lie{layer, func([]byte) []byte { return evil }}, "", ":1", layer},
		"a layer that is cut":         {lie{layer, func(b []byte) []byte { return b[:len(b)-1] }}, "", ":1", "bytes there, not"},
		"a layer that goes on":        {lie{layer, func(b []byte) []byte { return append(b, 0) }}, "", ":1", "bytes there, not"},
	} {
		t.Run(what, func(t *testing.T) {
			lying := true
			liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				path := q.URL.Path
				last := path[strings.LastIndexByte(path, '/')+1:]
				if lying && last == another {
					path = strings.ReplaceAll(path, another, index)
				}
				ask, err := http.NewRequest(q.Method, "http://"+s.host+path, nil)
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := http.DefaultClient.Do(ask)
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				b, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Error(err)
				}
				for _, key := range []string{"Content-Type", "Docker-Content-Digest"} {
					w.Header().Set(key, resp.Header.Get(key))
				}
				if lying && last == c.at && c.change != nil {
					b = c.change(b)
				}
				if lying && c.says != "" {
					w.Header().Set("Docker-Content-Digest", c.says)
				}
				w.WriteHeader(resp.StatusCode)
				_, _ = w.Write(b) // who has gone does not want it
			}))
			defer liar.Close()
			at := &site{dir: t.TempDir(), host: strings.TrimPrefix(liar.URL, "http://")}
			at.opts.TmpDir = filepath.Join(at.dir, "tmp")
			if err := os.Mkdir(at.opts.TmpDir, 0o700); err != nil {
				t.Fatal(err)
			}
			source := "docker://" + at.host + "/tool" + c.ref
			for range 2 { // what the first one left is found by the second
				_, err := Save(t.Context(), source, at.to("out.sif"), at.process(t, true))
				if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || hint.Of(err) == "" {
					t.Errorf("error %v, hint %q", err, hint.Of(err))
				}
				at.wantNothing(t)
			}
			lying = false
			if _, err := Save(t.Context(), source, at.to("out.sif"), at.process(t, true)); err != nil {
				t.Fatal(err)
			}
			has(t, at.dir+"/out.sif", "one")
			if !at.get(t, source, "one", at.process(t, true)) {
				t.Error("what is true is not in the cache")
			}
		})
	}
}

// wantNothing wants no output, no temporary file, and a cache that holds documents only
// of which none is a lie.
func (s *site) wantNothing(t *testing.T) {
	t.Helper()
	if names, err := filepath.Glob(s.dir + "/*"); err != nil || len(names) != 2 {
		t.Errorf("left %q, %v", names, err)
	}
	if left, err := os.ReadDir(s.opts.TmpDir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	err := filepath.WalkDir(s.dir+"/cache", func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if bytes.Contains(b, []byte(mark)) {
			t.Errorf("%s has what was a lie", path)
		}
		if len(b) > 0 && filepath.Base(filepath.Dir(path)) != "document" && filepath.Dir(path) != s.dir+"/cache" {
			t.Errorf("%s has %d bytes", path, len(b))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
