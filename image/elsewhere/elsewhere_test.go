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

// serveLibrary has an image for every name.
func serveLibrary(w http.ResponseWriter, q *http.Request) {
	switch {
	case strings.HasPrefix(q.URL.Path, "/v1/images/"):
		fmt.Fprintf(w, `{"data": {"id": "1", "hash": %q, "size": %d, "uploaded": true, "architecture": "amd64"}}`,
			strings.Replace(sum(sif), ":", ".", 1), len(sif))
	case strings.HasPrefix(q.URL.Path, "/v1/imagefile/"):
		_, _ = w.Write(sif)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
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
	lib := httptest.NewServer(http.HandlerFunc(serveLibrary))
	t.Cleanup(lib.Close)
	inLib := "library://" + strings.TrimPrefix(lib.URL, "http://")
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
		{"library", "//ann/tools/tool:1", inLib + "/ann/tools/tool:1", sum(sif), kept.FileID(sum(sif))},
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

// A file is judged by one name, however it is written, and before its place is asked for
// anything. That of a library's file has the host of the library that will be asked.
func TestDenied(t *testing.T) {
	requests := 0
	lib := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		requests++
		serveLibrary(w, q)
	}))
	t.Cleanup(lib.Close)
	inLib := "library://" + strings.TrimPrefix(lib.URL, "http://")
	pinned := "ann/tools/tool:" + strings.Replace(sum(sif), ":", ".", 1)
	via := registry.New(registry.Options{})
	// As package endpoints has it, but for the file of remotes.
	libraries := func(_ context.Context, ref library.Reference, address string) (*library.Client, error) {
		switch {
		case address != "":
		case ref.Host != "":
			address = "https://" + ref.Host
		default:
			address = lib.URL // of the remote in use
		}
		return library.New(address, "", via)
	}
	refused := errors.New("refused")
	for _, c := range [][4]string{
		{"oras", "h.example/x", "oras://h.example/x:latest"},
		{"oras", "//h.example/x:1", "oras://h.example/x:1"},
		{"https", "//ann:secret@h.example/x.sif?token=secret", "https://h.example/x.sif"},
		{"library", "ann/tools/tool:1", inLib + "/ann/tools/tool:1"},
		{"library", "///tool", inLib + "/tool:latest"},
		{"library", pinned, inLib + "/" + pinned},
		{"library", "ann/tools/tool:1", "library://lib.example/ann/tools/tool:1", "https://lib.example"},
		{"library", "tool", "library://lib.example:5000/tool:latest", "http://lib.example:5000/x"},
		{"library", "tool", "library://lib.example/tool:latest", "https://lib.example:443"},
		{"library", "//own.example/" + pinned, "library://own.example/" + pinned},
	} {
		var judged []string
		f := Finder{Registry: via, Libraries: libraries, Library: c[3], Arch: "amd64"}
		f.Denied = func(name string) error {
			judged = append(judged, name)
			return refused
		}
		_, err := f.Find(t.Context(), c[0], c[1])
		if !errors.Is(err, refused) || strings.Join(judged, " ") != c[2] || !strings.HasPrefix(err.Error(), c[2]+": ") || requests > 0 {
			t.Errorf("%s:%s: %q is judged, %v, %d requests; want %q", c[0], c[1], judged, err, requests, c[2])
		}
	}
	// What may be used has the name that was judged.
	for _, rest := range []string{"ann/tools/tool:1", pinned} {
		f := Finder{Registry: via, Libraries: libraries, Arch: "amd64", Denied: func(string) error { return nil }}
		found, err := f.Find(t.Context(), "library", rest)
		if err != nil || found.Name != inLib+"/"+rest || found.Digest != sum(sif) {
			t.Errorf("%s: %+v, %v", rest, found, err)
			continue
		}
		var b bytes.Buffer
		if err := found.Copy(t.Context(), &b); err != nil || !bytes.Equal(b.Bytes(), sif) {
			t.Errorf("%s: %d bytes, %v", rest, b.Len(), err)
		}
	}
}
