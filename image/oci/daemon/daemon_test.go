package daemon

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

// listen starts a daemon on a Unix socket that has one image.
func listen(t *testing.T) string {
	t.Helper()
	path := t.TempDir() + "/docker.sock"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/images/team/app:v1/get":
			_, _ = io.WriteString(w, "archive")
		case "/images/cut/get":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"message": "No such image: none:latest"}`)
		}
	}))
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return "unix://" + path
}

func TestSave(t *testing.T) {
	address := listen(t)
	var b bytes.Buffer
	if err := Save(t.Context(), address, "team/app:v1", &b); err != nil || b.String() != "archive" {
		t.Errorf("%q, %v", b.String(), err)
	}
	for _, c := range []struct{ address, name, want, hint string }{
		{address, "none", "No such image: none:latest", "docker image ls"},
		{address, "cut", "unexpected EOF", ""},
		{"unix:///nowhere", "x", "the Docker daemon at unix:///nowhere: dial unix /nowhere: connect: no such file", "DOCKER_HOST"},
		{"ssh://host", "x", `Docker daemon at "ssh://host"`, "unix://PATH"},
	} {
		if err := Save(t.Context(), c.address, c.name, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), c.hint) {
			t.Errorf("%s: error %v, hint %q", c.name, err, hint.Of(err))
		}
	}
}

func TestTCP(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "tcp") }))
	t.Cleanup(s.Close)
	var b bytes.Buffer
	if err := Save(t.Context(), "tcp://"+strings.TrimPrefix(s.URL, "http://"), "x", &b); err != nil || b.String() != "tcp" {
		t.Errorf("%q, %v", b.String(), err)
	}
}
