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
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// many is how many processes want an image at once: the ranks of a node.
const many = 64

// requests counts what is fetched of a registry.
type requests struct {
	mu    sync.Mutex
	count map[string]int
	// hold, if not nil, is closed when the first blob larger than 100 kB is half
	// sent, which then does not go on before release is closed.
	hold, release chan struct{}
	once          sync.Once
}

var document = regexp.MustCompile(`^/v2/.*/(manifests|blobs)/sha256:`)

func (r *requests) serve(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodGet || !document.MatchString(q.URL.Path) {
			inner.ServeHTTP(w, q)
			return
		}
		r.mu.Lock()
		r.count[q.URL.Path]++
		r.mu.Unlock()
		answer := httptest.NewRecorder()
		inner.ServeHTTP(answer, q)
		body := answer.Body.Bytes()
		for k, v := range answer.Header() {
			w.Header()[k] = v
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(answer.Code)
		if r.hold != nil && len(body) > 100_000 {
			r.once.Do(func() {
				_, _ = w.Write(body[:len(body)/2]) // the other side is about to die
				w.(http.Flusher).Flush()
				close(r.hold)
				<-r.release
			})
			select {
			case <-q.Context().Done():
				return
			default:
			}
		}
		_, _ = w.Write(body) // who has gone does not want it
	})
}

// TestManyProcesses: of all that want an image which is not here, one fetches
// it, and another one if that is killed.
func TestManyProcesses(t *testing.T) {
	asUser(t, "^TestManyProcesses$")
	env := images(t)
	if env["BUSYBOX"] == "" {
		t.Skip("needs the busybox fixture")
	}
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed %t", killed), func(t *testing.T) {
			r := &requests{count: map[string]int{}}
			if killed {
				r.hold, r.release = make(chan struct{}), make(chan struct{})
			}
			server := httptest.NewServer(r.serve(registry.New(registry.Logger(log.New(io.Discard, "", 0)))))
			defer server.Close()
			host := strings.TrimPrefix(server.URL, "http://")
			index, err := layout.ImageIndexFromPath(env["BUSYBOX"])
			if err != nil {
				t.Fatal(err)
			}
			to, err := name.ParseReference(host + "/busybox:1")
			if err == nil {
				err = remote.WriteIndex(to, index)
			}
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			start := func() (*exec.Cmd, *bytes.Buffer) {
				var out bytes.Buffer
				c := exec.Command(filepath.Join(env["STAGE"], "bin/sealift"), "exec", "--no-home", "docker://"+host+"/busybox:1", "echo", "works")
				c.Env = append(os.Environ(), "SEALIFT_CACHEDIR="+dir+"/cache", "HOME="+dir, "TMPDIR="+dir)
				c.Dir, c.Stdout, c.Stderr = "/", &out, &out
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				return c, &out
			}
			var first *exec.Cmd
			if killed {
				first, _ = start()
				<-r.hold
			}
			var all []*exec.Cmd
			var outs []*bytes.Buffer
			for range many {
				c, out := start()
				all, outs = append(all, c), append(outs, out)
			}
			if killed {
				if err := first.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = first.Wait() // it was killed
				close(r.release)
			}
			for i, c := range all {
				if err := c.Wait(); err != nil || !strings.HasSuffix(outs[i].String(), "works\n") {
					t.Errorf("%v: %s", err, outs[i])
				}
			}
			for path, n := range r.count {
				if cut := killed && strings.Contains(path, "/blobs/"); n != 1 && !(cut && n == 2) {
					t.Errorf("%s was fetched %d times", path, n)
				}
			}
			if len(r.count) < 3 {
				t.Errorf("fetched %v", r.count)
			}
			left, err := filepath.Glob(dir + "/cache/*/.*")
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %q, %v", left, err)
			}
		})
	}
}
