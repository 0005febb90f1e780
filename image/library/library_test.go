package library

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/fixture"
	"github.com/sealift/sealift/image/oci/registry"
)

const path = "team/tools/plot"

func newLibrary(t *testing.T) *fixture.Library {
	l := fixture.NewLibrary()
	t.Cleanup(l.Close)
	return l
}

// via is a transport that does not wait.
func via() *registry.Client {
	return registry.New(registry.Options{UserAgent: "sealift/test", Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
}

func client(t *testing.T, l *fixture.Library, token string) *Client {
	t.Helper()
	c, err := New(l.URL()+"/", token, via())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func reference(t *testing.T, s string) Reference {
	t.Helper()
	r, err := ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func TestFind(t *testing.T) {
	l := newLibrary(t)
	l.Token = "secret"
	b := noise(100_000)
	digest := l.Put(path, "1.0", "amd64", b)
	for name, want := range map[string]string{
		"library://" + path + ":1.0": "", path + ":" + digest: "",
		path + ":2.0": "404 Not Found", path: "404 Not Found", path + ":1.0,2.0": "names 2 images",
	} {
		c := client(t, l, "secret")
		f, err := c.Find(t.Context(), reference(t, name), "amd64")
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
				t.Errorf("%s: error %v, hint %q", name, err, hint.Of(err))
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := f.Copy(t.Context(), &got); err != nil || f.Digest != digest || f.Size != int64(len(b)) || !bytes.Equal(got.Bytes(), b) {
			t.Errorf("%s: %+v, %d bytes, %v", name, f, got.Len(), err)
		}
	}
	if _, err := client(t, l, "").Find(t.Context(), reference(t, path+":1.0"), "arm64"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v", err)
	}
	if seen := l.Leaked(); len(seen) > 0 {
		t.Errorf("the storage saw %q", seen)
	}
}

// TestPrivate: the token is what lets in, and its lack is told.
func TestPrivate(t *testing.T) {
	l := newLibrary(t)
	l.Token = "secret"
	l.Put("private/x/y", "latest", "amd64", []byte("bytes"))
	ref := reference(t, "private/x/y")
	if _, err := client(t, l, "secret").Find(t.Context(), ref, "amd64"); err != nil {
		t.Error(err)
	}
	for token, want := range map[string]string{"": "check the name, and log in", "stale": "the token may be old"} {
		_, err := client(t, l, token).Find(t.Context(), ref, "amd64")
		if err == nil || !strings.Contains(err.Error(), "answers 401 Unauthorized") || !strings.Contains(hint.Of(err), want) {
			t.Errorf("%q: %v, hint %q", token, err, hint.Of(err))
		}
		if err != nil && token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("the token is told: %v", err)
		}
	}
}

// fault answers the requests whose path begins so, the first times.
func fault(prefix string, times int, answer http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, q *http.Request) bool {
		if !strings.HasPrefix(q.URL.Path, prefix) || times == 0 {
			return false
		}
		times--
		answer(w, q)
		return true
	}
}

func text(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestFaults(t *testing.T) {
	b := noise(100_000)
	sum := digestOf(b)
	record := func(hash string, size int) string {
		return fmt.Sprintf(`{"data":{"id":"100","hash":%q,"size":%d}}`, hash, size)
	}
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(b[:40_000])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	for name, c := range map[string]struct {
		prefix string
		times  int
		answer http.HandlerFunc
		want   string
	}{
		"cut":             {"/get/", 1, cut, ""},
		"busy":            {"/v1/images/", 2, text(429, ""), ""},
		"busy for ever":   {"/v1/images/", -1, text(429, `{"error":{"code":429,"message":"slow down"}}`), `answers 429 Too Many Requests: "slow down"`},
		"storage fails":   {"/get/", 3, text(503, ""), ""},
		"storage refuses": {"/get/", -1, text(403, "<Error/>"), "403 Forbidden"},
		"another file":    {"/get/", -1, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(noise(100_001)[1:]) }, "came instead of"},
		"too long":        {"/get/", -1, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(noise(200_000)) }, "it goes on after 100000 bytes"},
		"no digest":       {"/v1/images/", -1, text(200, record("sif.1234", 1)), "not by a digest"},
		"evil digest":     {"/v1/images/", -1, text(200, record("sha256.../../x", 1)), "not by a digest"},
		"negative size":   {"/v1/images/", -1, text(200, record("sha256."+sum, -1)), "not by a digest"},
		"evil id":         {"/v1/images/", -1, text(200, `{"data":{"id":"../x"}}`), `sends "../x" as an id`},
		"no JSON":         {"/v1/images/", -1, text(200, "<html>log in"), "does not answer as a library"},
		"no object":       {"/v1/images/", -1, text(200, `{"data":[]}`), "does not answer as a library"},
		"an error":        {"/v1/images/", -1, text(200, `{"error":{"message":"no"}}`), `answers "no"`},
		"endless": {"/v1/images/", -1, func(w http.ResponseWriter, q *http.Request) {
			for q.Context().Err() == nil {
				_, _ = w.Write(b)
			}
		}, "of more than 8388608 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLibrary(t)
			l.Put(path, "latest", "amd64", b)
			l.Fault = fault(c.prefix, c.times, c.answer)
			f, err := client(t, l, "secret").Find(t.Context(), reference(t, path), "amd64")
			var got bytes.Buffer
			if err == nil {
				err = f.Copy(t.Context(), &got)
			}
			if c.want == "" && (err != nil || !bytes.Equal(got.Bytes(), b)) {
				t.Errorf("%d bytes, %v", got.Len(), err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "X-Amz") {
				t.Errorf("a signed address is told: %v", err)
			}
			if seen := l.Leaked(); len(seen) > 0 {
				t.Errorf("the storage saw %q", seen)
			}
		})
	}
}

// TestGoesOn: after a cut, only the rest is asked for, by way of the library,
// which signs anew.
func TestGoesOn(t *testing.T) {
	l := newLibrary(t)
	b := noise(100_000)
	l.Put(path, "latest", "amd64", b)
	l.Fault = fault("/get/", 1, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(b[:40_000])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	f, err := client(t, l, "").Find(t.Context(), reference(t, path), "amd64")
	if err != nil {
		t.Fatal(err)
	}
	l.Requests()
	if err := f.Copy(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	want := "GET /v1/imagefile/" + path + ":latest,storage GET /get/100," +
		"GET /v1/imagefile/" + path + ":latest bytes=40000-,storage GET /get/100 bytes=40000-"
	if got := strings.Join(l.Requests(), ","); got != want {
		t.Errorf("asked %s", got)
	}
}

// TestAnotherImageForADigest: a library cannot swap what a digest names.
func TestAnotherImageForADigest(t *testing.T) {
	l := newLibrary(t)
	l.Fault = fault("/v1/images/", -1, text(200, `{"data":{"id":"1","size":3,"hash":"sha256.`+strings.Repeat("b", 64)+`"}}`))
	ref := reference(t, path+":sha256."+strings.Repeat("a", 64))
	if _, err := client(t, l, "").Find(t.Context(), ref, "amd64"); err == nil || !strings.Contains(err.Error(), "instead of sha256:aaaa") {
		t.Errorf("error %v", err)
	}
}

func TestNew(t *testing.T) {
	for _, address := range []string{"", "h", "ftp://h", "https://", "https://u:secret@h", "https://h?x", ":"} {
		if _, err := New(address, "", via()); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", address, err)
		}
	}
	c, err := New("https://h.example/api/", "", via())
	if err != nil || c.URL() != "https://h.example/api" || c.address("v1/x", nil) != "https://h.example/api/v1/x" {
		t.Errorf("%v, %v", c, err)
	}
	for address, host := range map[string]string{
		"https://h.example:443/x": "h.example", "http://h.example:80": "h.example", "http://h.example:443": "h.example:443",
		"https://[::1]:5000": "[::1]:5000", "https://h.example": "h.example",
	} {
		if c, err := New(address, "", via()); err != nil || c.Host() != host {
			t.Errorf("%s: %v, %v; want the host %s", address, c, err, host)
		}
	}
	if c, err = New("http://127.0.0.1:1", "", via()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Find(t.Context(), reference(t, path), "amd64"); err == nil || !strings.Contains(hint.Of(err), "HTTPS_PROXY") {
		t.Errorf("error %v, hint %q", err, hint.Of(err))
	}
}
