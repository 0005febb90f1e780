package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/registry"
)

// img starts as a SIF does.
func img(n int) []byte {
	b := bytes.Repeat([]byte{'x'}, n)
	copy(b, "#!/usr/bin/env run-singularity\n")
	copy(b[32:], "SIF_MAGIC\x00")
	return b
}

// server serves a file, and notes what it is asked.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func serve(t *testing.T, h http.HandlerFunc) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, strings.TrimSpace(q.Method+" "+q.Header.Get("Range")+" "+q.Header.Get("If-Range")))
		s.mu.Unlock()
		h(w, q)
	}))
	t.Cleanup(s.Close)
	return s
}

func via() *registry.Client {
	return registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
}

// get finds and copies.
func get(t *testing.T, address string, limit int64) ([]byte, error) {
	t.Helper()
	f, err := Find(t.Context(), via(), address)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = f.Copy(t.Context(), &b, limit)
	return b.Bytes(), err
}

const tag = `"v1"`

func content(w http.ResponseWriter, q *http.Request, b []byte) {
	http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(b))
}

func TestFind(t *testing.T) {
	b := img(1000)
	s := serve(t, func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/moved":
			http.Redirect(w, q, "/f?secret", http.StatusFound)
			return
		case "/gone":
			w.WriteHeader(http.StatusGone)
			return
		case "/no-head":
			if q.Method == http.MethodHead {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
		case "/weak":
			w.Header().Set("ETag", "W/"+tag)
		case "/time":
			w.Header().Set("Last-Modified", "Thu, 26 Nov 2026 12:00:00 GMT")
		case "/f":
			w.Header().Set("ETag", tag)
		}
		content(w, q, b)
	})
	keys := map[string]string{}
	for _, path := range []string{"/f", "/moved", "/no-head", "/weak", "/time"} {
		f, err := Find(t.Context(), via(), s.URL+path)
		if err != nil {
			t.Fatal(err)
		}
		keys[path] = f.Key
		if f.Size != 1000 || f.Address != s.URL+path || strings.Contains(f.Final, "secret") {
			t.Errorf("%s: %+v", path, f)
		}
		if got, err := get(t, s.URL+path, 1000); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
	}
	if keys["/weak"] != "" || keys["/no-head"] != "" || len(keys["/f"]) != 64 || len(keys["/time"]) != 64 || keys["/f"] == keys["/moved"] {
		t.Errorf("keys %v", keys)
	}
	if f, err := Find(t.Context(), via(), s.URL+"/f"); err != nil || f.Key != keys["/f"] {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err := Find(t.Context(), via(), s.URL+"/moved"); err != nil || f.Final != s.URL+"/f" {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := Find(t.Context(), via(), s.URL+"/gone"); err == nil || !strings.Contains(err.Error(), "answers 410 Gone") || hint.Of(err) != "check the address" {
		t.Errorf("error %v", err)
	}
}

func TestNotAnImage(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<html><title>Log in</title>")
	})
	b, err := get(t, s.URL, 1000)
	if err == nil || !strings.Contains(err.Error(), `no SIF or SquashFS image: the server calls it "text/html; charset=utf-8"`) || !strings.Contains(hint.Of(err), "log in") || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
	for text, want := range map[string]bool{"": false, "hsqs....": true, "#!/usr/bin/env run-singularity\nhsqs": true, "#!/bin/sh": false} {
		s := serve(t, func(w http.ResponseWriter, q *http.Request) { content(w, q, []byte(text)) })
		if _, err := get(t, s.URL, 1000); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestFaults: b arrives whole or not at all.
func TestFaults(t *testing.T) {
	b := img(100_000)
	changed := img(100_000)
	changed[50_000] = 'y'
	// each answers a GET.
	type step func(w http.ResponseWriter, q *http.Request)
	whole := func(w http.ResponseWriter, q *http.Request) { content(w, q, b) }
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(b[:40_000])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	noRange := func(w http.ResponseWriter, q *http.Request) {
		q.Header.Del("Range")
		content(w, q, b)
	}
	for name, c := range map[string]struct {
		etag  string
		steps []step // the last one goes on
		limit int64
		want  string
		asked string
	}{
		"fine":       {tag, []step{whole}, 1e6, "", "HEAD,GET"},
		"cut":        {tag, []step{cut, whole}, 1e6, "", `HEAD,GET,GET bytes=40000- "v1"`},
		"no ranges":  {tag, []step{cut, noRange}, 1e6, "", `HEAD,GET,GET bytes=40000- "v1"`},
		"no ETag":    {"", []step{cut, whole}, 1e6, "after 40000 of 100000 bytes", "HEAD,GET"},
		"exact":      {tag, []step{whole}, 100_000, "", "HEAD,GET"},
		"over limit": {tag, []step{whole}, 99_999, "it has 100000 bytes, more than 99999", "HEAD"},
		"changed": {tag, []step{cut, func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("ETag", `"v2"`)
			content(w, q, changed)
		}}, 1e6, "it changed while it was read", `HEAD,GET,GET bytes=40000- "v1"`},
		"no longer there": {tag, []step{cut, func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Range", "bytes */10")
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		}}, 1e6, "it changed while it was read", `HEAD,GET,GET bytes=40000- "v1"`},
		"another size": {tag, []step{func(w http.ResponseWriter, q *http.Request) { content(w, q, b[:90_000]) }}, 1e6, "has 90000 bytes there, not 100000", "HEAD,GET"},
		"wrong range": {tag, []step{cut, func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-59999/100000")
			w.WriteHeader(http.StatusPartialContent)
		}}, 1e6, `sends "bytes 0-59999/100000" instead of "bytes 40000-99999/100000"`, `HEAD,GET,GET bytes=40000- "v1"`},
		"failing": {tag, []step{func(w http.ResponseWriter, q *http.Request) { w.WriteHeader(503) }, whole}, 1e6, "", "HEAD,GET,GET"},
		"denied":  {tag, []step{func(w http.ResponseWriter, q *http.Request) { w.WriteHeader(403) }}, 1e6, "answers 403 Forbidden", "HEAD,GET"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, q *http.Request) {
				if c.etag != "" {
					w.Header().Set("ETag", c.etag)
				}
				if q.Method == http.MethodHead {
					content(w, q, b)
					return
				}
				next := c.steps[0]
				if len(c.steps) > 1 {
					c.steps = c.steps[1:]
				}
				next(w, q)
			})
			got, err := get(t, s.URL+"/f", c.limit)
			if c.want == "" && (err != nil || !bytes.Equal(got, b)) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v", err)
			}
			if asked := strings.Join(s.asked, ","); asked != c.asked {
				t.Errorf("asked %s", asked)
			}
		})
	}
}

// TestNoSize: a server that does not tell the size is read to its end, on in
// the middle, and never over the limit.
func TestNoSize(t *testing.T) {
	b := img(100_000)
	for name, c := range map[string]struct {
		cut   int // where the first answer breaks; 0 nowhere
		limit int64
		want  string
	}{
		"fine": {0, 100_000, ""}, "cut": {40_000, 1e6, ""}, "cut after all": {100_000, 1e6, ""}, "too long": {0, 99_999, "more than 99999 bytes"},
	} {
		first := true
		s := serve(t, func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("ETag", tag)
			switch {
			case q.Header.Get("Range") != "":
				content(w, q, b)
			case q.Method == http.MethodHead:
			case c.cut > 0 && first:
				first = false
				_, _ = w.Write(b[:c.cut])
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			default:
				_, _ = w.Write(b[:50_000])
				_ = http.NewResponseController(w).Flush()
				_, _ = w.Write(b[50_000:])
			}
		})
		got, err := get(t, s.URL, c.limit)
		if c.want == "" && (err != nil || !bytes.Equal(got, b)) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestPasswords: they go to the server that they are for, and into no text.
func TestPasswords(t *testing.T) {
	b := img(1000)
	other := serve(t, func(w http.ResponseWriter, q *http.Request) {
		if a := q.Header.Get("Authorization") + q.Header.Get("Referer"); a != "" {
			t.Errorf("another server sees %q", a)
		}
		content(w, q, b)
	})
	s := serve(t, func(w http.ResponseWriter, q *http.Request) {
		if _, password, _ := q.BasicAuth(); password != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch q.URL.Path {
		case "/other":
			http.Redirect(w, q, other.URL+"/f", http.StatusFound)
		case "/here":
			http.Redirect(w, q, "/f", http.StatusFound)
		case "/none":
			w.WriteHeader(http.StatusNotFound)
		default:
			content(w, q, b)
		}
	})
	address := strings.Replace(s.URL, "http://", "http://me:secret@", 1)
	for _, path := range []string{"/f", "/other?token=secret", "/here"} {
		if got, err := get(t, address+path, 1000); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
	}
	if _, err := get(t, s.URL+"/f", 1000); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("error %v", err)
	}
	dead := strings.Replace(address, "127.0.0.1:", "127.0.0.1:1", 1)
	for _, bad := range []string{address + "/none?token=secret", dead + "/?token=secret", "http://me:secret@/x", "http://me:secret@h:x/", "ftp://me:secret@h/x"} {
		_, err := get(t, bad, 1000)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", bad, err)
		}
		if _, parseErr := url.Parse(bad); parseErr == nil && hint.Of(err) == "" {
			t.Errorf("%s: %v has no hint", bad, err)
		}
	}
	f, err := Find(t.Context(), via(), address+"/f")
	if err != nil || strings.Contains(fmt.Sprint(f.Address, f.Final, f.Key), "secret") {
		t.Errorf("%+v, %v", f, err)
	}
}

// A host has one name: rules know it by that.
func TestHostOfOtherLetters(t *testing.T) {
	for _, address := range []string{"https://host\uff0eexample/x.sif", "https://%EF%BD%88ost.example/x.sif", "http://b\u00fccher.example/x"} {
		name, err := Name(address)
		_, found := Find(t.Context(), via(), address)
		if name != "" || err == nil || found == nil || !strings.Contains(hint.Of(found), "xn--") {
			t.Errorf("%s: %q, %v, %v (%s)", address, name, err, found, hint.Of(found))
		}
	}
}
