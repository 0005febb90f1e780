package e2e

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// ofManyLayers puts an image of eight layers into a registry, of 200 kB each.
func ofManyLayers(t *testing.T, to string) {
	t.Helper()
	img, err := random.Image(200_000, 8)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c.OS, c.Architecture, c.Created = "linux", runtime.GOARCH, v1.Time{Time: time.Unix(1600000000, 0)}
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(to)
	if err == nil {
		err = remote.Write(ref, img)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// slow sends layers a little at a time, and never whole, while held. The first three are
// not held.
type slow struct {
	inner http.Handler
	held  atomic.Bool
	sent  atomic.Int32 // layers that were asked for
	now   atomic.Int32 // layers that are being held
}

func (h *slow) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	answer := httptest.NewRecorder()
	h.inner.ServeHTTP(answer, q)
	body := answer.Body.Bytes()
	for k, v := range answer.Header() {
		w.Header()[k] = v
	}
	if q.Method != http.MethodGet || len(body) < 100_000 || !h.held.Load() || h.sent.Add(1) <= 3 {
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body) // who has gone does not want it
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	h.now.Add(1)
	defer h.now.Add(-1)
	for ; len(body) > 1 && q.Context().Err() == nil; time.Sleep(20 * time.Millisecond) {
		n, err := w.Write(body[:min(len(body)-1, 4000)]) // and never the last byte
		if err != nil {
			return
		}
		w.(http.Flusher).Flush()
		body = body[n:]
	}
	<-q.Context().Done()
}

// TestPullInterruptedT68 ends pulls in the middle of their layers: the status is the
// signal's, neither an output nor a temporary file is left, with a cache and without, and
// the next pull brings the image.
func TestPullInterruptedT68(t *testing.T) {
	asUser(t, "^TestPullInterruptedT68$")
	sealift := filepath.Join(images(t)["STAGE"], "bin/sealift")
	h := &slow{inner: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	server := httptest.NewServer(h)
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	ofManyLayers(t, host+"/many:1")
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, cached := range []bool{true, false} {
			dir := t.TempDir()
			for _, name := range []string{"tmp", "cwd"} {
				if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			pull := func() (*exec.Cmd, *bytes.Buffer) {
				var out bytes.Buffer
				c := exec.Command(sealift, "pull", "out.sif", "docker://"+host+"/many:1")
				c.Env = append(os.Environ(), "SEALIFT_CACHEDIR="+dir+"/cache", "HOME="+dir, "TMPDIR="+dir+"/tmp", "SEALIFT_TMPDIR="+dir+"/tmp")
				if !cached {
					c.Env = append(c.Env, "SEALIFT_DISABLE_CACHE=true")
				}
				c.Dir, c.Stdout, c.Stderr = dir+"/cwd", &out, &out
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Process.Kill() })
				return c, &out
			}
			h.held.Store(true)
			h.sent.Store(0)
			c, out := pull()
			wait(t, "layers to come", func() bool { return h.now.Load() > 0 })
			if err := c.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			err := c.Wait()
			if took := time.Since(start); c.ProcessState.ExitCode() != 128+int(s) || took > 5*time.Second || strings.Contains(out.String(), "goroutine ") {
				t.Errorf("%v, cached %t: %v after %v: %s", s, cached, err, took, out)
			}
			for _, pattern := range []string{"tmp/*", "tmp/.*", "cwd/*", "cwd/.*", "cache/*/.*"} {
				if left, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(left) > 0 {
					t.Errorf("%v, cached %t: left %q, %v", s, cached, left, err)
				}
			}
			h.held.Store(false)
			c, out = pull()
			if err := c.Wait(); err != nil {
				t.Errorf("%v, cached %t: the next pull: %v: %s", s, cached, err, out)
			}
			if info, err := os.Stat(dir + "/cwd/out.sif"); err != nil || info.Size() < 8*200_000 {
				t.Errorf("%v, cached %t: %v, %v", s, cached, info, err)
			}
			if left, err := os.ReadDir(dir + "/tmp"); err != nil || len(left) > 0 {
				t.Errorf("%v, cached %t: left %v, %v", s, cached, left, err)
			}
		}
	}
}
