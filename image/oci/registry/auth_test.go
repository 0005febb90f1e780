package registry

import (
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/bounded"
	"github.com/sealift/sealift/image/oci/conn"
)

// logins writes a file as docker login does.
func logins(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// secured is a registry over TLS that wants credentials: those of user:secret,
// or a token that they buy.
type secured struct {
	*httptest.Server
	realm  string // of the token service; empty wants basic authentication
	action string // that a token is for; empty is pull
	// anyScope accepts tokens without one, as at a login.
	anyScope bool
	// seen are HOST PATH AUTHORIZATION of all requests, also of other hosts.
	seen []string
}

func (s *secured) note(q *http.Request) {
	s.seen = append(s.seen, strings.TrimSpace(q.Host+" "+q.URL.Path+" "+q.Header.Get("Authorization")))
}

func (s *secured) scope() string {
	if s.action == "" {
		return "repository:repo:pull"
	}
	return "repository:repo:" + s.action
}

func newSecured(t *testing.T, blob func(w http.ResponseWriter, q *http.Request)) *secured {
	s := &secured{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		s.note(q)
		auth := q.Header.Get("Authorization")
		switch {
		case q.URL.Path == "/token":
			if auth != "Basic "+basic("user", "secret") {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			fmt.Fprintf(w, `{"token": "bought for %s"}`, q.URL.Query().Get("scope"))
		case s.realm != "" && auth != "Bearer bought for "+s.scope() && !(s.anyScope && auth == "Bearer bought for "):
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s",service="test",scope="%s"`, s.realm, s.scope()))
			w.WriteHeader(http.StatusUnauthorized)
		case s.realm == "" && auth != "Basic "+basic("user", "secret"):
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		case strings.Contains(q.URL.Path, "/blobs/"):
			blob(w, q)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// options trust the server and have its credentials.
func (s *secured) options(t *testing.T, x Credentials) Options {
	t.Helper()
	trust, err := conn.TrustFile(logins(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))))
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Transport:   conn.NewTransport(nil, trust),
		Credentials: func(context.Context, string) (Credentials, error) { return x, nil },
	}
}

func (s *secured) ref() Reference {
	return Reference{Host: strings.TrimPrefix(s.URL, "https://"), Repository: "repo", Tag: "v1"}
}

const sum = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae" // of foo

func TestAuthentication(t *testing.T) {
	for _, token := range []bool{false, true} {
		s := newSecured(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "foo") })
		if token {
			s.realm = s.URL + "/token"
		}
		r, err := New(s.options(t, Credentials{Username: "user", Password: "secret"})).Open(t.Context(), s.ref())
		if err != nil {
			t.Fatal(err)
		}
		if b, err := readBlob(t, r, sum, 3); err != nil || string(b) != "foo" {
			t.Errorf("%q, %v", b, err)
		}
		for _, x := range []Credentials{{}, {Username: "user", Password: "wrong"}} {
			r, err := New(s.options(t, x)).Open(t.Context(), s.ref())
			if err == nil {
				_, err = readBlob(t, r, sum, 3)
			}
			if err == nil || !strings.Contains(err.Error(), "401") || !strings.Contains(hint.Of(err), "log in") {
				t.Errorf("error %v, hint %q", err, hint.Of(err))
			}
		}
	}
}

// TestUntrusted: a certificate that nobody vouches for, and none at all.
func TestUntrusted(t *testing.T) {
	s := newSecured(t, nil)
	if _, err := New(Options{}).Open(t.Context(), s.ref()); err == nil {
		t.Error("an unknown certificate is accepted")
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	// A name that is not this machine's by its looks.
	ref := Reference{Host: "registry.test:" + plain.URL[strings.LastIndexByte(plain.URL, ':')+1:], Repository: "repo", Tag: "v1"}
	toPlain := http.RoundTripper(rewrite{strings.TrimPrefix(plain.URL, "http://")})
	if _, err := New(Options{Transport: toPlain}).Open(t.Context(), ref); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("error %v", err)
	}
	if _, err := New(Options{Transport: toPlain, PlainHTTP: func(h string) bool { return h == ref.Host }}).Open(t.Context(), ref); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("error %v", err)
	}
}

// rewrite sends all requests to one host.
type rewrite struct{ host string }

func (r rewrite) RoundTrip(q *http.Request) (*http.Response, error) {
	q = q.Clone(q.Context())
	q.URL.Host = r.host
	return http.DefaultTransport.RoundTrip(q)
}

// TestCredentialsStayAtHome: no other host sees them, whatever the registry
// says.
func TestCredentialsStayAtHome(t *testing.T) {
	user := Credentials{Username: "user", Password: "secret"}
	t.Run("redirect", func(t *testing.T) {
		var s *secured
		other := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			s.note(q)
			if q.URL.Path == "/greedy" {
				w.Header().Set("WWW-Authenticate", `Basic realm="give"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = io.WriteString(w, "foo")
		}))
		t.Cleanup(other.Close)
		for path, want := range map[string]string{"/blob": "", "/greedy": "401"} {
			s = newSecured(t, func(w http.ResponseWriter, q *http.Request) {
				http.Redirect(w, q, other.URL+path, http.StatusTemporaryRedirect)
			})
			r, err := New(s.options(t, user)).Open(t.Context(), s.ref())
			if err != nil {
				t.Fatal(err)
			}
			b, err := readBlob(t, r, sum, 3)
			if want == "" && string(b) != "foo" || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: %q, %v", path, b, err)
			}
			last := s.seen[len(s.seen)-1]
			if last != strings.TrimPrefix(other.URL, "https://")+" "+path {
				t.Errorf("the other host saw %q", last)
			}
		}
	})
	t.Run("redirect without TLS", func(t *testing.T) {
		s := newSecured(t, func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "http://127.0.0.1:1/x", http.StatusFound)
		})
		r, err := New(s.options(t, user)).Open(t.Context(), s.ref())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readBlob(t, r, sum, 3); err == nil || !strings.Contains(err.Error(), "redirect from https to http://127.0.0.1:1 refused") {
			t.Errorf("error %v", err)
		}
	})
	for _, realm := range []string{"http://127.0.0.1:1/token", "https://169.254.169.254/latest", "file:///etc/passwd"} {
		s := newSecured(t, nil)
		s.realm = realm
		if _, err := New(s.options(t, user)).Open(t.Context(), s.ref()); err == nil || !strings.Contains(err.Error(), "realm") {
			t.Errorf("%s: error %v", realm, err)
		}
		if len(s.seen) != 1 || strings.Contains(s.seen[0], "Basic") {
			t.Errorf("%s: asked %q", realm, s.seen)
		}
	}
}

// TestHugeAnswers are read no further than they matter.
func TestHugeAnswers(t *testing.T) {
	endless := func(w http.ResponseWriter, q *http.Request) {
		for q.Context().Err() == nil {
			if _, err := w.Write(noise(1 << 16)); err != nil {
				return
			}
		}
	}
	s := newServer(t, Options{})
	r, err := s.open(t, "repo:v1")
	if err != nil {
		t.Fatal(err)
	}
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		w.WriteHeader(http.StatusNotFound)
		endless(w, q)
		return true
	}
	if _, err := r.Manifest(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "404") || len(err.Error()) > 2000 {
		t.Errorf("error of %d bytes: %.300v", len(fmt.Sprint(err)), err)
	}
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		endless(w, q)
		return true
	}
	if _, err := r.Manifest(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "more than 4194304 bytes") {
		t.Errorf("error %v", err)
	}
	// What counts is what gzip makes of an answer, here a thousand times as much.
	s.fault = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.CopyN(z, &zeros{}, 1<<30) // until the client has had enough
		_ = z.Close()
		return true
	}
	bounded.Do(t, func() {
		if _, err := r.Manifest(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "more than 4194304 bytes") {
			t.Errorf("error %v", err)
		}
	})
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		for i := range 1000 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 200))
		}
		return false
	}
	if _, err := r.Manifest(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "header") {
		t.Errorf("error %v", err)
	}
}
