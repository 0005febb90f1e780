package hostmpi

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/gpu/ldcache"
	"github.com/sealift/sealift/runtime/doctor/mpi/libraries"
)

// compile compiles a library in a root directory that needs others of it.
func compile(t *testing.T, root, name, soname, source string, needs ...string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"-shared", "-fPIC", "-o", path, "-x", "c", "-", "-x", "none", "-Wl,-soname," + soname, "-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined"}
	for _, n := range needs {
		args = append(args, filepath.Join(root, n))
	}
	cmd := exec.Command("gcc", args...)
	cmd.Stdin = strings.NewReader(source)
	if out, err := cmd.CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v: %s", err, out)
		}
		t.Skipf("no compiler: %v: %s", err, out)
	}
}

// uses has a library take a symbol of glibc.
const uses = "#include <stdlib.h>\nvoid *f(void) { return malloc(1); }"

// host has MPICH of a module, and Open MPI of a distribution, with modules of their own.
func host(t *testing.T) Host {
	t.Helper()
	root := t.TempDir()
	compile(t, root, "lib/libhwloc.so.15", "libhwloc.so.15", uses)
	compile(t, root, "lib/libcxi.so.1", "libcxi.so.1", uses)
	compile(t, root, "lib/libucs.so.0", "libucs.so.0", uses)
	compile(t, root, "lib/ucx/libuct_ib.so.0", "libuct_ib.so.0", uses, "lib/libcxi.so.1", "lib/libucs.so.0")
	compile(t, root, "lib/libgone.so.1", "libgone.so.1", uses)
	compile(t, root, "lib/ucx/libuct_gone.so.0", "libuct_gone.so.0", uses, "lib/libgone.so.1")
	compile(t, root, "apps/mpich/lib/libmpi.so.12", "libmpi.so.12", uses, "lib/libhwloc.so.15", "lib/libucs.so.0")
	compile(t, root, "lib/libopen-pal.so.40", "libopen-pal.so.40", uses, "lib/libhwloc.so.15")
	compile(t, root, "lib/libmpi.so.40", "libmpi.so.40", uses, "lib/libopen-pal.so.40")
	compile(t, root, "lib/openmpi/mca_pml_ucx.so", "mca_pml_ucx.so", uses, "lib/libucs.so.0")
	if err := os.Remove(filepath.Join(root, "lib/libgone.so.1")); err != nil {
		t.Fatal(err)
	}
	flags, _ := ldcache.Flags(runtime.GOARCH)
	cache := new(ldcache.Cache)
	for _, name := range []string{"libhwloc.so.15", "libcxi.so.1", "libucs.so.0", "libopen-pal.so.40", "libmpi.so.40"} {
		cache.Entries = append(cache.Entries, ldcache.Entry{Name: name, Path: "/no/" + name, Flags: 1}, ldcache.Entry{Name: name, Path: "/lib/" + name, Flags: flags})
	}
	return Host{FS: os.DirFS(root), Dirs: []string{"relative", "/apps/mpich/lib"}, Cache: cache, Arch: runtime.GOARCH}
}

func image(glibc string, sonames ...string) Image {
	img := Image{Glibc: glibc}
	for _, s := range sonames {
		img.Libraries = append(img.Libraries, libraries.Library{SoName: s})
	}
	return img
}

// TestPlan: the host's MPI comes by the names that the image has, with all it needs.
func TestPlan(t *testing.T) {
	h := host(t)
	for _, c := range []struct {
		img              Image
		files, dirs, env []string
	}{
		{
			image("2.99", "libucp.so.0", "libmpich.so.12", "libmpi.so.12"),
			[]string{
				"/apps/mpich/lib/libmpi.so.12:libmpich.so.12", "/apps/mpich/lib/libmpi.so.12:libmpi.so.12", "/lib/libhwloc.so.15:libhwloc.so.15",
				"/lib/libucs.so.0:libucs.so.0", "/lib/libcxi.so.1:libcxi.so.1",
			},
			[]string{"/lib/ucx"}, []string{"UCX_MODULE_DIR=/lib/ucx"},
		},
		{
			image("2.99", "libmpi.so.40"),
			[]string{
				"/lib/libmpi.so.40:libmpi.so.40", "/lib/libopen-pal.so.40:libopen-pal.so.40", "/lib/libhwloc.so.15:libhwloc.so.15",
				"/lib/libucs.so.0:libucs.so.0", "/lib/libcxi.so.1:libcxi.so.1",
			},
			[]string{"/lib/openmpi", "/lib/ucx"}, []string{"UCX_MODULE_DIR=/lib/ucx"},
		},
	} {
		in, err := Plan(h, c.img)
		if err != nil || !slices.Equal(in.Files, c.files) || !slices.Equal(in.Dirs, c.dirs) || !slices.Equal(in.Env, c.env) {
			t.Errorf("%+v: %v, %+v", c.img, err, in)
		}
	}
}

// TestRefused: what does not fit is told in one error, with a way out.
func TestRefused(t *testing.T) {
	h := host(t)
	bare := Host{FS: h.FS, Arch: h.Arch}
	for _, c := range []struct {
		host Host
		img  Image
		want string
	}{
		{h, image("2.36", "libucp.so.0"), "the image has no MPI that"},
		{h, image("", "libmpi.so.12"), "the image has no glibc"},
		{h, image("2.0", "libmpi.so.12"), "/apps/mpich/lib/libmpi.so.12 of the host needs glibc 2."},
		{Host{FS: h.FS, Dirs: h.Dirs, Arch: h.Arch}, image("2.99", "libmpi.so.40"), "has Open MPI's ABI (libmpi.so.40), and the host has no library of it, but libmpi.so.12"},
		{bare, image("2.99", "libmpi.so.40"), "the host has no library of it"},
		{Host{FS: h.FS, Dirs: h.Dirs, Arch: h.Arch}, image("2.99", "libmpi.so.12"), "needs libhwloc.so.15, which is not there"},
	} {
		if in, err := Plan(c.host, c.img); err == nil || !strings.Contains(err.Error(), c.want) || hint.Of(err) == "" {
			t.Errorf("%+v: %v, %+v", c.img, err, in)
		}
	}
}

// TestGlibc: of this machine, and of a root without one.
func TestGlibc(t *testing.T) {
	if got := Glibc(os.DirFS("/")); !strings.HasPrefix(got, "2.") && os.Getenv("CI") == "true" {
		t.Errorf("%q", got)
	}
	if got := Glibc(os.DirFS(t.TempDir())); got != "" {
		t.Errorf("%q", got)
	}
}
