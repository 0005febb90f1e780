package oci

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	name "github.com/google/go-containerregistry/pkg/name"
	ggcrregistry "github.com/google/go-containerregistry/pkg/registry"
	ggcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	ggcrrandom "github.com/google/go-containerregistry/pkg/v1/random"
	ggcrremote "github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/sealift/sealift/image/oci/registry"
)

// registryServer is a registry that notes what it is asked.
type registryServer struct {
	*httptest.Server
	asked []string // METHOD KIND of each request
}

func newRegistry(t *testing.T) *registryServer {
	s := &registryServer{}
	real := ggcrregistry.New(ggcrregistry.Logger(log.New(io.Discard, "", 0)))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if parts := strings.Split(q.URL.Path, "/"); len(parts) > 4 {
			s.asked = append(s.asked, q.Method+" "+parts[len(parts)-2])
		}
		real.ServeHTTP(w, q)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *registryServer) ref(t *testing.T, rest string) Reference {
	t.Helper()
	ref, err := ParseReference("docker://" + strings.TrimPrefix(s.URL, "http://") + "/" + rest)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// forPlatform returns an image of random layers.
func forPlatform(t *testing.T, arch string) ggcr.Image {
	t.Helper()
	img, err := ggcrrandom.Image(3000, 2)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c.OS, c.Architecture = "linux", arch
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	return img
}

// kept are documents in memory.
type kept map[string][]byte

func (k kept) Document(digest string, valid func([]byte) bool, fetch func() ([]byte, error)) (raw []byte, err error) {
	if raw, ok := k[digest]; ok && valid(raw) {
		return raw, nil
	}
	k[digest], err = fetch()
	return k[digest], err
}

func TestRegistry(t *testing.T) {
	s := newRegistry(t)
	plain, other := forPlatform(t, "amd64"), forPlatform(t, "arm64")
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: other, Descriptor: ggcr.Descriptor{Platform: &ggcr.Platform{OS: "linux", Architecture: "arm64"}}},
		mutate.IndexAddendum{Add: plain, Descriptor: ggcr.Descriptor{Platform: &ggcr.Platform{OS: "linux", Architecture: "amd64"}}})
	for _, put := range []func(name.Reference) error{
		func(r name.Reference) error { return ggcrremote.Write(r, plain) },
		func(r name.Reference) error { return ggcrremote.WriteIndex(r, index) },
	} {
		ref := s.ref(t, "team/app:v1")
		to, err := name.ParseReference(ref.Registry.String())
		if err != nil {
			t.Fatal(err)
		}
		if err := put(to); err != nil {
			t.Fatal(err)
		}
		want, err := plain.Digest()
		if err != nil {
			t.Fatal(err)
		}
		o := Options{Registry: registry.New(registry.Options{}), Documents: kept{}}
		for try := range 2 {
			s.asked = nil
			img, err := Open(t.Context(), ref, amd64, o)
			if err != nil {
				t.Fatal(err)
			}
			if img.Digest() != want.String() || img.Config().Architecture != "amd64" || len(img.Layers()) != 2 {
				t.Errorf("%s, %+v", img.Digest(), img.Config())
			}
			if try == 1 && !slices.Equal(s.asked, []string{"HEAD manifests"}) {
				t.Errorf("asked %q, with all documents there", s.asked)
			}
			for i, l := range img.Layers() {
				r, err := l.Open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, r); err != nil || n < 3000 {
					t.Errorf("layer %d: %d bytes, %v", i, n, err)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
			if err := img.Close(); err != nil {
				t.Error(err)
			}
		}
		// By digest, nothing is asked.
		s.asked = nil
		if _, err := Open(t.Context(), s.ref(t, "team/app@"+want.String()), amd64, o); err != nil || len(s.asked) > 0 {
			t.Errorf("asked %q, %v", s.asked, err)
		}
		// Documents that are not what they were are fetched again.
		for d := range o.Documents.(kept) {
			o.Documents.(kept)[d] = []byte("{}")
		}
		if _, err := Open(t.Context(), ref, amd64, o); err != nil {
			t.Error(err)
		}
	}
	if _, err := Open(t.Context(), s.ref(t, "team/app:v1"), Platform{OS: "linux", Arch: "riscv64"}, Options{Registry: registry.New(registry.Options{})}); err == nil ||
		!strings.Contains(err.Error(), "not for linux/riscv64") {
		t.Errorf("error %v", err)
	}
	if _, err := Open(t.Context(), s.ref(t, "team/app:v1"), amd64, Options{}); err == nil || !strings.Contains(err.Error(), "no registry") {
		t.Errorf("error %v", err)
	}
	if _, err := Open(t.Context(), s.ref(t, "team/none"), amd64, Options{Registry: registry.New(registry.Options{})}); err == nil ||
		!strings.Contains(err.Error(), "404 Not Found") {
		t.Errorf("error %v", err)
	}
}
