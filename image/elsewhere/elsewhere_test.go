package elsewhere

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sealift/sealift/image/build/kept"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/library"
	"github.com/sealift/sealift/image/oci/registry"
)

// sif begins as an image file does.
var sif = append([]byte("#!/usr/bin/env run-singularity\n\x00SIF_MAGIC\x0001\x00"), make([]byte, 9000)...)

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(s[:])
}

// TestFind has a file at each kind of place.
func TestFind(t *testing.T) {
	reg := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(reg.Close)
	host := strings.TrimPrefix(reg.URL, "http://")
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.sylabs.sif.config.v1+json")
	img, err := mutate.AppendLayers(img, static.NewLayer(sif, "application/vnd.sylabs.sif.layer.v1.sif"))
	if err != nil {
		t.Fatal(err)
	}
	to, err := name.ParseReference(host + "/team/tool:1")
	if err == nil {
		err = remote.Write(to, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/dated" {
			w.Header().Set("ETag", `"one"`)
		}
		http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(sif))
	}))
	t.Cleanup(web.Close)
	lib := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch {
		case strings.HasPrefix(q.URL.Path, "/v1/images/"):
			fmt.Fprintf(w, `{"data": {"id": "1", "hash": %q, "size": %d, "uploaded": true, "architecture": "amd64"}}`,
				strings.Replace(sum(sif), ":", ".", 1), len(sif))
		case strings.HasPrefix(q.URL.Path, "/v1/imagefile/"):
			_, _ = w.Write(sif)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(lib.Close)
	asked := 0
	f := Finder{Registry: registry.New(registry.Options{}), Arch: "amd64"}
	f.Libraries = func(_ context.Context, _ library.Reference, address string) (*library.Client, error) {
		asked++
		if address != "" {
			t.Errorf("asked for the library %s", address)
		}
		return library.New(lib.URL, "", f.Registry)
	}
	pinned := "//ann/tools/tool:" + strings.Replace(sum(sif), ":", ".", 1)
	for _, c := range []struct {
		transport, rest, name, digest string
		id                            cache.ID
	}{
		{"oras", "//" + host + "/team/tool:1", "oras://" + host + "/team/tool:1", sum(sif), kept.FileID(sum(sif))},
		{"library", "//ann/tools/tool:1", "library://ann/tools/tool:1", sum(sif), kept.FileID(sum(sif))},
		{"library", pinned, "library:" + pinned, sum(sif), kept.FileID(sum(sif))},
		{"http", strings.TrimPrefix(web.URL, "http:") + "/plain?token=x", web.URL + "/plain", "", cache.ID{}},
		{"http", strings.TrimPrefix(web.URL, "http:") + "/dated", web.URL + "/dated", "", kept.FileID("")},
	} {
		asked = 0
		found, err := f.Find(t.Context(), c.transport, c.rest)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if c.rest == pinned && asked > 0 {
			t.Error("a library is asked for a digest that may be here")
		}
		if c.id == kept.FileID("") && found.ID.Key != "" {
			c.id.Key = found.ID.Key // some digest
		}
		if found.Name != c.name || found.Digest != c.digest || found.ID != c.id || !Holds(c.transport) {
			t.Errorf("%+v, not %+v", found, c)
		}
		if found.Size != int64(len(sif)) && c.rest != pinned {
			t.Errorf("%s has %d bytes", c.name, found.Size)
		}
		var b bytes.Buffer
		if err := found.Copy(t.Context(), &b); err != nil || !bytes.Equal(b.Bytes(), sif) {
			t.Errorf("%s: %d bytes, %v", c.name, b.Len(), err)
		}
	}
	f.Libraries = func(_ context.Context, _ library.Reference, address string) (*library.Client, error) {
		return library.New(address, "", f.Registry)
	}
	f.Library = lib.URL
	host = strings.TrimPrefix(lib.URL, "http://")
	if found, err := f.Find(t.Context(), "library", "ann/tools/tool:1"); err != nil || found.Name != "library://"+host+"/ann/tools/tool:1" {
		t.Errorf("%+v, %v", found, err)
	}
	f.Libraries = func(_ context.Context, _ library.Reference, address string) (*library.Client, error) {
		return nil, errors.New("not that of " + address)
	}
	f.Library = "elsewhere"
	for _, c := range [][3]string{
		{"library", "//ann/tools/tool:1", "not that of elsewhere"},
		{"library", "//ann:secret@h/a/b/c", "is not a host"},
		{"oras", "//UPPER", "does not name"},
		{"http", "//", "no address"},
	} {
		if _, err := f.Find(t.Context(), c[0], c[1]); err == nil || !strings.Contains(err.Error(), c[2]) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s:%s: %v", c[0], c[1], err)
		}
	}
	if _, err := (Finder{}).Find(t.Context(), "oras", "//h/x"); err == nil || !strings.Contains(err.Error(), "no network") {
		t.Errorf("without a client: %v", err)
	}
	f.Libraries = nil
	if _, err := f.Find(t.Context(), "library", "//a/b/c:1"); err == nil || !strings.Contains(err.Error(), "no library") {
		t.Errorf("without libraries: %v", err)
	}
}

// What is elsewhere has one name, however it is written.
func TestName(t *testing.T) {
	for _, c := range [][4]string{
		{"oras", "h.example/x", "oras://h.example/x:latest"},
		{"oras", "//h.example/x:1", "oras://h.example/x:1"},
		{"library", "ann/tools/tool:1", "library://ann/tools/tool:1"},
		{"library", "ann/tools/tool:1", "library://lib.example/ann/tools/tool:1", "https://lib.example"},
		{"library", "tool", "library://lib.example:5000/tool:latest", "http://ann:secret@lib.example:5000/x"},
		{"library", "tool", "library://lib.example/tool:latest", "lib.example/"},
		{"library", "//own.example/ann/tools/tool:1", "library://own.example/ann/tools/tool:1", "https://lib.example"},
		{"https", "//ann:secret@h.example/x.sif?token=secret", "https://h.example/x.sif"},
	} {
		if got, err := Name(c[0], c[1], c[3]); err != nil || got != c[2] {
			t.Errorf("%s:%s: %q, %v; want %q", c[0], c[1], got, err, c[2])
		}
	}
	for _, c := range [][2]string{{"oras", "//UPPER"}, {"library", "//ann:secret@h/a/b/c"}, {"http", "//"}, {"ftp", "//h/x"}} {
		if got, err := Name(c[0], c[1], ""); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s:%s: %q, %v", c[0], c[1], got, err)
		}
	}
}
