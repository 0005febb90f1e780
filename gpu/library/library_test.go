package library

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift/e2e/fixture/elffile"
)

// compile makes a shared library, or skips the test where there is no compiler.
func compile(t *testing.T, source string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	file := filepath.Join(t.TempDir(), "lib.so")
	cmd := exec.Command("gcc", append([]string{"-shared", "-fPIC", "-o", file, "-xc", "-"}, args...)...)
	cmd.Stdin = strings.NewReader(source)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

const source = `
#include <stdlib.h>
#include <string.h>
__asm__(".section .note.cuda.fwd_compatibility,\"a\"\n.string \"note{\\\"Format\\\":1,\\\"Driver\\\":[535,550]}\"\n.previous");
void *f(unsigned long n) { return memcpy(malloc(n), "x", 1); }
`

func TestOpen(t *testing.T) {
	file := compile(t, source, "-Wl,-soname,libf.so.1")
	lib, err := Open(os.DirFS(filepath.Dir(file)), "lib.so")
	if err != nil {
		t.Fatal(err)
	}
	if lib.SoName != "libf.so.1" || Glibc(lib.Needs["libc.so.6"]) == "" || lib.Forward == nil || !slices.Equal(lib.Forward.Drivers, []int{535, 550}) {
		t.Errorf("%+v", lib)
	}
	// A file system whose files cannot be read from anywhere.
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(sequential{fstest.MapFS{"lib.so": {Data: data}}}, "lib.so")
	if err != nil || again.SoName != lib.SoName || again.Arch != lib.Arch {
		t.Errorf("%v %+v", err, again)
	}
}

type sequential struct{ fstest.MapFS }

func (s sequential) Open(name string) (fs.File, error) {
	f, err := s.MapFS.Open(name)
	return struct{ fs.File }{f}, err
}

// TestTables: what the fixture of other tests says is what is read of it.
func TestTables(t *testing.T) {
	want := elffile.Library{SoName: "libcuda.so.1", Needs: []string{"GLIBC_2.2.5", "GLIBC_2.34"}, Defines: []string{"A_1", "A_2"}, Note: `x{"Driver":[535]}`}
	got, err := Read(bytes.NewReader(want.Bytes()))
	if err != nil || got.SoName != want.SoName || !slices.Equal(got.Needs["libc.so.6"], want.Needs) || !slices.Equal(got.Defines, want.Defines) ||
		got.Arch != "amd64" || got.Forward == nil || !slices.Equal(got.Forward.Drivers, []int{535}) {
		t.Errorf("%v %+v", err, got)
	}
}

// TestOwnLibc: the C library of this machine.
func TestOwnLibc(t *testing.T) {
	files, _ := filepath.Glob("/lib/*-linux-gnu/libc.so.6")
	for _, file := range files {
		lib, err := Open(os.DirFS("/"), file[1:])
		if err != nil || Compare(Glibc(lib.Defines), "2.17") < 0 || lib.SoName != "libc.so.6" {
			t.Errorf("%v %+v", err, lib)
		}
	}
}

// TestBare: a library that needs and defines nothing.
func TestBare(t *testing.T) {
	lib, err := Open(os.DirFS(filepath.Dir(compile(t, "", "-nostdlib"))), "lib.so")
	if err != nil || lib.SoName != "" || len(lib.Needs)+len(lib.Defines) > 0 || lib.Forward != nil {
		t.Errorf("%v %+v", err, lib)
	}
}

func TestNoLibrary(t *testing.T) {
	fsys := fstest.MapFS{"text": {Data: []byte("#!/bin/sh\n")}, "empty": {}}
	for _, name := range []string{"text", "empty", "missing"} {
		if lib, err := Open(fsys, name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v %+v", name, err, lib)
		}
	}
}

func TestGlibc(t *testing.T) {
	for want, versions := range map[string][]string{
		"2.34": {"GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.4", "GLIBC_PRIVATE"}, "": {"GCC_3.0"}, "2.2.5": {"GLIBC_2.2.5", "GLIBC_2.2"},
	} {
		if got := Glibc(versions); got != want {
			t.Errorf("%q: %s", versions, got)
		}
	}
}

func TestCompare(t *testing.T) {
	order := []string{"", "2", "2.2", "2.2.5", "2.10", "470.199.02", "550.54.14", "550.54.15"}
	for i, a := range order {
		for j, b := range order {
			if got := Compare(a, b); i < j && got >= 0 || i > j && got <= 0 || i == j && got != 0 {
				t.Errorf("%q and %q: %d", a, b, got)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Add(elffile.Library{SoName: "a", Needs: []string{"GLIBC_2.2.5", "GLIBC_2.34"}, Defines: []string{"A"}, Note: "{}"}.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if lib, err := Read(bytes.NewReader(b)); err == nil && lib.Arch == "" {
			t.Error("no architecture")
		}
	})
}
