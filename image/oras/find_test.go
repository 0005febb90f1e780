package oras

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sealift/sealift/image/oci/registry"
)

// TestDigestsT60: what is no digest of a file is refused before anything is done with it,
// in a manifest as in a name.
func TestDigestsT60(t *testing.T) {
	sum := strings.Repeat("a", 64)
	for _, digest := range []string{
		"", "sha256:", "sha256:../../x", "sha256:" + strings.Repeat("../", 21) + "x", "sha256:" + strings.Repeat("A", 64), "SHA256:" + sum,
		"sha256:" + sum[1:], "sha256:" + sum + "a", "md5:" + sum[:32], "md5:" + sum, "sha256:" + strings.Repeat("g", 64),
		"sha256:" + sum + "\n", "sha256:" + sum[:63] + "\n", "sha256:" + sum[:63] + "\x00", " sha256:" + sum, "sha512:" + sum + sum,
	} {
		asked := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path == "/v2/" {
				return
			}
			asked++
			if q.URL.Path != "/v2/r/manifests/v1" {
				t.Errorf("%q: asked for %s", digest, q.URL.Path)
			}
			err := json.NewEncoder(w).Encode(map[string]any{"layers": []any{map[string]any{"mediaType": layerType, "digest": digest, "size": 1}}})
			if err != nil && q.Method == http.MethodGet {
				t.Error(err)
			}
		}))
		ref := registry.Reference{Host: strings.TrimPrefix(s.URL, "http://"), Repository: "r", Tag: "v1"}
		f, err := Find(t.Context(), registry.New(registry.Options{}), ref, nil)
		s.Close()
		if err == nil || !strings.Contains(err.Error(), "its layer has the digest") || strings.ContainsAny(err.Error(), "\n\x00") || asked == 0 {
			t.Errorf("%q: %v, %v after %d requests", digest, f, err, asked)
		}
		if r, err := registry.ParseReference("h.example/r@" + digest); err == nil && !strings.HasPrefix(digest, "sha512:") {
			t.Errorf("%q: %v", digest, r)
		}
	}
}
