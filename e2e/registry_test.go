package e2e

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/sealift/sealift/e2e/fixture"
	"github.com/sealift/sealift/e2e/fixture/keyserver"
)

// aptEnv hands the proxy of startAptCache on to the tests of the ordinary
// user.
const aptEnv = "SEALIFT_TEST_APT"

// startAptCache starts a proxy through which apt reaches its mirrors, and
// returns its URL.
func startAptCache(t *testing.T) string {
	t.Helper()
	if url := os.Getenv(aptEnv); url != "" {
		return url
	}
	cache, err := filepath.Abs(".fixtures")
	if err != nil {
		t.Fatal(err)
	}
	a, err := fixture.NewAptCache(cache)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	t.Setenv(aptEnv, s.URL)
	return s.URL
}

// startLibrary starts a container library whose token is "library-token", and
// returns its URL.
func startLibrary(t *testing.T, env map[string]string) string {
	t.Helper()
	l := fixture.NewLibrary()
	t.Cleanup(l.Close)
	l.Token = "library-token"
	if path := busybox(t, env); path != "" {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		l.Put("ann/tools/bb", "1", runtime.GOARCH, file)
	}
	return l.URL()
}

// startKeyserver starts an OpenPGP key server, and returns its URL.
func startKeyserver(t *testing.T) string {
	t.Helper()
	s := keyserver.New()
	t.Cleanup(s.Close)
	return s.URL()
}

// startWeb starts a web server of the busybox image's directory, and returns its
// URL.
func startWeb(t *testing.T, env map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(busybox(t, env)))))
	t.Cleanup(s.Close)
	return s.URL
}

// busybox returns the path of the image that scripts have as $BB, empty where
// that cannot be made.
func busybox(t *testing.T, env map[string]string) string {
	t.Helper()
	if env["BUSYBOX"] == "" {
		return ""
	}
	path, err := buildOnce(env["STAGE"], "BB", "oci:"+env["BUSYBOX"])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// startRegistry starts a registry with the images of OCI layouts, by their
// names there, and returns its host. It is this machine's, so without TLS.
func startRegistry(t *testing.T, images map[string]string) string {
	t.Helper()
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	for where, dir := range images {
		ref, err := name.ParseReference(host + "/" + where)
		if err != nil {
			t.Fatal(err)
		}
		index, err := layout.ImageIndexFromPath(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.WriteIndex(ref, index); err != nil {
			t.Fatal(err)
		}
	}
	return host
}
