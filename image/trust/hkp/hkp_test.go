package hkp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/fixture/keyserver"
	"github.com/sealift/sealift/image/oci/registry"
	"github.com/sealift/sealift/image/trust/keyring"
)

func via() *registry.Client {
	return registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
}

func at(t *testing.T, address string) Server {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return Server{URL: u}
}

func newServer(t *testing.T) *keyserver.Server {
	t.Helper()
	s := keyserver.New()
	t.Cleanup(s.Close)
	return s
}

// newKey is made once: RSA keys take long.
var newKey = sync.OnceValues(func() (*keyring.Key, error) {
	return keyring.New(keyring.User{Name: "Ann Ö", Comment: "50%", Email: "ann@h.example"}, 2048, nil, time.Now().Add(-time.Hour))
})

func key(t *testing.T) *keyring.Key {
	t.Helper()
	k, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestRound: a key goes up, is found, and comes back; nothing secret goes.
func TestRound(t *testing.T) {
	s := newServer(t)
	c, k := New(via(), at(t, s.URL()+"/")), key(t)
	if list, err := c.Search(t.Context(), "ann@h.example"); err != nil || list != nil {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := c.Get(t.Context(), k.Fingerprint()); !errors.Is(err, ErrNotFound) || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
	s.Fault = func(_ http.ResponseWriter, q *http.Request) bool {
		if text := q.FormValue("keytext"); text != "" && !strings.HasPrefix(text, "-----BEGIN PGP PUBLIC KEY BLOCK-----") {
			t.Errorf("%.50q goes up", text)
		}
		return false
	}
	if said, err := c.Push(t.Context(), k); err != nil || said != "stored 1 keys\n" {
		t.Errorf("%q, %v", said, err)
	}
	for _, search := range []string{"ann@h.example", k.Fingerprint(), "0x" + k.Fingerprint()} {
		list, err := c.Search(t.Context(), search)
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: %v, %v", search, list, err)
		}
		if e := list[0]; e.ID != k.Fingerprint() || e.Bits != 2048 || e.Algorithm != 1 || e.Users[0] != "Ann Ö (50%) <ann@h.example>" || !e.Created.Equal(k.Created()) || e.Status != "enabled" {
			t.Errorf("%+v", e)
		}
	}
	got, err := c.Get(t.Context(), k.Fingerprint())
	if err != nil || got.Fingerprint() != k.Fingerprint() || got.Secret() || got.State(time.Now()) != keyring.Valid {
		t.Errorf("%v, %v", got, err)
	}
}

// TestHostileAnswers: no key comes of what is not the key that was asked for.
func TestHostileAnswers(t *testing.T) {
	s := newServer(t)
	c, k := New(via(), at(t, s.URL())), key(t)
	other, err := os.ReadFile("../keyring/testdata/ecdsa.asc")
	if err != nil {
		t.Fatal(err)
	}
	right, err := k.Armor()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		name, want string
		answer     func(w http.ResponseWriter)
	}{
		{"another key", "it sends the key ", func(w http.ResponseWriter) { _, _ = w.Write(other) }},
		{"the key and another", "it sends the key ", func(w http.ResponseWriter) { _, _ = w.Write(append(bytes.Clone(right), other...)) }},
		{"a page", "with a web page", func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<!DOCTYPE html><p>Hi") }},
		{"nothing", "no key in it", func(http.ResponseWriter) {}},
		{"half a key", "does not send the key", func(w http.ResponseWriter) { _, _ = w.Write(right[:len(right)/2]) }},
		{"an endless text", "more than 8388608 bytes", func(w http.ResponseWriter) {
			for {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}},
		{"an error", `answers 418 I'm a teapot: "no\x1b[31m"`, func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, "no\x1b[31m\n")
		}},
		{"no right", "answers 403", func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }},
		{"too often", "answers 429", func(w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests) }},
	} {
		t.Run(f.name, func(t *testing.T) {
			s.Fault = func(w http.ResponseWriter, _ *http.Request) bool {
				f.answer(w)
				return true
			}
			got, err := c.Get(t.Context(), k.Fingerprint())
			if err == nil || got != nil || !strings.Contains(err.Error(), f.want) || hint.Of(err) == "" {
				t.Errorf("%v, error %v", got, err)
			}
		})
	}
}

func TestHostileLists(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"info:1:2\npub:0123456789ABCDEF:1:2048:1:::\n", "has 1 keys, and says 2"},
		{"info:1:0\npub:0123456789ABCDEF\n", "has 1 keys, and says 0"},
		{"info:1:-1\n", "its first line"},
		{"info:1:many\n", "its first line"},
		{"info:2:0\n", "its first line"},
		{"pub:../../x:1:2048:1\n", "has no ID"},
		{"pub:0123456789ABCDEF:1:x:1\n", "a number is none"},
		{"pub:0123456789ABCDEF:1:-5:1\n", "a number is none"},
		{"pub:0123456789ABCDEF:1:5:99999999999999\n", "a number is none"},
		{"uid:a\n", "before a key"},
		{"<html>", "starts with"},
		{strings.Repeat("pub:0123456789ABCDEF\n", maxEntries+1), "more than 10000 keys"},
	} {
		if list, err := parseIndex(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.50q: %v, error %v", c.text, list, err)
		}
	}
	const text = "info:1:2\r\n\r\npub:0123456789abcdef:22:256:1000:2000:re\r\nuid:A%20%3Ca%40h%3E:1:\r\nuid:bad%zz\r\nuat:::\r\nnew:1\r\npub:00112233::::none:d"
	list, err := parseIndex(text)
	if err != nil || len(list) != 2 || fmt.Sprintf("%q", list[0].Users) != `["A <a@h>" "bad%zz"]` || list[0].ID != "0123456789ABCDEF" || list[0].Status != "revoked" ||
		list[1].Status != "disabled" || list[0].Expires.Unix() != 2000 || !list[1].Expires.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
}

func FuzzParseIndex(f *testing.F) {
	f.Add("info:1:1\npub:0123456789ABCDEF:1:2048:1:2:r\nuid:a%20b:1:2:\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseIndex(text)
		if err == nil && len(list) > len(text)/12 {
			t.Errorf("%d keys of %d bytes", len(list), len(text))
		}
	})
}

// TestSearchErrors: what is no list is an error with a remedy.
func TestSearchErrors(t *testing.T) {
	s := newServer(t)
	c := New(via(), at(t, s.URL()))
	for _, text := range []string{"<!doctype html>", "info:1:9\n"} {
		s.Fault = func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = io.WriteString(w, text)
			return true
		}
		if list, err := c.Search(t.Context(), "x"); err == nil || hint.Of(err) == "" {
			t.Errorf("%q: %v, error %v", text, list, err)
		}
	}
}

// TestSeveral: a key is asked for from each server in turn; a server that fails
// hides no other.
func TestSeveral(t *testing.T) {
	down, empty, full := newServer(t), newServer(t), newServer(t)
	down.Fault = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusInternalServerError)
		return true
	}
	k := key(t)
	if _, err := New(via(), at(t, full.URL())).Push(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	if _, err := New(via(), at(t, down.URL()), at(t, empty.URL()), at(t, full.URL())).Get(t.Context(), k.Fingerprint()); err != nil {
		t.Error(err)
	}
	if _, err := New(via(), at(t, empty.URL()), at(t, empty.URL())).Get(t.Context(), k.Fingerprint()); !errors.Is(err, ErrNotFound) || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
	if _, err := New(via(), at(t, down.URL()), at(t, empty.URL())).Get(t.Context(), k.Fingerprint()); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("error %v", err)
	}
	none := New(via())
	_, err1 := none.Get(t.Context(), k.Fingerprint())
	_, err2 := none.Search(t.Context(), "x")
	_, err3 := none.Push(t.Context(), k)
	for _, err := range []error{err1, err2, err3, none.Check(t.Context())} {
		if err == nil || hint.Of(err) == "" {
			t.Errorf("error %v", err)
		}
	}
}

// TestCredentials go to the server, and not where it sends its clients.
func TestCredentials(t *testing.T) {
	s, elsewhere := newServer(t), newServer(t)
	s.Authorization = "Bearer secret"
	to := at(t, s.URL())
	if err := New(via(), to).Check(t.Context()); err == nil || !strings.Contains(hint.Of(err), "log in") {
		t.Errorf("error %v", err)
	}
	to.Authorization = "Bearer secret"
	c := New(via(), to)
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
	s.Fault = func(w http.ResponseWriter, q *http.Request) bool {
		http.Redirect(w, q, elsewhere.URL()+"/pks/lookup?op=get&search=0x0", http.StatusFound)
		return true
	}
	if _, err := c.Get(t.Context(), key(t).Fingerprint()); err == nil {
		t.Error("a key came")
	}
	if seen := elsewhere.Seen(); len(seen) != 1 || strings.Contains(seen[0], "secret") {
		t.Errorf("%q", seen)
	}
}

// TestUnverified: a certificate that does not count is refused, unless the server
// may have any.
func TestUnverified(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "info:1:0\n") }))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	to := at(t, s.URL)
	if _, err := New(via(), to).Search(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("error %v", err)
	}
	to.Unverified = true
	if _, err := New(via(), to).Search(t.Context(), "x"); err != nil {
		t.Error(err)
	}
}
