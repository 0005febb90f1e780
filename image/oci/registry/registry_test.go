package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/sealift/sealift/buildcfg/hint"
)

// server is a registry with an image, and with faults.
type server struct {
	*httptest.Server
	// fault, if not nil, may answer a request itself.
	fault func(w http.ResponseWriter, q *http.Request) bool
	mu    sync.Mutex
	// requests are METHOD PATH RANGE.
	requests []string
	// slept are the pauses, warned the lines.
	slept  []time.Duration
	warned []string
	client *Client
}

func newServer(t *testing.T, o Options) *server {
	s := &server{}
	real := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, strings.TrimSpace(q.Method+" "+q.URL.Path+" "+q.Header.Get("Range")))
		fault := s.fault
		s.mu.Unlock()
		if fault == nil || !fault(w, q) {
			real.ServeHTTP(w, q)
		}
	}))
	t.Cleanup(s.Close)
	o.UserAgent = "sealift/test"
	o.Sleep = func(_ context.Context, d time.Duration) error {
		s.slept = append(s.slept, d)
		return nil
	}
	o.Warn = func(line string) { s.warned = append(s.warned, line) }
	s.client = New(o)
	return s
}

func (s *server) host() string { return strings.TrimPrefix(s.URL, "http://") }

// put stores a blob.
func (s *server) put(t *testing.T, b []byte) (digest string) {
	t.Helper()
	sum := sha256.Sum256(b)
	digest = "sha256:" + hex.EncodeToString(sum[:])
	q, err := http.NewRequest(http.MethodPost, s.URL+"/v2/repo/blobs/uploads/?digest="+digest, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatal(resp.Status)
	}
	return digest
}

func (s *server) open(t *testing.T, ref string) (*Repository, error) {
	t.Helper()
	r, err := ParseReference(s.host() + "/" + ref)
	if err != nil {
		t.Fatal(err)
	}
	return s.client.Open(t.Context(), r)
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b) // never fails
	return b
}

func TestParseReference(t *testing.T) {
	sum := strings.Repeat("a", 64)
	for text, want := range map[string]string{
		"debian":                       "index.docker.io/library/debian:latest",
		"//debian:12":                  "index.docker.io/library/debian:12",
		"docker.io/a/b":                "index.docker.io/a/b:latest",
		"ghcr.io/a/b/c:v1":             "ghcr.io/a/b/c:v1",
		"localhost:5000/x":             "localhost:5000/x:latest",
		"[::1]:5000/x:1":               "[::1]:5000/x:1",
		"//[2001:db8::1]/a/b":          "[2001:db8::1]/a/b:latest",
		"[::1]/x@sha256:" + sum:        "[::1]/x@sha256:" + sum,
		"h.example:443/x":              "h.example:443/x:latest",
		"h.example/x@sha256:" + sum:    "h.example/x@sha256:" + sum,
		"h.example/x:t@sha256:" + sum:  "h.example/x@sha256:" + sum,
		"127.0.0.1:80/a/b.c/d_e/f-g:T": "127.0.0.1:80/a/b.c/d_e/f-g:T",
	} {
		r, err := ParseReference(text)
		if err != nil || r.String() != want {
			t.Errorf("%s: %v, %v; want %s", text, r, err, want)
		}
		if again, err := ParseReference(r.String()); err != nil || again != r {
			t.Errorf("%s: again %v, %v", text, again, err)
		}
	}
	for _, text := range []string{
		"", "//", "UPPER", "a/../b", "h.example/a/./b", "h.example:99999x/a", "a:b:c", "a@sha256:ab", "a@md5:" + sum, "a b", "a\n", "a:",
		"user@h.example/a", "[fe80::1%eth0]:5000/x", "[fe80::1%25eth0]/x", "h.example/x@sha256:" + strings.Repeat("g", 64), "http://h.example/x", "a//b", "-x/y",
	} {
		if r, err := ParseReference(text); err == nil || !strings.Contains(hint.Of(err), "write [HOST") {
			t.Errorf("%q: %v, %v", text, r, err)
		}
	}
}

func TestPasswordsAreNotTold(t *testing.T) {
	_, err := ParseReference("//me:secret@h.example/a")
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), `"h.example/a"`) {
		t.Errorf("error %v", err)
	}
}

func TestImage(t *testing.T) {
	s := newServer(t, Options{})
	img, err := random.Image(1000, 2)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.ParseReference(s.host() + "/repo:v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img); err != nil {
		t.Fatal(err)
	}
	r, err := s.open(t, "repo:v1")
	if err != nil {
		t.Fatal(err)
	}
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Resolve(t.Context()); err != nil || got != want.String() {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	for _, digest := range []string{"", want.String()} {
		m, err := r.Manifest(t.Context(), digest)
		if err != nil || m.Digest != want.String() || m.MediaType != "application/vnd.docker.distribution.manifest.v2+json" || !strings.Contains(string(m.Raw), "layers") {
			t.Errorf("%+v, %v", m, err)
		}
	}
	if r, err = s.open(t, "repo@"+want.String()); err != nil {
		t.Fatal(err)
	}
	s.requests = nil
	if got, err := r.Resolve(t.Context()); err != nil || got != want.String() || len(s.requests) > 0 {
		t.Errorf("%s, %v, asked %q", got, err, s.requests)
	}
	if _, err := s.open(t, "repo:none"); err != nil {
		t.Error(err)
	}
	r, _ = s.open(t, "repo:none")
	if _, err := r.Manifest(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "answers 404 Not Found: MANIFEST_UNKNOWN") || hint.Of(err) != "check the name and the tag" {
		t.Errorf("error %v, hint %q", err, hint.Of(err))
	}
}

// TestWrongManifests: whatever is not what was asked for is refused.
func TestWrongManifests(t *testing.T) {
	s := newServer(t, Options{})
	sum := "sha256:" + strings.Repeat("a", 64)
	for _, c := range []struct{ ref, body, want string }{
		{"repo@" + sum, "{}", "sent a manifest of digest 44136fa"},
		{"repo:v1", strings.Repeat(" ", maxManifest+1), "has more than 4194304 bytes"},
	} {
		s.fault = func(w http.ResponseWriter, q *http.Request) bool {
			if !strings.Contains(q.URL.Path, "/manifests/") {
				return false
			}
			w.Header().Set("Docker-Content-Digest", sum) // a lie
			_, _ = io.WriteString(w, c.body)
			return true
		}
		r, err := s.open(t, c.ref)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := r.Manifest(t.Context(), ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", c.ref, m, err)
		}
	}
}

// answer is how a faulty registry sends a blob.
type answer struct {
	// status other than 0 is sent with after as Retry-After.
	status int
	after  string
	// cut is where the connection breaks; 0 sends all.
	cut int
	// whole ignores a Range, and other sends the range that it names.
	whole bool
	other string
	// length of the body, if not the right one; -1 is without an end.
	length int
	// drip sends a byte at a time, with pauses.
	drip bool
}

// serve sends what is asked of b, as the answer has it.
func (a answer) serve(w http.ResponseWriter, q *http.Request, b []byte) {
	if a.status != 0 {
		w.Header().Set("Retry-After", a.after)
		w.Header().Set("Date", "Thu, 26 Nov 2026 12:00:00 GMT")
		w.WriteHeader(a.status)
		return
	}
	from := 0
	if r := q.Header.Get("Range"); r != "" && !a.whole {
		if _, err := fmt.Sscanf(r, "bytes=%d-", &from); err != nil {
			panic(err)
		}
		contentRange := fmt.Sprintf("bytes %d-%d/%d", from, len(b)-1, len(b))
		if a.other != "" {
			contentRange = a.other
		}
		w.Header().Set("Content-Range", contentRange)
	}
	switch {
	case a.length > 0:
		w.Header().Set("Content-Length", fmt.Sprint(a.length))
	case a.length == 0:
		w.Header().Set("Content-Length", fmt.Sprint(len(b)-from))
	}
	if w.Header().Get("Content-Range") != "" {
		w.WriteHeader(http.StatusPartialContent)
	}
	rest := b[from:]
	if a.cut > 0 {
		_, _ = w.Write(rest[:min(a.cut-from, len(rest))])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	for ; a.drip && len(rest) > 0; rest = rest[1:] {
		_, _ = w.Write(rest[:1])
		if http.NewResponseController(w).Flush() != nil || q.Context().Err() != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	_, _ = w.Write(rest)
	for a.length < 0 && q.Context().Err() == nil {
		_, _ = w.Write(b)
	}
}

func TestFaults(t *testing.T) {
	b := noise(200_000)
	half := len(b) / 2
	rest := fmt.Sprintf("GET bytes=%d-", half)
	for _, c := range []struct {
		name    string
		answers []answer // the last one goes on
		want    string   // of the error
		asked   string
		slept   string
	}{
		{"fine", []answer{{}}, "", "GET", "[]"},
		{"cut at 1", []answer{{cut: 1}, {}}, "", "GET,GET bytes=1-", "[1s]"},
		{"cut in the middle", []answer{{cut: half}, {}}, "", "GET," + rest, "[1s]"},
		{"cut before the end", []answer{{cut: len(b) - 1}, {}}, "", "GET,GET bytes=199999-", "[1s]"},
		{"cut twice", []answer{{cut: 1000}, {cut: half}, {}}, "", "GET,GET bytes=1000-," + rest, "[1s 1s]"},
		{"no ranges", []answer{{cut: half}, {whole: true}}, "", "GET," + rest, "[1s]"},
		{"never ranges", []answer{{cut: half}, {whole: true, cut: half + 1}, {whole: true, cut: half + 2}, {whole: true}},
			"begins anew after each break", "GET," + rest + ",GET bytes=100001-,GET bytes=100002-", "[1s 1s 1s]"},
		{"no such range", []answer{{cut: half}, {status: 416}, {}}, "", "GET," + rest + ",GET", "[1s]"},
		{"no range, cut again", []answer{{cut: half}, {status: 416}, {cut: half + 1}, {}}, "", "GET," + rest + ",GET,GET bytes=100001-", "[1s 1s]"},
		{"no range, and shorter", []answer{{cut: half}, {status: 416}, {length: 1000}}, "has 1000 bytes there, not 200000", "GET," + rest + ",GET", "[1s]"},
		{"no range, and gone", []answer{{cut: half}, {status: 416}, {status: 404}}, "answers 404 Not Found", "GET," + rest + ",GET", "[1s]"},
		{"416 for ever", []answer{{cut: half}, {status: 416}}, "answers 416 Requested Range Not Satisfiable", "GET," + rest + ",GET", "[1s]"},
		{"416 at once", []answer{{status: 416}}, "answers 416 Requested Range Not Satisfiable", "GET", "[]"},
		{"another range", []answer{{cut: half}, {other: "bytes 0-199999/200000"}}, `sends "bytes 0-199999/200000" instead of "bytes 100000-199999/200000"`, "GET," + rest, "[1s]"},
		{"another size", []answer{{cut: half}, {other: "bytes 100000-199999/300000"}}, "300000", "GET," + rest, "[1s]"},
		{"too long", []answer{{length: 200_001}}, "has 200001 bytes there, not 200000", "GET", "[]"},
		{"too short", []answer{{length: 199_999}}, "has 199999 bytes there, not 200000", "GET", "[]"},
		{"endless", []answer{{length: -1}}, "goes on after 200000 bytes", "GET", "[]"},
		{"busy", []answer{{status: 429, after: "7"}, {status: 503, after: "3"}, {}}, "", "GET,GET,GET", "[7s 3s]"},
		{"busy until", []answer{{status: 429, after: "Thu, 26 Nov 2026 12:00:09 GMT"}, {}}, "", "GET,GET", "[9s]"},
		{"busy until long ago", []answer{{status: 429, after: "Thu, 26 Nov 2020 12:00:09 GMT"}, {}}, "", "GET,GET", "[0s]"},
		{"busy for years", []answer{{status: 429, after: "1000000000"}}, "answers 429 Too Many Requests", "GET", "[]"},
		{"busy, and unclear", []answer{{status: 429, after: "-5"}, {status: 429, after: "soon"}, {}}, "", "GET,GET,GET", "[1s 2s]"},
		{"failing", []answer{{status: 500}, {status: 502}, {}}, "", "GET,GET,GET", "[1s 2s]"},
		{"failing for ever", []answer{{status: 503}}, "answers 503 Service Unavailable", "GET,GET,GET,GET,GET", "[1s 2s 4s 8s]"},
		{"missing", []answer{{status: 404}}, "answers 404 Not Found", "GET", "[]"},
		{"forbidden", []answer{{status: 403}}, "answers 403 Forbidden", "GET", "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t, Options{})
			digest := s.put(t, b)
			r, err := s.open(t, "repo:v1")
			if err != nil {
				t.Fatal(err)
			}
			s.requests = nil
			s.fault = func(w http.ResponseWriter, q *http.Request) bool {
				a := c.answers[0]
				if len(c.answers) > 1 {
					c.answers = c.answers[1:]
				}
				a.serve(w, q, b)
				return true
			}
			got, err := readBlob(t, r, digest, int64(len(b)))
			if c.want == "" && (err != nil || !bytes.Equal(got, b)) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %s", err, c.want)
			}
			asked := strings.ReplaceAll(strings.Join(s.requests, ","), " /v2/repo/blobs/"+digest, "")
			if asked != c.asked || fmt.Sprint(s.slept) != c.slept {
				t.Errorf("asked %s, slept %v; want %s, %s", asked, s.slept, c.asked, c.slept)
			}
			if len(s.warned) != len(s.slept) {
				t.Errorf("warned %q", s.warned)
			}
		})
	}
}

func readBlob(t *testing.T, r *Repository, digest string, size int64) ([]byte, error) {
	t.Helper()
	f, err := r.Blob(t.Context(), digest, size)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// TestStall: a connection that brings nothing, or a byte now and then, is
// given up; the next one goes on.
func TestStall(t *testing.T) {
	b := noise(100_000)
	s := newServer(t, Options{Stall: 200 * time.Millisecond})
	digest := s.put(t, b)
	r, err := s.open(t, "repo:v1")
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		switch tries++; tries {
		case 1:
			answer{drip: true}.serve(w, q, b)
		case 2:
			w.Header().Set("Content-Range", "bytes "+strings.TrimPrefix(q.Header.Get("Range"), "bytes=")+"99999/100000")
			w.WriteHeader(http.StatusPartialContent)
			_ = http.NewResponseController(w).Flush()
			<-q.Context().Done()
		default:
			answer{}.serve(w, q, b)
		}
		return true
	}
	got, err := readBlob(t, r, digest, int64(len(b)))
	if err != nil || !bytes.Equal(got, b) || tries != 3 {
		t.Errorf("%d bytes after %d tries, %v", len(got), tries, err)
	}
	if len(s.warned) != 2 || !strings.Contains(s.warned[0], "the connection stalls") {
		t.Errorf("warned %q", s.warned)
	}
}

// TestCancel ends a read that waits.
func TestCancel(t *testing.T) {
	b := noise(1000)
	s := newServer(t, Options{})
	digest := s.put(t, b)
	r, err := s.open(t, "repo:v1")
	if err != nil {
		t.Fatal(err)
	}
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write(b[:10])
		_ = http.NewResponseController(w).Flush()
		<-q.Context().Done()
		return true
	}
	ctx, cancel := context.WithCancel(t.Context())
	f, err := r.Blob(ctx, digest, 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.ReadFull(f, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := f.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestBadDigest(t *testing.T) {
	s := newServer(t, Options{})
	r, err := s.open(t, "repo:v1")
	if err != nil {
		t.Fatal(err)
	}
	for _, digest := range []string{"", "sha256:../../x", "sha256:" + strings.Repeat("A", 64), "md5:" + strings.Repeat("a", 32), "sha256:" + strings.Repeat("a", 63)} {
		if _, err := r.Blob(t.Context(), digest, 1); err == nil {
			t.Errorf("%q is accepted", digest)
		}
	}
}
