package remotes

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestGetAnywhere(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/there":
			_, _ = io.WriteString(w, "text")
		case "/moved":
			http.Redirect(w, q, "/there", http.StatusFound)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	path := t.TempDir() + "/file"
	if err := os.WriteFile(path, []byte("local"), 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{s.URL + "/there": "text", s.URL + "/moved": "text", "file://" + path: "local"} {
		r, _, err := Get(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", url, b, err)
		}
		r.Close()
	}
	for url, want := range map[string]string{
		s.URL + "/none": "404 Not Found", "file:///none": "no such file", "ftp://h/x": "cannot be fetched", "http://127.0.0.1:1/": "refused", ":": "missing",
	} {
		if _, _, err := Get(t.Context(), url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", url, err)
		}
	}
}

// TestNoWayDown: TLS is not left by a redirect.
func TestNoWayDown(t *testing.T) {
	q := func(url string) *http.Request {
		r, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	check := client().CheckRedirect
	if err := check(q("http://b/"), []*http.Request{q("https://a/")}); err == nil {
		t.Error("http after https is followed")
	}
	if err := check(q("https://b/"), []*http.Request{q("http://a/")}); err != nil {
		t.Error(err)
	}
}

func TestGet(t *testing.T) {
	changed := time.Unix(1000, 0).UTC()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/f" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Last-Modified", changed.Format(http.TimeFormat))
		if _, err := io.WriteString(w, "text"); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	r, at, err := Get(t.Context(), server.URL+"/f")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if text, err := io.ReadAll(r); err != nil || string(text) != "text" || !at.Equal(changed) {
		t.Errorf("%q of %v, %v", text, at, err)
	}
	if _, _, err := Get(t.Context(), server.URL+"/none"); hint.Of(err) == "" {
		t.Errorf("a file that is not there: %v", err)
	}
	server.Close()
	if _, _, err := Get(t.Context(), server.URL+"/f"); hint.Of(err) == "" {
		t.Errorf("a server that is not there: %v", err)
	}
}
