package wire

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

// TestServerDo: an answer of any status comes back; errors tell no secret.
func TestServerDo(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/there" {
			http.Redirect(w, q, "/here", http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, q.Header.Get("Authorization")+q.Header.Get("Referer"))
	}))
	hops := 0
	server := NewServer(Options{}.Complete(), http.DefaultTransport, func(q *http.Request) {
		hops++
		q.Header.Set("Authorization", "x")
	})
	ask := func(address string) (*http.Response, error) {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		return server.Do(q)
	}
	resp, err := ask(s.URL + "/there?secret")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "x" || resp.StatusCode != http.StatusTeapot || hops != 2 {
		t.Errorf("%q, %v, %s after %d hops", b, err, resp.Status, hops)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	s.Close()
	address := strings.Replace(s.URL, "//", "//me:secret@", 1) + "/path?secret#secret"
	if _, err := ask(address); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "/path: ") || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
}

// TestHops: redirects do not leave TLS, nor tell whence they come.
func TestHops(t *testing.T) {
	q := func(address string) *http.Request {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return &http.Request{URL: u, Header: http.Header{"Referer": {"secret"}}}
	}
	down := q("http://b/?secret")
	if err := checkHop(down, []*http.Request{q("https://a/")}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("http after https: %v", err)
	}
	up := q("https://b/")
	if err := checkHop(up, []*http.Request{q("http://a/")}); err != nil || up.Header.Get("Referer") != "" {
		t.Errorf("%v, %v", err, up.Header)
	}
}

func TestValidator(t *testing.T) {
	const date = "Thu, 26 Nov 2026 12:00:00 GMT"
	for _, c := range []struct{ tag, date, want string }{
		{`"a"`, date, `"a"`}, {`W/"a"`, date, date}, {`W/"a"`, "", ""}, {"", date, date}, {"", "", ""},
	} {
		h := http.Header{"Etag": {c.tag}, "Last-Modified": {c.date}}
		if got := Validator(h); got != c.want {
			t.Errorf("%v: %q", h, got)
		}
	}
}
