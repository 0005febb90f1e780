package pushes

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/endpoints"
	"github.com/sealift/sealift/cmd/sealift/keys"
	"github.com/sealift/sealift/cmd/sealift/pulls"
	"github.com/sealift/sealift/cmd/sealift/trusts"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/e2e/fixture"
)

// session is a user with commands, an image box.sif, a registry and a library.
type session struct {
	p       *ui.Process
	out     bytes.Buffer // results
	err     bytes.Buffer // all else
	host    string
	library *fixture.Library
	fault   func(w http.ResponseWriter, q *http.Request) bool
}

func start(t *testing.T) *session {
	t.Helper()
	dir := t.TempDir()
	box := exec.Command("go", "run", "github.com/sealift/sealift/e2e/box", "oci-archive", filepath.Join(dir, "box.tar"))
	if out, err := box.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Chdir(dir)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	s := &session{}
	s.p = &ui.Process{
		Terminal: ui.Terminal{Out: &s.out, Err: &s.err}, Cwd: dir, Stdin: null, Stderr: null,
		Environ: []string{"HOME=" + dir, "TMPDIR=" + dir, "APPTAINER_CONFIGDIR=" + dir + "/config"},
	}
	real := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if s.fault == nil || !s.fault(w, q) {
			real.ServeHTTP(w, q)
		}
	}))
	t.Cleanup(server.Close)
	s.host = strings.TrimPrefix(server.URL, "http://")
	s.library = fixture.NewLibrary()
	t.Cleanup(s.library.Close)
	s.library.Token = "library-token"
	if err := os.WriteFile("token", []byte("library-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.must(t, pulls.Command(s.p), "box.sif", "oci-archive:box.tar")
	s.must(t, endpoints.Command(s.p), "add", "--insecure", "--tokenfile", "token", "Team", s.library.URL())
	return s
}

func execute(c *cobra.Command, args ...string) error {
	c.SetArgs(args)
	c.SilenceErrors, c.SilenceUsage = true, true
	return c.Execute()
}

func (s *session) must(t *testing.T, c *cobra.Command, args ...string) {
	t.Helper()
	if err := execute(c, args...); err != nil {
		t.Fatalf("%q: %v (%s)\n%s", args, err, hint.Of(err), &s.err)
	}
}

// run runs one of the commands, and returns what it printed.
func (s *session) run(args ...string) (results, messages string, err error) {
	s.out.Reset()
	s.err.Reset()
	for _, c := range Commands(s.p) {
		if c.Name() == args[0] {
			err = execute(c, args[1:]...)
		}
	}
	return s.out.String(), s.err.String(), err
}

// says runs a command that succeeds, and wants a text in what it printed.
func (s *session) says(t *testing.T, want string, args ...string) {
	t.Helper()
	out, messages, err := s.run(args...)
	if err != nil || !strings.Contains(out+messages, want) {
		t.Errorf("%q: %v, hint %q\n%s%s", args, err, hint.Of(err), out, messages)
	}
}

// fails runs a command that fails, with a hint.
func (s *session) fails(t *testing.T, want, remedy string, args ...string) {
	t.Helper()
	out, messages, err := s.run(args...)
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(hint.Of(err), remedy) || hint.Of(err) == "" {
		t.Errorf("%q: error %v, hint %q\n%s%s", args, err, hint.Of(err), out, messages)
	}
}

func TestRegistry(t *testing.T) {
	s := start(t)
	at := "oras://" + s.host + "/team/box"
	s.says(t, "pushing box.sif, ", "push", "box.sif", at+":1")
	s.says(t, at+":1: sha256:", "push", "box.sif", at+":1")
	s.says(t, ", which was there, in ", "push", "box.sif", at+":1")
	s.says(t, "only a library keeps", "push", "-D", "text", "box.sif", at+":1")
	s.says(t, "pushed as it is", "push", "--compression", "zstd", "box.sif", at+":1")
	s.must(t, pulls.Command(s.p), "--disable-cache", "back.sif", at+":1")
	if same(t, "box.sif", "back.sif"); t.Failed() {
		return
	}
	s.says(t, s.host+"/team/box:3: sha256:", "tag", at+":1", "2", at+":3")
	if out, _, err := s.run("search", at); err != nil || out != at+":1\n"+at+":2\n"+at+":3\n" {
		t.Errorf("%q, %v", out, err)
	}
	for _, where := range []string{"docker://" + s.host, "docker://" + s.host + "/te", "docker://" + s.host + "/team/"} {
		if out, _, err := s.run("search", where); err != nil || out != "docker://"+s.host+"/team/box\n" {
			t.Errorf("%s: %q, %v", where, out, err)
		}
	}
	s.says(t, "nothing found", "search", "docker://"+s.host+"/other")
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		if q.URL.Path == "/v2/_catalog" {
			w.WriteHeader(http.StatusForbidden)
		}
		return q.URL.Path == "/v2/_catalog"
	}
	s.fails(t, "does not list its repositories", "name a repository", "search", "docker://"+s.host+"/team/")
	s.fails(t, "404", "check the name", "search", "docker://"+s.host+"/team/none")
	s.fault = nil

	s.fails(t, "nobody to ask", "use --force", "delete", at+":2")
	s.says(t, ", deleted", "delete", "--force", at+":2")
	s.fails(t, "404", "check the name", "delete", "--force", at+":2")
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		if q.Method == http.MethodDelete {
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
		return q.Method == http.MethodDelete
	}
	s.fails(t, "405", "forbids deletes", "delete", "--force", at+":1")
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	for _, args := range [][]string{{"push", "box.sif", at}, {"tag", at, "x"}, {"delete", "-F", at}, {"search", at}} {
		s.fails(t, "401", "sealift registry login", args...)
	}
}

// TestDocker: the files of an image become one that OCI's readers read, and the
// same one again.
func TestDocker(t *testing.T) {
	s := start(t)
	at := "docker://" + s.host + "/team/box"
	s.says(t, "packing box.sif\nsealift: pushing box.sif, ", "push", "box.sif", at+":1")
	s.says(t, ", which was there, in ", "push", "box.sif", at+":1")
	_, digest, _ := strings.Cut(s.err.String(), at+":1: ")
	s.says(t, at+":2: "+digest[:71], "push", "--tmpdir", s.p.Cwd, "box.sif", at+":2")
	s.says(t, at+":z: sha256:", "push", "--compression", "zstd:3", "box.sif", at+":z")
	if strings.Contains(s.err.String(), digest[:71]) {
		t.Error("zstd gives the same image")
	}
	for _, tag := range []string{":1", ":z"} {
		if err := os.RemoveAll("back"); err != nil {
			t.Fatal(err)
		}
		s.must(t, pulls.Command(s.p), "--disable-cache", "--sandbox", "back", at+tag)
		if _, err := os.Stat("back/bin/box"); err != nil {
			t.Error(err)
		}
	}
	s.says(t, at+":dir: sha256:", "push", "back", at+":dir")
	s.fails(t, `by "xz"`, "choose gzip", "push", "--compression", "xz", "box.sif", at+":1")
	if _, _, err := s.run("push", "--tmpdir", "none", "box.sif", at+":3"); err == nil || !strings.Contains(err.Error(), "none: no such file") {
		t.Errorf("error %v", err)
	}
	s.p.Environ = append(s.p.Environ, "SOURCE_DATE_EPOCH=1")
	s.says(t, at+":old: sha256:", "push", "box.sif", at+":old")
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	s.fails(t, "401", "sealift registry login", "push", "box.sif", at+":1")
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, err1 := os.ReadFile(a)
	y, err2 := os.ReadFile(b)
	if err1 != nil || err2 != nil || !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ: %v, %v", a, b, err1, err2)
	}
}

func TestLibrary(t *testing.T) {
	s := start(t)
	const at = "library://ann/tools/box"
	s.library.Requests()
	const unverified = "unable to upload container: unable to verify signature: "
	s.fails(t, unverified+"object 1 (Def.FILE) of group 1 is not signed", "'sealift push -U box.sif'; 'sealift help sign'", "push", "box.sif", at+":1")
	if asked := s.library.Requests(); len(asked) > 0 {
		t.Errorf("the library is asked before: %q", asked)
	}
	s.says(t, "warning: skipping container verification", "push", "-U", "-D", "a box", "box.sif", at+":1")
	s.says(t, at+":1: sha256:", "push", "-U", "-D", "a box", "box.sif", at+":1")
	s.says(t, ", which was there, in ", "push", "-U", "box.sif", at+":1")
	file, err := os.ReadFile("box.sif")
	if err != nil || !bytes.Equal(s.library.Get("ann/tools/box", "1", runtime.GOARCH), file) {
		t.Errorf("the library does not have it: %v", err)
	}
	s.says(t, "tagged 2, stable", "tag", at+":1", "2", "stable")
	if s.library.Get("ann/tools/box", "stable", runtime.GOARCH) == nil {
		t.Error("the tag is not there")
	}
	out, _, err := s.run("search", "box")
	want := "Found 1 container images for " + runtime.GOARCH + " matching \"box\":\n\n\t" + at + ":1,2,stable\n\t\ta box\n\n"
	if err != nil || out != want {
		t.Errorf("%q, %v", out, err)
	}
	s.says(t, "No container images found for arm matching \"box\".", "search", "--arch", "arm", "library://box")
	s.fails(t, "too short", "at least 3", "search", "bo")
	s.fails(t, "nobody to ask", "use --force", "delete", at+":2")
	s.says(t, "deleted", "delete", "-F", "ann/tools/box:2")
	s.fails(t, "404", "check the name", "delete", "-F", at+":none")
	s.fails(t, "404", "check the name", "tag", at+":none", "x")
}

// TestSigned: a library gets an image that is verified as Apptainer does it.
func TestSigned(t *testing.T) {
	s := start(t)
	const at = "library://ann/tools/box:1"
	const unverified = "unable to upload container: unable to verify signature: "
	sign, newpair := trusts.Commands(s.p)[0], keys.Command(s.p)
	s.must(t, newpair, "newpair", "--name", "Ada", "--email", "ada@example.org", "--comment", "", "--bit-length", "2048", "--password", "", "--push=false")
	s.must(t, sign, "box.sif")
	s.says(t, at+": sha256:", "push", "box.sif", at)
	file, err := os.ReadFile("box.sif")
	if err != nil {
		t.Fatal(err)
	}
	// What was changed since, and what another key signed too.
	changed := bytes.Clone(file)
	changed[200_000] ^= 1
	if err := os.WriteFile("changed.sif", changed, 0o600); err != nil {
		t.Fatal(err)
	}
	s.fails(t, unverified+"signature ", "push -U changed.sif", "push", "changed.sif", at)
	s.says(t, at+": sha256:", "push", "-U", "changed.sif", at)
	s.p.Environ = append(s.p.Environ, "SEALIFT_KEYSDIR="+s.p.Cwd+"/none")
	s.fails(t, "is not known", "push -U box.sif", "push", "box.sif", at)
	// A registry takes what there is.
	s.says(t, ": sha256:", "push", "changed.sif", "oras://"+s.host+"/changed:1")
}

// TestAsks: on a terminal there is a question before a delete.
func TestAsks(t *testing.T) {
	s := start(t)
	at := "docker://" + s.host + "/box:1"
	s.says(t, "", "push", "box.sif", "oras://"+s.host+"/box:1")
	for _, c := range []struct{ answer, want string }{{"n\n", "nothing was deleted"}, {"\n", "nothing was deleted"}, {"y\n", ", deleted"}} {
		control, tty, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		s.p.Stdin = tty
		if _, err := control.WriteString(c.answer); err != nil {
			t.Fatal(err)
		}
		s.says(t, "Delete "+at+", which is sha256:", "delete", at)
		if !strings.Contains(s.err.String(), ", with all of its tags? [y/N] ") || !strings.Contains(s.err.String(), c.want) {
			t.Errorf("%q: %s", c.answer, &s.err)
		}
		control.Close()
		tty.Close()
	}
}

func TestMistakes(t *testing.T) {
	s := start(t)
	at := s.host + "/box"
	digest := "@sha256:" + strings.Repeat("a", 64)
	if err := os.MkdirAll("dir/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want, remedy string
		args         []string
	}{
		{`"box:1" is not the name of an image to push to`, "begin it with", []string{"push", "box.sif", "box:1"}},
		{"is not the name of an image to push to", "begin it with", []string{"push", "box.sif", "https://h/x"}},
		{"none.sif", "check the spelling", []string{"push", "none.sif", "oras://" + at}},
		{"dir is a sandbox image", "sealift build image.sif dir", []string{"push", "dir", "oras://" + at}},
		{"is a digest", "name a tag", []string{"push", "box.sif", "oras://" + at + digest}},
		{"is a digest", "name a tag", []string{"push", "box.sif", "docker://" + at + digest}},
		{"does not name an image", "write [HOST", []string{"push", "box.sif", "oras://UPPER/x"}},
		{"does not name an image of a library", "write library://", []string{"push", "-U", "box.sif", "library://a/b/c/d/e"}},
		{"is not the name of an image to tag", "begin it with", []string{"tag", "box", "x"}},
		{`"a/b" is not a tag`, "for a whole name write docker://HOST", []string{"tag", "docker://" + at, "a/b"}},
		{"does not name an image", "write [HOST", []string{"tag", "docker://" + at, "ä"}},
		{"is not the name of an image to name the image by", "begin it with docker://", []string{"tag", "docker://" + at, "oras://" + at + ":2"}},
		{"two registries", "pull the image", []string{"tag", "docker://" + at, "docker://h.example/x:1"}},
		{"is not the name of an image to delete", "begin it with", []string{"delete", "http://h/x"}},
		{"gopher:// cannot be searched", "use docker://", []string{"search", "gopher://x"}},
		{"has a tag", "leave it out", []string{"search", "docker://" + at + ":1"}},
		{"does not name an image", "write [HOST", []string{"search", "docker://-"}},
	} {
		s.fails(t, c.want, c.remedy, c.args...)
	}
	for _, args := range [][]string{{"push", "box.sif"}, {"tag", "docker://h/x"}, {"delete"}, {"search"}, {"search", "a", "b"}} {
		if _, _, err := s.run(args...); err == nil {
			t.Errorf("%q succeeds", args)
		}
	}
	s.p.Environ = append(s.p.Environ, "SEALIFT_ALLOW_UNSIGNED=x", "SEALIFT_FORCE=x", "SEALIFT_SEARCH_SIGNED=x", "SEALIFT_NOHTTPS=")
	for _, args := range [][]string{{"push", "box.sif", "oras://" + at}, {"delete", "docker://" + at}, {"search", "box"}} {
		if _, _, err := s.run(args...); err == nil || !strings.Contains(err.Error(), "SEALIFT_") {
			t.Errorf("%q with a bad variable: %v", args, err)
		}
	}
}

// TestTimeout: a delete gives up when it is to.
func TestTimeout(t *testing.T) {
	s := start(t)
	over := make(chan struct{})
	s.fault = func(w http.ResponseWriter, q *http.Request) bool {
		select {
		case <-over:
		case <-q.Context().Done():
		}
		return true
	}
	began := time.Now()
	_, _, err := s.run("delete", "-F", "--timeout", "1", "docker://"+s.host+"/box:1")
	close(over)
	if err == nil || !strings.Contains(err.Error(), "deadline") || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
