package fromhost

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/hostcmd"
	"github.com/sealift/sealift/runtime/spec"
)

// prepare has a request show the commands sh and cat.
func prepare(t *testing.T, r *spec.Request, names ...string) (c *Commands, warning string, err error) {
	t.Helper()
	dir, said := t.TempDir(), new(bytes.Buffer)
	if err := os.WriteFile(filepath.Join(dir, "sealift-hostcmd"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	p := &ui.Process{Terminal: ui.Terminal{Err: said}, Environ: []string{"PATH=/usr/bin:/bin"}, Executable: filepath.Join(dir, "sealift"), Cwd: dir}
	c, err = (&Flags{names}).Prepare(p, r)
	t.Cleanup(func() { c.Close(p) })
	return c, said.String(), err
}

func TestPrepare(t *testing.T) {
	var r spec.Request
	c, warning, err := prepare(t, &r, "sh", "cat")
	if err != nil || warning != "" || len(r.Mounts) != 2 || !reflect.DeepEqual(r.Env, []string{"PREPEND_PATH=/.singularity.d/host/bin"}) {
		t.Fatalf("%v %q %+v", err, warning, r)
	}
	for _, name := range []string{"bin/sh", "bin/cat", "client", "socket"} {
		if _, err := os.Lstat(filepath.Join(c.dir.Path(), name)); err != nil {
			t.Error(err)
		}
	}
	if info, err := os.Stat(c.dir.Path()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info, err)
	}
	dir := c.dir.Path()
	if c.Close(&ui.Process{}); c.server == nil {
		t.Error("no server")
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", dir, err)
	}
	if _, warning, err := prepare(t, &spec.Request{ContainAll: true}, "sh"); err != nil || !strings.Contains(warning, "--containall does not hold for sh") {
		t.Errorf("%v %q", err, warning)
	}
	for _, c := range []struct {
		r    spec.Request
		name string
	}{{spec.Request{Fakeroot: true}, "sh"}, {spec.Request{}, "no-such-program"}, {spec.Request{}, "/bin/sh"}} {
		if _, _, err := prepare(t, &c.r, c.name); err == nil || hint.Of(err) == "" || len(c.r.Mounts) > 0 {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if c, _, err := prepare(t, &spec.Request{}); c != nil || err != nil {
		t.Errorf("%v %v", c, err)
	}
}

// TestPath: the commands come before what the user puts before PATH.
func TestPath(t *testing.T) {
	given := []string{"A=1", "PREPEND_PATH=/x"}
	r := spec.Request{Env: given}
	if show(&r); !reflect.DeepEqual(r.Env, []string{"A=1", "PREPEND_PATH=/.singularity.d/host/bin:/x"}) || given[1] != "PREPEND_PATH=/x" {
		t.Errorf("%q %q", r.Env, given)
	}
	for name, want := range map[string]int{".singularity.d/host/" + hostcmd.SocketName: 1, "other": 0} {
		r = spec.Request{}
		if Inside(fstest.MapFS{name: {}}, &r); len(r.Env) != want {
			t.Errorf("%s: %q", name, r.Env)
		}
	}
}
