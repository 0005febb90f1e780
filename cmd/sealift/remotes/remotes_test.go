package remotes

import (
	"slices"
	"testing"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/cmd/sealift/ui"
)

func TestFiles(t *testing.T) {
	p := &ui.Process{Environ: []string{"HOME=/h", "DOCKER_CONFIG=/d", "XDG_RUNTIME_DIR=/r", "REGISTRY_AUTH_FILE=/a.json"}}
	want := []string{
		"/a.json", "/h/.apptainer/docker-config.json", "/d/config.json", "/h/.docker/config.json", "/r/containers/auth.json",
		"/h/.config/containers/auth.json",
	}
	if got := new(Flags).files(p); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := (&Flags{authFile: "x"}).files(p); !slices.Equal(got, []string{"x"}) {
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
	if f.user != "u" || f.password != "p" || !f.plainHTTP {
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
