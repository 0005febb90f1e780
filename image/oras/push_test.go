package oras

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/registry"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/registry"
)

func server(t *testing.T) (*registry.Client, registry.Reference) {
	t.Helper()
	s := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	ref, err := registry.ParseReference(strings.TrimPrefix(s.URL, "http://") + "/team/tool:1")
	if err != nil {
		t.Fatal(err)
	}
	return registry.New(registry.Options{}), ref
}

// written is what Apptainer 1.5.3 makes of the file "hello\n" by the name
// a&b.sif, byte for byte.
const written = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
	`"config":{"mediaType":"application/vnd.sylabs.sif.config.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},` +
	`"layers":[{"mediaType":"application/vnd.sylabs.sif.layer.v1.sif","size":6,"digest":"sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",` +
	`"annotations":{"org.opencontainers.image.title":"a\u0026b.sif"}}]}`

func TestPush(t *testing.T) {
	c, ref := server(t)
	sent := int64(0)
	u := Upload{File: strings.NewReader("hello\n"), Size: 6, Title: "a&b.sif", Sent: func(n int64) { sent += n }}
	digest := ""
	for _, want := range []bool{false, true} {
		got, had, err := Push(t.Context(), c, ref, u)
		if err != nil || had != want || sent != 6 {
			t.Fatalf("%s, had %v, %v; %d bytes sent", got, had, err, sent)
		}
		digest = got
	}
	r, err := c.Open(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.Manifest(t.Context(), "")
	if err != nil || string(m.Raw) != written || m.Digest != digest || m.MediaType != manifestType {
		t.Errorf("%s, %v:\n%s\n%s", m.MediaType, err, m.Raw, written)
	}
	f, err := Find(t.Context(), c, ref, nil)
	if err != nil || f.Size != 6 {
		t.Fatal(f, err)
	}
	var got bytes.Buffer
	if err := f.Copy(t.Context(), &got); err != nil || got.String() != "hello\n" {
		t.Errorf("%q, %v", &got, err)
	}
}

func TestPushFails(t *testing.T) {
	c, ref := server(t)
	if _, _, err := Push(t.Context(), c, ref, Upload{File: strings.NewReader("short"), Size: 6}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that got shorter: %v", err)
	}
	pinned := registry.Reference{Host: ref.Host, Repository: ref.Repository, Digest: "sha256:" + strings.Repeat("a", 64)}
	if _, _, err := Push(t.Context(), c, pinned, Upload{}); err == nil || hint.Of(err) != "name a tag" {
		t.Errorf("a push to a digest: %v", err)
	}
	for _, refused := range []string{"POST", "PUT /v2/team/tool/manifests/"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			switch {
			case strings.HasPrefix(q.Method+" "+q.URL.Path, refused):
				w.WriteHeader(http.StatusForbidden)
			case q.Method == http.MethodHead && strings.HasPrefix(refused, "POST"):
				w.WriteHeader(http.StatusNotFound)
			}
		}))
		at := ref
		at.Host = strings.TrimPrefix(s.URL, "http://")
		_, _, err := Push(t.Context(), c, at, Upload{File: strings.NewReader("hello\n"), Size: 6})
		if err == nil || !strings.Contains(err.Error(), "403") || !strings.Contains(hint.Of(err), "log in") {
			t.Errorf("%s: %v", refused, err)
		}
		s.Close()
	}
}
