package remotes

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/oci/registry"
)

func TestFiles(t *testing.T) {
	p := &ui.Process{Environ: []string{"HOME=/h", "DOCKER_CONFIG=/d", "XDG_RUNTIME_DIR=/r", "REGISTRY_AUTH_FILE=/a.json"}}
	want := []string{
		"/a.json", "/h/.apptainer/docker-config.json", "/d/config.json", "/h/.docker/config.json", "/r/containers/auth.json",
		"/h/.config/containers/auth.json",
	}
	if got := new(Flags).Files(p); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := (&Flags{authFile: "x"}).Files(p); !slices.Equal(got, []string{"x"}) {
		t.Errorf("%q", got)
	}
}

func TestEnvironment(t *testing.T) {
	var f Flags
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	f.Add(flags)
	p := &ui.Process{Environ: []string{"APPTAINER_DOCKER_USERNAME=u", "SEALIFT_DOCKER_PASSWORD=p", "SINGULARITY_NOHTTPS=1"}}
	if err := p.FromEnvironment(flags); err != nil {
		t.Fatal(err)
	}
	if f.user != "u" || f.password != "p" || !f.plainHTTP.all {
		t.Errorf("%+v", f)
	}
	if got := f.Daemon(p); got != "" {
		t.Errorf("daemon %q", got)
	}
	p.Environ = append(p.Environ, "DOCKER_HOST=unix:///d")
	if got := f.Daemon(p); got != "unix:///d" {
		t.Errorf("daemon %q", got)
	}
}

// TestFile: a login goes where it is read first, as Apptainer has it.
func TestFile(t *testing.T) {
	home := t.TempDir()
	p := &ui.Process{Environ: []string{"HOME=" + home}}
	var f Flags
	if got := f.File(p); got != home+"/.docker/config.json" {
		t.Errorf("without any: %s", got)
	}
	for _, name := range []string{"/.docker/config.json", "/.apptainer/docker-config.json"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(home+name), 0o700), os.WriteFile(home+name, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		if got := f.File(p); got != home+name {
			t.Errorf("with %s: %s", name, got)
		}
	}
	if got := f.File(&ui.Process{Environ: []string{"HOME=/none", "DOCKER_CONFIG=/d"}}); got != "/d/config.json" {
		t.Errorf("%s", got)
	}
	p.Environ = append(p.Environ, "REGISTRY_AUTH_FILE=/none/auth.json")
	if got := f.File(p); got != "/none/auth.json" {
		t.Errorf("%s", got)
	}
	if got := (&Flags{authFile: "x"}).File(p); got != "x" {
		t.Errorf("%s", got)
	}
	if got := f.File(&ui.Process{}); got != "" {
		t.Errorf("without a home: %s", got)
	}
}

func TestHosts(t *testing.T) {
	for args, want := range map[string]string{
		"": "false false false", "--no-https": "true true true", "--no-https=false": "false false false", "--no-https=1": "true true true",
		"--no-https=A.example:5000,b": "true false false", "--no-https=docker.io": "false false true",
	} {
		var f Flags
		flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
		f.Add(flags)
		if err := flags.Parse(append(strings.Fields(args), "b")); err != nil || flags.Arg(0) != "b" {
			t.Fatalf("%s: %v, %q", args, err, flags.Args())
		}
		if got := fmt.Sprint(f.plainHTTP.has("a.example:5000"), f.plainHTTP.has("a.example"), f.plainHTTP.has("index.docker.io")); got != want {
			t.Errorf("%s: %s", args, got)
		}
	}
	for _, text := range []string{"", "a,,b", "http://a", "a b"} {
		if err := new(hosts).Set(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestRulesFiles(t *testing.T) {
	for want, environ := range map[string][]string{
		"/s/registries.conf": {"HOME=/h", "XDG_CONFIG_HOME=/x", "SEALIFT_CONFIGDIR=/s"}, "/x/sealift/registries.conf": {"HOME=/h", "XDG_CONFIG_HOME=/x"},
		"/h/.config/sealift/registries.conf": {"HOME=/h", "XDG_CONFIG_HOME=relative"}, "": nil,
	} {
		if got := (&ui.Process{Environ: environ}).UserConfig(rulesFile); got != want {
			t.Errorf("%q: %s", environ, got)
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"site": "[[registry]]\nprefix = \"bad.example\"\nblocked = true", "user": "[[registry]]\nprefix = \"bad.example\"", "wrong": "[[registry]]",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := merged(dir+"/site", dir+"/user")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Endpoints("bad.example", "x", false); err == nil || !strings.Contains(err.Error(), dir+"/site:1") {
		t.Errorf("error %v", err)
	}
	if r, err := merged(dir+"/none", ""); err != nil {
		t.Error(err)
	} else if list, err := r.Endpoints("bad.example", "x", false); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	for _, c := range [][2]string{{dir + "/site", dir + "/wrong"}, {dir + "/wrong", ""}, {dir, ""}} {
		if _, err := merged(c[0], c[1]); err == nil {
			t.Errorf("%q: no error", c)
		}
	}
}

// proxyEnv makes the test binary open an image of registry.test.
const proxyEnv = "SEALIFT_TEST_PROXIED"

// TestProxy: the environment names the proxy, its user, and who is not asked
// through it.
func TestProxy(t *testing.T) {
	if os.Getenv(proxyEnv) != "" {
		p := &ui.Process{Terminal: ui.Terminal{Err: io.Discard}, Environ: os.Environ()}
		_, err := new(Flags).Client(p).Open(t.Context(), registry.Reference{Host: "registry.test", Repository: "x", Tag: "v1"})
		fmt.Println("error:", err, "hint:", hint.Of(err))
		return
	}
	var seen atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		seen.Add(1)
		if q.Method != http.MethodConnect || q.Host != "registry.test:443" || q.Header.Get("Proxy-Authorization") != "Basic dXNlcjpzM2NyZXQ=" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		w.WriteHeader(http.StatusTeapot) // it knows who asks, and that is all
	}))
	t.Cleanup(s.Close)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(s.URL, "http://")
	for _, c := range []struct {
		environ []string
		asked   bool
		want    string
	}{
		{[]string{"https_proxy=http://user:s3cret@" + address}, true, "teapot"},
		{[]string{"HTTPS_PROXY=http://user:wr0ng@" + address}, true, "hint: name the proxy with its user"},
		{[]string{"HTTPS_PROXY=http://user:s3cret@" + address, "NO_PROXY=.test"}, false, "registry.test"},
	} {
		seen.Store(0)
		cmd := exec.Command(self, "-test.run", "^TestProxy$")
		cmd.Env = append(c.environ, proxyEnv+"=1", "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) || (seen.Load() > 0) != c.asked || strings.Contains(string(out), "s3cret") || strings.Contains(string(out), "wr0ng") {
			t.Errorf("%q: %v, asked %d times: %s", c.environ, err, seen.Load(), out)
		}
	}
}
