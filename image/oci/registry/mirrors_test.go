package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/mirrors"
)

// ruled has the rules of a text, where NAME stands for a host.
func ruled(t *testing.T, text string, hosts map[string]string) func() (*mirrors.Rules, error) {
	t.Helper()
	for name, host := range hosts {
		text = strings.ReplaceAll(text, name, host)
	}
	f, err := mirrors.Parse("conf", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return func() (*mirrors.Rules, error) { return mirrors.Merge(f, nil), nil }
}

const twoMirrors = `
[[registry]]
prefix = "HOME"
[[registry.mirror]]
location = "FIRST"
[[registry.mirror]]
location = "SECOND"
`

// mirrored are a registry, its two mirrors, and a client that knows of them.
func mirrored(t *testing.T, o Options) (home, first, second *server) {
	home, first, second = newServer(t, Options{}), newServer(t, Options{}), newServer(t, Options{})
	o.Mirrors = ruled(t, twoMirrors, map[string]string{"HOME": home.host(), "FIRST": first.host(), "SECOND": second.host()})
	o.Sleep, o.Warn = home.client.o.Sleep, home.client.o.Warn
	home.client = New(o)
	return home, first, second
}

// manifest stores a manifest under a tag.
func (s *server) manifest(t *testing.T, text string) {
	t.Helper()
	q, err := http.NewRequest(http.MethodPut, s.URL+"/v2/repo/manifests/v1", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatal(resp.Status)
	}
	s.requests = nil
}

func TestMirrors(t *testing.T) {
	b := noise(1000)
	t.Run("the first has it", func(t *testing.T) {
		home, first, second := mirrored(t, Options{})
		digest := first.put(t, b)
		first.manifest(t, `{"schemaVersion": 2}`)
		home.requests = nil
		r, err := home.open(t, "repo:v1")
		if err != nil {
			t.Fatal(err)
		}
		if d, err := r.Resolve(t.Context()); err != nil || !strings.HasPrefix(d, "sha256:") {
			t.Errorf("%s, %v", d, err)
		}
		if m, err := r.Manifest(t.Context(), ""); err != nil || string(m.Raw) != `{"schemaVersion": 2}` {
			t.Errorf("%v, %v", m, err)
		}
		if got, err := readBlob(t, r, digest, 1000); err != nil || string(got) != string(b) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if len(home.requests)+len(second.requests)+len(home.warned) != 0 {
			t.Errorf("asked %q, %q, warned %q", home.requests, second.requests, home.warned)
		}
	})
	t.Run("one is not there, one lacks it", func(t *testing.T) {
		home, first, second := mirrored(t, Options{})
		first.Close()
		digest := home.put(t, b)
		r, err := home.open(t, "repo:v1")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := readBlob(t, r, digest, 1000); err != nil || string(got) != string(b) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if got, err := readBlob(t, r, digest, 1000); err != nil || string(got) != string(b) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if asked := strings.Count(strings.Join(second.requests, " "), "/blobs/"); asked != 2 {
			t.Errorf("the second was asked %d times: %q", asked, second.requests)
		}
		if len(home.warned) != 2 || !strings.Contains(home.warned[0], "mirror "+first.host()+"/repo: ") || !strings.Contains(home.warned[0], "refused") ||
			!strings.Contains(home.warned[1], "mirror "+second.host()+"/repo: ") || !strings.Contains(home.warned[1], "404") {
			t.Errorf("warned %q", home.warned)
		}
	})
	t.Run("nobody has it", func(t *testing.T) {
		home, _, _ := mirrored(t, Options{})
		r, err := home.open(t, "repo:v1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Manifest(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "404") || !strings.Contains(hint.Of(err), "tag") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a lie", func(t *testing.T) {
		home, first, _ := mirrored(t, Options{})
		home.manifest(t, `{"schemaVersion": 2}`)
		first.fault = func(w http.ResponseWriter, q *http.Request) bool {
			if strings.Contains(q.URL.Path, "/manifests/") {
				_, _ = io.WriteString(w, `{"evil": true}`)
				return true
			}
			return false
		}
		sum := "sha256:c5d902c53b4afcf32ad746fd9d696431650d3fbe8f7b10ca10519543fefd772c"
		r, err := home.open(t, "repo@"+sum)
		if err != nil {
			t.Fatal(err)
		}
		m, err := r.Manifest(t.Context(), "")
		if err != nil || string(m.Raw) != `{"schemaVersion": 2}` || len(home.warned) == 0 || !strings.Contains(home.warned[0], "sent a manifest of digest") {
			t.Errorf("%v, %v, warned %q", m, err, home.warned)
		}
	})
}

// TestMirrorBreaks: a blob that a mirror does not bring to its end goes on at the
// registry, from there.
func TestMirrorBreaks(t *testing.T) {
	b := noise(100_000)
	home, first, second := mirrored(t, Options{})
	digest := home.put(t, b)
	second.Close()
	r, err := home.open(t, "repo:v1")
	if err != nil {
		t.Fatal(err)
	}
	home.requests = nil
	first.fault = func(w http.ResponseWriter, q *http.Request) bool {
		answer{cut: 40_000}.serve(w, q, b)
		return true
	}
	home.fault = func(w http.ResponseWriter, q *http.Request) bool {
		if strings.Contains(q.URL.Path, "/blobs/") {
			answer{}.serve(w, q, b)
		}
		return strings.Contains(q.URL.Path, "/blobs/")
	}
	got, err := readBlob(t, r, digest, int64(len(b)))
	if err != nil || string(got) != string(b) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if last := home.requests[len(home.requests)-1]; !strings.HasSuffix(last, "bytes=40000-") {
		t.Errorf("asked %q, warned %q", home.requests, home.warned)
	}
}

// TestMirrorLogins: a mirror sees its own credentials only.
func TestMirrorLogins(t *testing.T) {
	home, first, second := newSecured(t, nil), newSecured(t, nil), newSecured(t, nil)
	host := func(s *secured) string { return s.ref().Host }
	var asked []string
	trust := home.options(t, Credentials{}).Transport // httptest's certificate is one for all
	o := Options{
		Transport: trust, Own: Credentials{Username: "user", Password: "secret"},
		Mirrors: ruled(t, twoMirrors, map[string]string{"HOME": host(home), "FIRST": host(first) + "/cache", "SECOND": host(second)}),
		Credentials: func(_ context.Context, where string) (Credentials, error) {
			asked = append(asked, where)
			if strings.HasPrefix(where, host(second)) {
				return Credentials{Username: "second", Password: "x"}, nil
			}
			return Credentials{}, nil
		},
	}
	r, err := New(o).Open(t.Context(), home.ref())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Manifest(t.Context(), ""); err != nil {
		t.Error(err)
	}
	if want := fmt.Sprint([]string{host(first) + "/cache/repo", host(second) + "/repo"}); fmt.Sprint(asked) != want {
		t.Errorf("asked for credentials for %q, want %s", asked, want)
	}
	mine := basic("user", "secret")
	if got := fmt.Sprint(first.seen, second.seen); strings.Contains(got, mine) || !strings.Contains(got, basic("second", "x")) {
		t.Errorf("the mirrors saw %s", got)
	}
	if !strings.Contains(fmt.Sprint(home.seen), mine) {
		t.Errorf("the registry saw %q", home.seen)
	}
}

func TestRules(t *testing.T) {
	s := newServer(t, Options{})
	digest := s.put(t, noise(10))
	o := Options{Mirrors: ruled(t, "[[registry]]\nprefix = \"far.example/team\"\nlocation = \"HOME\"\n[[registry]]\nprefix = \"bad.example\"\nblocked = true",
		map[string]string{"HOME": s.host()})}
	r, err := New(o).Open(t.Context(), Reference{Host: "far.example", Repository: "team/repo", Tag: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readBlob(t, r, digest, 10); err != nil || len(got) != 10 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := New(o).Open(t.Context(), Reference{Host: "bad.example", Repository: "x", Tag: "v1"}); err == nil || !strings.Contains(err.Error(), "bad.example/x is blocked by conf:") {
		t.Errorf("error %v", err)
	}
	if _, err := New(o).Login(t.Context(), "bad.example", Credentials{}); err == nil || !strings.Contains(err.Error(), "blocked") {
		t.Errorf("error %v", err)
	}
	broken := Options{Mirrors: func() (*mirrors.Rules, error) { return nil, io.ErrUnexpectedEOF }}
	if _, err := New(broken).Open(t.Context(), s.ref()); err != io.ErrUnexpectedEOF {
		t.Errorf("error %v", err)
	}
}

func (s *server) ref() Reference { return Reference{Host: s.host(), Repository: "repo", Tag: "v1"} }

// TestBlobAfterMirror: what a mirror was shown does not go on to the registry.
func TestBlobAfterMirror(t *testing.T) {
	content := []byte("a blob")
	sum := sha256.Sum256(content)
	mirror := newSecured(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	var shown []string
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.Contains(q.URL.Path, "/blobs/") {
			shown = append(shown, q.Header.Get("Authorization"))
			_, _ = w.Write(content)
		}
	}))
	t.Cleanup(home.Close)
	host := strings.TrimPrefix(home.URL, "http://")
	o := mirror.options(t, Credentials{})
	o.Mirrors = ruled(t, "[[registry]]\nprefix = \"HOME\"\n[[registry.mirror]]\nlocation = \"FIRST\"\n",
		map[string]string{"HOME": host, "FIRST": mirror.ref().Host})
	o.Credentials = func(_ context.Context, where string) (Credentials, error) {
		if strings.HasPrefix(where, mirror.ref().Host) {
			return Credentials{Username: "user", Password: "secret"}, nil
		}
		return Credentials{}, nil
	}
	r, err := New(o).Open(t.Context(), Reference{Host: host, Repository: "repo", Tag: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.Blob(t.Context(), "sha256:"+hex.EncodeToString(sum[:]), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%q, %v", got, err)
	}
	if !strings.Contains(fmt.Sprint(mirror.seen), basic("user", "secret")) || fmt.Sprintf("%q", shown) != `[""]` {
		t.Errorf("the mirror saw %q, the registry %q", mirror.seen, shown)
	}
}

// TestInsecure: only the host that the rules name is trusted with any
// certificate, and only hosts of this machine may do without TLS unasked.
func TestInsecure(t *testing.T) {
	s := newSecured(t, nil)
	o := s.options(t, Credentials{Username: "user", Password: "secret"})
	o.Transport = nil
	if _, err := New(o).Open(t.Context(), s.ref()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("error %v", err)
	}
	o.Mirrors = ruled(t, "[[registry]]\nlocation = \"HOME\"\ninsecure = true", map[string]string{"HOME": s.ref().Host})
	if _, err := New(o).Open(t.Context(), s.ref()); err != nil {
		t.Error(err)
	}
	plain := newServer(t, Options{})
	for host, want := range map[string]string{
		"10.1.2.3:5000": "not spoken to without TLS", "192.168.0.1": "not spoken to without TLS", "r.example": "HTTP response to HTTPS client",
		"127.0.0.1:1": "", "localhost:5000": "", "[::1]:5000": "", "r.localhost:1": "",
	} {
		_, err := New(Options{Transport: rewrite{plain.host()}}).Open(t.Context(), Reference{Host: host, Repository: "repo", Tag: "v1"})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v; want %s", host, err, want)
		}
		if strings.HasPrefix(host, "10.") && !strings.Contains(hint.Of(err), "--no-https=10.1.2.3:5000") {
			t.Errorf("hint %q", hint.Of(err))
		}
	}
}

func TestLocal(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:1": true, "a.localhost": true, "127.0.0.1": true, "127.9.9.9:80": true, "[::1]:5000": true,
		"notlocalhost": false, "localhost.example": false, "10.0.0.1": false, "[fe80::1]:1": false, "128.0.0.1": false,
	} {
		if got := local(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}

func TestLogin(t *testing.T) {
	for _, token := range []bool{false, true} {
		s := newSecured(t, nil)
		if token {
			s.realm = s.URL + "/token"
			s.anyScope = true
		}
		client := New(s.options(t, Credentials{}))
		if asked, err := client.Login(t.Context(), s.ref().Host, Credentials{Username: "user", Password: "secret"}); err != nil || !asked {
			t.Errorf("token %v: %v, %v", token, asked, err)
		}
		_, err := client.Login(t.Context(), s.ref().Host, Credentials{Username: "user", Password: "wr0ng"})
		if err == nil || !strings.HasPrefix(err.Error(), "log in to "+s.ref().Host+": the registry answers 401 Unauthorized") ||
			!strings.Contains(hint.Of(err), "password") || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("token %v: error %v, hint %q", token, err, hint.Of(err))
		}
	}
	open := newServer(t, Options{})
	if asked, err := open.client.Login(t.Context(), open.host(), Credentials{Username: "u", Password: "p"}); err != nil || asked {
		t.Errorf("%v, %v", asked, err)
	}
	if _, err := open.client.Login(t.Context(), "a b", Credentials{}); err == nil || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
}

func TestParseRegistry(t *testing.T) {
	for text, want := range map[string]string{
		"docker.io": "docker.io", "index.docker.io/": "docker.io", "H.example:5000": "h.example:5000", "[::1]:5000/ns": "[::1]:5000/ns",
		"h.example/a/b": "h.example/a/b", "docker.io/team": "docker.io/team",
	} {
		if got, err := ParseRegistry(text); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "a b", "h/UPPER", "u:secret@h.example", "h/a:tag", "https://h"} {
		if got, err := ParseRegistry(text); err == nil || hint.Of(err) == "" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}
