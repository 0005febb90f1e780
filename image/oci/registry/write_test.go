package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
)

const ociManifest = "application/vnd.oci.image.manifest.v1+json"

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func blobOf(b []byte) Blob {
	return Blob{Digest: digestOf(b), Size: int64(len(b)), Content: bytes.NewReader(b)}
}

func (s *server) writer(t *testing.T, ref string) *Writer {
	t.Helper()
	r, err := ParseReference(s.host() + "/" + ref)
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.client.Writer(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestWrite: what is pushed is what is pulled, and nothing is sent twice.
func TestWrite(t *testing.T) {
	s := newServer(t, Options{})
	w := s.writer(t, "repo:v1")
	b := noise(100_000)
	blob, sent := blobOf(b), int64(0)
	blob.Sent = func(n int64) { sent += n }
	config := blobOf([]byte("{}"))
	for i, want := range []bool{false, true} {
		s.requests = nil
		if had, err := w.PutBlob(t.Context(), blob); err != nil || had != want || sent != blob.Size {
			t.Errorf("had %v, %v, sent %d", had, err, sent)
		}
		if n := len(s.requests); n != []int{3, 1}[i] {
			t.Errorf("asked %q", s.requests)
		}
	}
	if _, err := w.PutBlob(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"digest":%q,"size":2},"layers":[{"digest":%q,"size":100000}]}`, ociManifest, config.Digest, blob.Digest)
	digest, err := w.PutManifest(t.Context(), ociManifest, raw)
	if err != nil || digest != digestOf(raw) {
		t.Fatal(digest, err)
	}
	r, err := s.open(t, "repo:v1")
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.Manifest(t.Context(), "")
	if err != nil || m.Digest != digest || m.MediaType != ociManifest {
		t.Errorf("%+v, %v", m, err)
	}
	if got, err := readBlob(t, r, blob.Digest, blob.Size); err != nil || !bytes.Equal(got, b) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := w.PutBlob(t.Context(), Blob{Digest: "sha256:../x"}); err == nil {
		t.Error("a digest that is none is sent")
	}
	if _, err := s.client.Writer(t.Context(), Reference{Host: s.host(), Repository: "repo", Digest: digest}); err == nil || hint.Of(err) != "name a tag" {
		t.Errorf("a push to a digest: %v", err)
	}
}

// receiver takes blobs, with faults.
type receiver struct {
	mu   sync.Mutex
	data []byte
	// state says that it tells how far an upload is, and goes on there.
	state bool
	// bodies are how the requests with a body end, the last one all others.
	bodies []ending
	// header is set in answers that complete an upload.
	header http.Header
	// location answers the start of an upload, if not empty.
	location string
	done     bool
	asked    []string // METHOD CONTENT-RANGE
}

// came returns what came, and what was asked.
func (r *receiver) came() (data []byte, asked string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.data, strings.Join(r.asked, ",")
}

// ending is how a request with a body ends: the connection breaks after so many
// bytes, or there is a status.
type ending struct {
	cut    int // -1 takes all
	status int
	after  string
}

func (r *receiver) serve(w http.ResponseWriter, q *http.Request) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, strings.TrimSpace(q.Method+" "+q.Header.Get("Content-Range")))
	switch {
	case strings.HasSuffix(q.URL.Path, "/blobs/uploads/"):
		r.data = nil
		where := "/v2/repo/blobs/uploads/1?state=x"
		if r.location != "" {
			where = r.location
		}
		w.Header().Set("Location", where)
		w.WriteHeader(http.StatusAccepted)
	case q.Method == http.MethodHead && strings.Contains(q.URL.Path, "/blobs/"):
		if !r.done {
			w.WriteHeader(http.StatusNotFound)
		}
	case q.Method == http.MethodGet && strings.Contains(q.URL.Path, "/uploads/"):
		if !r.state {
			w.WriteHeader(http.StatusNotFound)
			break
		}
		w.Header().Set("Range", fmt.Sprintf("0-%d", max(0, len(r.data)-1)))
		w.WriteHeader(http.StatusNoContent)
	case strings.Contains(q.URL.Path, "/uploads/"):
		r.take(w, q)
	default:
		return false
	}
	return true
}

func (r *receiver) take(w http.ResponseWriter, q *http.Request) {
	if q.ContentLength > 0 {
		end := ending{cut: -1}
		if len(r.bodies) > 0 {
			if end = r.bodies[0]; len(r.bodies) > 1 {
				r.bodies = r.bodies[1:]
			}
		}
		if end.status != 0 {
			w.Header().Set("Retry-After", end.after)
			w.WriteHeader(end.status)
			return
		}
		from := 0
		if q.Method == http.MethodPatch {
			if _, err := fmt.Sscanf(q.Header.Get("Content-Range"), "%d-", &from); err != nil || from != len(r.data) {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return
			}
		}
		var in io.Reader = q.Body
		if end.cut >= 0 {
			in = io.LimitReader(in, int64(end.cut-from))
		}
		got, _ := io.ReadAll(in) // as much as there is
		r.data = append(r.data, got...)
		if end.cut >= 0 {
			panic(http.ErrAbortHandler)
		}
	}
	if q.Method == http.MethodPatch {
		w.Header().Set("Location", "2")
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if digestOf(r.data) != q.URL.Query().Get("digest") {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"errors":[{"code":"DIGEST_INVALID","message":"other bytes"}]}`)
		return
	}
	r.done = true
	for k, v := range r.header {
		w.Header()[k] = v
	}
	w.WriteHeader(http.StatusCreated)
}

func TestUploadFaults(t *testing.T) {
	b := noise(200_000)
	half, all := len(b)/2, ending{cut: -1}
	const anew = "PUT,GET,HEAD,POST,PUT"
	for _, c := range []struct {
		name   string
		r      *receiver
		want   string // of the error
		asked  string // after the first HEAD and POST
		slept  string
		remedy string
	}{
		{"fine", &receiver{}, "", "PUT", "[]", ""},
		{"cut at 0", &receiver{bodies: []ending{{}, all}}, "", anew, "[1s]", ""},
		{"cut at 1", &receiver{bodies: []ending{{cut: 1}, all}}, "", anew, "[1s]", ""},
		{"cut in the middle", &receiver{bodies: []ending{{cut: half}, all}}, "", anew, "[1s]", ""},
		{"cut before the end", &receiver{bodies: []ending{{cut: len(b) - 1}, all}}, "", anew, "[1s]", ""},
		{"cut at 0, told", &receiver{state: true, bodies: []ending{{}, all}}, "", anew, "[1s]", ""},
		{"cut at 1, told", &receiver{state: true, bodies: []ending{{cut: 1}, all}}, "", anew, "[1s]", ""},
		{"cut in the middle, told", &receiver{state: true, bodies: []ending{{cut: half}, all}}, "", "PUT,GET,PATCH 100000-199999,PUT", "[1s]", ""},
		{"cut before the end, told", &receiver{state: true, bodies: []ending{{cut: len(b) - 1}, all}}, "", "PUT,GET,PATCH 199999-199999,PUT", "[1s]", ""},
		{"cut after the end, told", &receiver{state: true, bodies: []ending{{cut: len(b)}, all}}, "", "PUT,GET,PUT", "[1s]", ""},
		{"cut twice, told", &receiver{state: true, bodies: []ending{{cut: 1000}, {cut: half}, all}}, "",
			"PUT,GET,PATCH 1000-199999,GET,PATCH 100000-199999,PUT", "[1s 1s]", ""},
		{"always cut", &receiver{bodies: []ending{{cut: half}}}, "", "", "[1s 2s 4s 8s]", ""},
		{"busy", &receiver{bodies: []ending{{status: 429, after: "7"}, {status: 503, after: "3"}, all}}, "", "PUT,GET,HEAD,POST,PUT,GET,HEAD,POST,PUT", "[7s 3s]", ""},
		{"busy for years", &receiver{bodies: []ending{{status: 429, after: "1000000000"}}}, "answers 429 Too Many Requests", "PUT", "[]", "wait"},
		{"failing for ever", &receiver{bodies: []ending{{status: 500}}}, "answers 500 Internal Server Error", "", "[1s 2s 4s 8s]", ""},
		{"forgotten", &receiver{bodies: []ending{{status: 404}, all}}, "", "PUT,HEAD,POST,PUT", "[1s]", ""},
		{"never known", &receiver{bodies: []ending{{status: 404}}}, "answers 404 Not Found", "", "[1s 2s 4s 8s]", ""},
		{"forbidden", &receiver{bodies: []ending{{status: 403}}}, "answers 403 Forbidden", "PUT", "[]", "sealift registry login"},
		{"too large", &receiver{bodies: []ending{{status: 413}}}, "answers 413 Request Entity Too Large", "PUT", "[]", "no files of this size"},
		{"another digest", &receiver{header: http.Header{"Docker-Content-Digest": {"sha256:ab"}}}, `took it for "sha256:ab" instead of sha256:`, "PUT", "[]", "do not use this registry"},
		{"no address", &receiver{location: "http://%zz"}, "names no address", "", "[]", "tell who runs"},
		{"an address of another kind", &receiver{location: "ftp://h/x"}, "names no address", "", "[]", "tell who runs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t, Options{})
			w := s.writer(t, "repo:v1")
			s.requests = nil
			s.fault = c.r.serve
			blob, sent := blobOf(b), int64(0)
			blob.Sent = func(n int64) { sent += n }
			had, err := w.PutBlob(t.Context(), blob)
			data, asked := c.r.came()
			failed := c.want != "" || c.name == "always cut"
			if !failed && (err != nil || had || !bytes.Equal(data, b) || sent != blob.Size) {
				t.Errorf("had %v, %v; %d bytes came, %d sent", had, err, len(data), sent)
			}
			if failed && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), blob.Digest) || !strings.Contains(hint.Of(err), c.remedy)) {
				t.Errorf("error %v, hint %q", err, hint.Of(err))
			}
			if got := strings.TrimPrefix(asked, "HEAD,POST,"); c.asked != "" && got != c.asked || fmt.Sprint(s.slept) != c.slept {
				t.Errorf("asked %s, slept %v; want %s, %s", got, s.slept, c.asked, c.slept)
			}
		})
	}
}

// TestLostAnswer: a blob that came, and only the answer did not, is not sent
// again.
func TestLostAnswer(t *testing.T) {
	s := newServer(t, Options{})
	w := s.writer(t, "repo:v1")
	var r receiver
	var puts atomic.Int32
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		if q.Method != http.MethodPut {
			return r.serve(w, q)
		}
		puts.Add(1)
		r.serve(httptest.NewRecorder(), q)
		panic(http.ErrAbortHandler)
	}
	if had, err := w.PutBlob(t.Context(), blobOf(noise(1000))); err != nil || had || puts.Load() != 1 {
		t.Errorf("had %v, %v after %d", had, err, puts.Load())
	}
}

// TestRestart: a registry that goes away in the middle is waited for.
func TestRestart(t *testing.T) {
	s := newServer(t, Options{})
	w := s.writer(t, "repo:v1")
	var r receiver
	puts := 0
	var refused atomic.Int32
	w.e.client.Transport = through(func(q *http.Request) (*http.Response, error) {
		if refused.Add(-1) >= 0 {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}
		return http.DefaultTransport.RoundTrip(q)
	})
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		if q.Method == http.MethodPut {
			if puts++; puts == 1 {
				refused.Store(4) // twice: how much it has, and whether it has all
				panic(http.ErrAbortHandler)
			}
		}
		return r.serve(w, q)
	}
	if had, err := w.PutBlob(t.Context(), blobOf(noise(1000))); err != nil || had {
		t.Errorf("had %v, %v", had, err)
	}
	if got := fmt.Sprint(s.slept); got != "[1s 2s 4s]" {
		t.Errorf("slept %s", got)
	}
	refused.Store(1)
	if _, err := w.PutBlob(t.Context(), blobOf(noise(1001))); err == nil || !strings.Contains(hint.Of(err), "check the name of the registry") {
		t.Errorf("a registry that was never there: %v", err)
	}
}

// through is a transport.
type through func(*http.Request) (*http.Response, error)

func (f through) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }

// TestUploadStalls: a registry that takes nothing is given up, and asked again.
func TestUploadStalls(t *testing.T) {
	b := noise(10 << 20) // more than connections hold
	s := newServer(t, Options{Stall: time.Second})
	w := s.writer(t, "repo:v1")
	var r receiver
	var puts atomic.Int32
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		if q.Method == http.MethodPut {
			if puts.Add(1) == 1 {
				_, _ = io.ReadFull(q.Body, make([]byte, 10))
				time.Sleep(2 * time.Second)
				panic(http.ErrAbortHandler)
			}
		}
		return r.serve(w, q)
	}
	_, err := w.PutBlob(t.Context(), blobOf(b))
	if data, _ := r.came(); err != nil || puts.Load() != 2 || !bytes.Equal(data, b) {
		t.Errorf("%v after %d", err, puts.Load())
	}
	if len(s.warned) != 1 || !strings.Contains(s.warned[0], "the connection stalls") {
		t.Errorf("warned %q", s.warned)
	}
}

// TestUploadElsewhere: storage that the registry sends its clients to sees no
// credentials, and is not reached without TLS.
func TestUploadElsewhere(t *testing.T) {
	b := noise(1000)
	var seen []string
	var got []byte
	storage := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		seen = append(seen, q.Method+" "+q.URL.RawQuery+" "+q.Header.Get("Authorization"))
		got, _ = io.ReadAll(q.Body)
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(storage.Close)
	for address, want := range map[string]string{
		strings.Replace(storage.URL, "https://", "https://me:secret@", 1) + "/x?sig=b&a=%2f": "",
		"http://127.0.0.1:1/x": "wants the blob without TLS, at http://127.0.0.1:1",
	} {
		for _, token := range []bool{false, true} {
			s := newSecured(t, func(w http.ResponseWriter, q *http.Request) {
				if q.Method == http.MethodHead {
					w.WriteHeader(http.StatusNotFound)
					return
				}
				w.Header().Set("Location", address)
				w.WriteHeader(http.StatusAccepted)
			})
			s.action = "push,pull"
			if token {
				s.realm = s.URL + "/token"
			}
			seen = nil
			w, err := New(s.options(t, Credentials{Username: "user", Password: "secret"})).Writer(t.Context(), s.ref())
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.PutBlob(t.Context(), blobOf(b))
			if want != "" {
				if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(hint.Of(err), "X-Forwarded-Proto") || len(seen) > 0 {
					t.Errorf("error %v, seen %q", err, seen)
				}
				continue
			}
			if err != nil || !bytes.Equal(got, b) || len(seen) != 1 || seen[0] != "PUT sig=b&a=%2f&digest="+strings.Replace(digestOf(b), ":", "%3A", 1)+" " {
				t.Errorf("%v, storage saw %q", err, seen)
			}
		}
	}
}

// TestTokenExpires: a token that ends in the middle is bought anew, and the body
// sent again.
func TestTokenExpires(t *testing.T) {
	b := noise(100_000)
	var r receiver
	expired := false
	var s *secured
	s = newSecured(t, func(w http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodPut && !expired {
			expired = true
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s",service="test",error="invalid_token"`, s.realm))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.serve(w, q)
	})
	s.realm, s.action = s.URL+"/token", "push,pull"
	w, err := New(s.options(t, Credentials{Username: "user", Password: "secret"})).Writer(t.Context(), s.ref())
	if err != nil {
		t.Fatal(err)
	}
	had, err := w.PutBlob(t.Context(), blobOf(b))
	if data, _ := r.came(); err != nil || had || !bytes.Equal(data, b) || !expired {
		t.Errorf("had %v, %v; %d bytes came", had, err, len(data))
	}
}

// TestWriteUnauthorized: whoever did not log in is told how.
func TestWriteUnauthorized(t *testing.T) {
	for _, token := range []bool{false, true} {
		s := newSecured(t, nil)
		if s.action = "push,pull"; token {
			s.realm = s.URL + "/token"
		}
		w, err := New(s.options(t, Credentials{})).Writer(t.Context(), s.ref())
		if err == nil {
			_, err = w.PutBlob(t.Context(), blobOf(nil))
		}
		if err == nil || !strings.Contains(err.Error(), "401") || !strings.Contains(hint.Of(err), "sealift registry login") {
			t.Errorf("error %v, hint %q", err, hint.Of(err))
		}
	}
}

// TestManifestFaults: manifests are sent again as blobs are.
func TestManifestFaults(t *testing.T) {
	raw := []byte(`{"schemaVersion":2}`)
	for _, c := range []struct {
		answers []answer
		digest  string
		want    string
		slept   string
	}{
		{[]answer{{status: 503, after: "4"}, {status: 201}}, "", "", "[4s]"},
		{[]answer{{status: 201}}, "sha256:ab", `took it for "sha256:ab"`, "[]"},
		{[]answer{{status: 400}}, "", "manifest: the registry answers 400 Bad Request", "[]"},
	} {
		s := newServer(t, Options{})
		w := s.writer(t, "repo:v1")
		s.fault = func(w http.ResponseWriter, q *http.Request) bool {
			if got, _ := io.ReadAll(q.Body); !bytes.Equal(got, raw) {
				t.Errorf("came %q", got)
			}
			if c.digest != "" {
				w.Header().Set("Docker-Content-Digest", c.digest)
			}
			a := c.answers[0]
			if len(c.answers) > 1 {
				c.answers = c.answers[1:]
			}
			a.serve(w, q, nil)
			return true
		}
		_, err := w.PutManifest(t.Context(), ociManifest, raw)
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) || fmt.Sprint(s.slept) != c.slept {
			t.Errorf("%v, slept %v; want %q, %s", err, s.slept, c.want, c.slept)
		}
	}
}
