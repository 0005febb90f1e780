package libraries

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// compile compiles a library in a root directory, or skips the test where there is no compiler.
func compile(t *testing.T, root, name, source string, args ...string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("gcc", append([]string{"-shared", "-fPIC", "-x", "c", "-o", path, "-", "-x", "none"}, args...)...)
	cmd.Stdin = strings.NewReader(source)
	if out, err := cmd.CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v: %s", err, out)
		}
		t.Skipf("no compiler: %v", err)
	}
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	text := func(s string) string { return `const char pad[] = "1.2", text[] = "` + s + `", more[] = "9.9.9.9";` }
	compile(t, root, "usr/lib/x/libmpi.so.40.30.4", text("v4.1.4"), "-Wl,-soname,libmpi.so.40")
	compile(t, root, "usr/lib/x/pmix/lib/libpmix.so.2.6.2", text("OpenPMIx 4.2.2rc2 (PMIx Standard)"), "-Wl,-soname,libpmix.so.2")
	compile(t, root, "opt/mpich/lib/libmpich.so.12", text("4.0.2"), "-Wl,-soname,libmpich.so.12", "-Wl,--no-as-needed", filepath.Join(root, "usr/lib/x/pmix/lib/libpmix.so.2.6.2"))
	compile(t, root, "usr/lib/x/libucp.so.0", text("1.13.1")+"\n#include <stdlib.h>\nvoid *f(void) { return malloc(1); }", "-Wl,-soname,libucp.so.0")
	compile(t, root, "usr/lib/x/libmpi.so.1", text("1.2.3"))
	compile(t, root, "usr/lib/x/libmpifoo.so.40", text("1.2.3"), "-Wl,-soname,libmpifoo.so.40")
	compile(t, root, "home/libmpi.so.40", text("1.2.3"), "-Wl,-soname,libmpi.so.40")
	for _, err := range []error{
		os.Symlink("libmpi.so.40.30.4", filepath.Join(root, "usr/lib/x/libmpi.so.40")), os.Symlink("usr/lib", filepath.Join(root, "lib")),
		os.WriteFile(filepath.Join(root, "usr/lib/libmpi.so"), []byte("INPUT(-lmpi)"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := Find(os.DirFS(root))
	for i := range got {
		if got[i].SoName == "libucp.so.0" && got[i].Glibc == "" {
			t.Error("no version of glibc")
		}
		got[i].Glibc = ""
		if got[i].SoName != "libmpich.so.12" {
			got[i].Needs = nil
		}
	}
	want := []Library{
		{Path: "/opt/mpich/lib/libmpich.so.12", SoName: "libmpich.so.12", Version: "4.0.2", Needs: []string{"libpmix.so.2", "libc.so.6"}},
		{Path: "/usr/lib/x/libmpi.so.40.30.4", SoName: "libmpi.so.40", Version: "4.1.4"},
		{Path: "/usr/lib/x/libucp.so.0", SoName: "libucp.so.0"},
		{Path: "/usr/lib/x/pmix/lib/libpmix.so.2.6.2", SoName: "libpmix.so.2", Version: "4.2.2rc2"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got := Find(os.DirFS(filepath.Join(root, "none"))); got != nil {
		t.Errorf("%+v", got)
	}
}
