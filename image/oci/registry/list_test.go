package registry

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

// image pushes an image of two blobs.
func (s *server) image(t *testing.T, ref string) (digest string) {
	t.Helper()
	w := s.writer(t, ref)
	config, layer := blobOf([]byte("{}")), blobOf([]byte(ref))
	for _, b := range []Blob{config, layer} {
		if _, err := w.PutBlob(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	raw := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"digest":%q,"size":2},"layers":[{"digest":%q,"size":%d}]}`, ociManifest, config.Digest, layer.Digest, layer.Size)
	digest, err := w.PutManifest(t.Context(), ociManifest, []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func (s *server) named(t *testing.T, text string) Reference {
	t.Helper()
	r, err := ParseReference(s.host() + "/" + text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTagsAndDeletes(t *testing.T) {
	s := newServer(t, Options{})
	digest := s.image(t, "team/tools:1")
	if got, err := s.client.Tag(t.Context(), s.named(t, "team/tools:1"), s.named(t, "team/tools:stable")); err != nil || got != digest {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := s.client.Tag(t.Context(), s.named(t, "team/tools@"+digest), s.named(t, "team/tools:2")); err != nil || got != digest {
		t.Errorf("%s, %v", got, err)
	}
	if tags, err := s.client.Tags(t.Context(), s.named(t, "team/tools")); err != nil || !slices.Equal(tags, []string{"1", "2", "stable"}) {
		t.Errorf("%q, %v", tags, err)
	}
	s.image(t, "other:1")
	if list, err := s.client.Catalog(t.Context(), s.host()); err != nil || !slices.Equal(slices.Sorted(slices.Values(list)), []string{"other", "team/tools"}) {
		t.Errorf("%q, %v", list, err)
	}
	for _, c := range []struct {
		from, to Reference
		want     string
	}{
		{s.named(t, "team/tools:none"), s.named(t, "team/tools:x"), "404"},
		{s.named(t, "team/tools:1"), Reference{Host: "h.example", Repository: "x", Tag: "1"}, "in two registries"},
		{s.named(t, "team/tools:1"), s.named(t, "team/tools@"+digest), "is a digest"},
	} {
		if _, err := s.client.Tag(t.Context(), c.from, c.to); err == nil || !strings.Contains(err.Error(), c.want) || hint.Of(err) == "" {
			t.Errorf("%v to %v: %v", c.from, c.to, err)
		}
	}

	d, err := s.client.Deleter(t.Context(), s.named(t, "team/tools:2"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := d.Resolve(t.Context()); err != nil || got != digest {
		t.Errorf("%s, %v", got, err)
	}
	if err := d.Delete(t.Context(), "sha256:../x"); err == nil {
		t.Error("a digest that is none is deleted")
	}
	if err := d.Delete(t.Context(), digest); err != nil {
		t.Error(err)
	}
	r, err := s.open(t, "team/tools@"+digest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Manifest(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a deleted image: %v", err)
	}
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return true
	}
	if err := d.Delete(t.Context(), digest); err == nil || !strings.Contains(err.Error(), "405") || !strings.Contains(hint.Of(err), "forbids deletes") {
		t.Errorf("error %v, hint %q", err, hint.Of(err))
	}
}

// TestShare: blobs of another repository are not sent.
func TestShare(t *testing.T) {
	s := newServer(t, Options{})
	inner := s.image(t, "from:1")
	index := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":%q,"digest":%q,"size":1}]}`, ociManifest, inner)
	want, err := s.writer(t, "from:all").PutManifest(t.Context(), "application/vnd.oci.image.index.v1+json", []byte(index))
	if err != nil {
		t.Fatal(err)
	}
	var mounts []string
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		if q.Method == http.MethodHead && strings.HasPrefix(q.URL.Path, "/v2/team/to/blobs/") {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		if q.Method == http.MethodPost {
			mounts = append(mounts, q.URL.RawQuery)
			w.WriteHeader(http.StatusCreated)
			return true
		}
		if q.Method == http.MethodPut && !strings.Contains(q.URL.Path, "/manifests/") {
			t.Errorf("%s %s", q.Method, q.URL)
		}
		return false
	}
	if got, err := s.client.Tag(t.Context(), s.named(t, "from:all"), s.named(t, "team/to:all")); err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	if len(mounts) != 2 || !strings.HasPrefix(mounts[0], "from=from&mount=sha256%3A") {
		t.Errorf("%q", mounts)
	}
	r, err := s.open(t, "team/to:all")
	if err != nil {
		t.Fatal(err)
	}
	for _, digest := range []string{want, inner} {
		if _, err := r.Manifest(t.Context(), digest); err != nil {
			t.Errorf("%s: %v", digest, err)
		}
	}
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		if q.Method == http.MethodHead {
			w.WriteHeader(http.StatusNotFound)
		}
		return q.Method == http.MethodHead
	}
	_, err = s.client.Tag(t.Context(), s.named(t, "from:1"), s.named(t, "team/to:2"))
	if err == nil || !strings.Contains(err.Error(), "does not give it to another repository") || hint.Of(err) != "pull the image, and push it" {
		t.Errorf("error %v, hint %q", err, hint.Of(err))
	}
}

func TestLists(t *testing.T) {
	s := newServer(t, Options{})
	host := s.host()
	for _, c := range []struct {
		name  string
		pages map[string]string // by query
		links map[string]string
		want  []string
		fails string
	}{
		{"one", map[string]string{"n=1000": `{"name":"repo","tags":["a","b"]}`}, nil, []string{"a", "b"}, ""},
		{"none", map[string]string{"n=1000": `{"name":"repo","tags":null}`}, nil, nil, ""},
		{"two", map[string]string{"n=1000": `{"tags":["a"]}`, "last=a": `{"tags":["b"]}`}, map[string]string{"n=1000": `</v2/repo/tags/list?last=a>; rel="next"`}, []string{"a", "b"}, ""},
		{"relative", map[string]string{"n=1000": `{"tags":["a"]}`, "last=a": `{"tags":["b"]}`}, map[string]string{"n=1000": `<list?last=a>; rel=next`}, []string{"a", "b"}, ""},
		{"another link", map[string]string{"n=1000": `{"tags":["a"]}`}, map[string]string{"n=1000": `<list?last=a>; rel="prev"`}, []string{"a"}, ""},
		{"elsewhere", map[string]string{"n=1000": `{"tags":["a"]}`}, map[string]string{"n=1000": `<http://h.example/v2/repo/tags/list>; rel="next"`}, nil, "it goes on elsewhere"},
		{"with TLS", map[string]string{"n=1000": `{"tags":["a"]}`}, map[string]string{"n=1000": `<https://` + host + `/v2/repo/tags/list>; rel="next"`}, nil, "it goes on elsewhere"},
		{"endless", map[string]string{"n=1000": `{"tags":[]}`}, map[string]string{"n=1000": `<list?n=1000>; rel="next"`}, nil, "more than 33554432 bytes"},
		{"huge", map[string]string{"n=1000": strings.Repeat(" ", maxList+1)}, nil, nil, "more than 33554432 bytes"},
		{"no list", map[string]string{"n=1000": `[]`}, nil, nil, "cannot unmarshal"},
	} {
		s.fault = func(w http.ResponseWriter, q *http.Request) bool {
			if q.URL.Path != "/v2/repo/tags/list" {
				return false
			}
			if link := c.links[q.URL.RawQuery]; link != "" {
				w.Header().Set("Link", link)
			}
			_, _ = io.WriteString(w, c.pages[q.URL.RawQuery])
			return true
		}
		got, err := s.client.Tags(t.Context(), s.named(t, "repo"))
		if !slices.Equal(got, c.want) || (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		if q.URL.Path == "/v2/_catalog" {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	if _, err := s.client.Catalog(t.Context(), host); err == nil || !strings.Contains(err.Error(), "does not list its repositories: the registry answers 403") || !strings.Contains(hint.Of(err), "name a repository") {
		t.Errorf("error %v, hint %q", err, hint.Of(err))
	}
	if _, err := s.client.Catalog(t.Context(), "a b"); err == nil {
		t.Error("a host that is none is asked")
	}
}

// TestCatalogScope: a token for the list of repositories has its own scope.
func TestCatalogScope(t *testing.T) {
	s := newSecured(t, nil)
	s.realm = s.URL + "/token"
	user := Credentials{Username: "user", Password: "secret"}
	_, err := New(s.options(t, user)).Catalog(t.Context(), s.ref().Host)
	if err == nil || !slices.Contains(s.seen, s.ref().Host+" /v2/_catalog Bearer bought for registry:catalog:*") {
		t.Errorf("%v, seen %q", err, s.seen)
	}
}
