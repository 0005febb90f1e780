package image

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const deffile = "Bootstrap: scratch\n"

// rootfs is the file system of the test images.
func rootfs() *tree.Node {
	file := func(s string) *tree.Node {
		return &tree.Node{Mode: tree.TypeRegular | 0o644, Content: tree.Bytes(s)}
	}
	dir := func(entries map[string]*tree.Node) *tree.Node {
		return &tree.Node{Mode: tree.TypeDir | 0o755, Entries: entries}
	}
	link := func(s string) *tree.Node { return &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: s} }
	return dir(map[string]*tree.Node{
		"etc":            dir(map[string]*tree.Node{"passwd": file("image's own\n"), "fifo": {Mode: tree.TypeFIFO | 0o666}}),
		"abs":            link("/etc/passwd"),
		"out":            link("../../../../../../etc/passwd"),
		"host":           link("/proc/self/environ"),
		"loop":           link("loop"),
		".singularity.d": dir(map[string]*tree.Node{"Singularity": file(deffile)}),
	})
}

// pack writes the test file system as SquashFS.
func pack(t testing.TB, w io.Writer) []byte {
	t.Helper()
	sq, err := writer.New(w, writer.Options{})
	must(t, err)
	super, err := sq.Finish(rootfs())
	must(t, err)
	return super.Bytes()
}

func squashFile(t testing.TB) string {
	t.Helper()
	var buf bytes.Buffer
	super := pack(t, &buf)
	copy(buf.Bytes(), super)
	path := filepath.Join(t.TempDir(), "fs.img")
	must(t, os.WriteFile(path, buf.Bytes(), 0o644))
	return path
}

func sifFile(t testing.TB) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "image")) // the name says nothing
	must(t, err)
	c := sif.Contents{
		Arch: "arm64", Deffile: []byte(deffile), Time: time.Unix(1, 0),
		JSON: []sif.NamedObject{{Name: sif.OCIConfig, Data: []byte(`{"os":"linux"}`)}},
	}
	must(t, sif.Create(f, c, func(w io.Writer) ([]byte, error) { return pack(t, w), nil }))
	must(t, f.Close())
	return f.Name()
}

func sandboxDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/etc", 0o755))
	must(t, os.MkdirAll(dir+"/.singularity.d", 0o755))
	must(t, os.WriteFile(dir+"/etc/passwd", []byte("image's own\n"), 0o644))
	must(t, os.WriteFile(dir+"/.singularity.d/Singularity", []byte(deffile), 0o644))
	must(t, unix.Mkfifo(dir+"/etc/fifo", 0o666))
	for name, target := range map[string]string{
		"abs": "/etc/passwd", "out": "../../../../../../etc/passwd", "host": "/proc/self/environ", "loop": "loop",
	} {
		must(t, os.Symlink(target, dir+"/"+name))
	}
	return dir
}

// kinds opens the same file system in every format.
func kinds(t *testing.T, fn func(t *testing.T, f *File)) {
	for kind, path := range map[Kind]string{SIF: sifFile(t), SquashFS: squashFile(t), Sandbox: sandboxDir(t)} {
		t.Run(kind.String(), func(t *testing.T) {
			f, err := Open(path, Options{})
			must(t, err)
			if f.Kind() != kind || f.Path() != path || f.Info() != (Info{Path: path, Kind: kind, Arch: f.Arch(), FS: f.FS()}) {
				t.Errorf("%s opens as %v, %+v", path, f.Kind(), f.Info())
			}
			fn(t, f)
			must(t, f.Close())
		})
	}
}

func TestOpen(t *testing.T) {
	kinds(t, func(t *testing.T, f *File) {
		isSIF := f.Kind() == SIF
		if (f.Arch() == "arm64") != isSIF || (f.SIF() != nil) != isSIF || (f.Squash() == nil) != (f.Kind() == Sandbox) {
			t.Errorf("arch %q, SIF %v, SquashFS %v", f.Arch(), f.SIF(), f.Squash())
		}
		if b, err := f.Deffile(); err != nil || string(b) != deffile {
			t.Errorf("definition %q, %v", b, err)
		}
		b, err := f.OCIConfig()
		if isSIF && (err != nil || string(b) != `{"os":"linux"}`) || !isSIF && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("OCI configuration %q, %v", b, err)
		}
		entries, err := f.FS().ReadDir("etc")
		if err != nil || len(entries) != 2 || entries[0].Name() != "fifo" {
			t.Errorf("etc holds %v, %v", entries, err)
		}
		if target, err := f.FS().ReadLink("out"); err != nil || !strings.HasSuffix(target, "etc/passwd") {
			t.Errorf("out leads to %q, %v", target, err)
		}
		if st, err := f.File().Stat(); err != nil || st.IsDir() != (f.Kind() == Sandbox) {
			t.Errorf("File: %v, %v", st, err)
		}
	})
}

// TestLaunchLine opens an image as Singularity 2 wrote it.
func TestLaunchLine(t *testing.T) {
	path := squashFile(t)
	b, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, append([]byte("#!/usr/bin/env run-singularity\n"), b...), 0o644))
	f, err := Open(path, Options{})
	must(t, err)
	defer f.Close()
	if got, err := ReadFile(f.FS(), "abs", 100); f.Kind() != SquashFS || err != nil || string(got) != "image's own\n" {
		t.Errorf("%v: %q, %v", f.Kind(), got, err)
	}
	must(t, f.Prefetch())
	for _, p := range []string{path, sifFile(t)} {
		if !IsFile(p) {
			t.Errorf("%s is no image", p)
		}
	}
	for _, p := range []string{"image_test.go", ".", "missing"} {
		if IsFile(p) {
			t.Errorf("%s is an image", p)
		}
	}
}

// No name in an image leads to the host, and none makes the reader wait.
func TestReadFile(t *testing.T) {
	kinds(t, func(t *testing.T, f *File) {
		for _, name := range []string{"etc/passwd", "abs", "out"} {
			if b, err := ReadFile(f.FS(), name, 12); err != nil || string(b) != "image's own\n" {
				t.Errorf("%s holds %q, %v", name, b, err)
			}
		}
		for name, text := range map[string]string{
			"etc/passwd": "the limit is 11", "etc": "not a regular file", "etc/fifo": "etc/fifo",
			"host": "host", "loop": "loop", "missing": "missing", "/etc/passwd": "/etc/passwd",
		} {
			b, err := ReadFile(f.FS(), name, 11)
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s holds %q, %v", name, b, err)
			}
		}
	})
}

// The image stays what it was when its path gets another meaning.
func TestOneDescriptor(t *testing.T) {
	kinds(t, func(t *testing.T, f *File) {
		must(t, os.Rename(f.Path(), f.Path()+".old"))
		must(t, os.WriteFile(f.Path(), []byte("evil"), 0o644))
		if b, err := ReadFile(f.FS(), "etc/passwd", 100); err != nil || string(b) != "image's own\n" {
			t.Errorf("passwd holds %q, %v", b, err)
		}
	})
}

func TestNotAnImage(t *testing.T) {
	dir := t.TempDir()
	at := func(n int, magic string) string {
		return strings.Repeat("\x00", n) + magic + strings.Repeat("\x00", 3000)
	}
	for _, c := range []struct{ name, content, text, remedy string }{
		{"empty", "", "the file is empty", "again"},
		{"text", "hello\n", "neither a SIF nor a SquashFS", "complete"},
		{"ext3", at(1080, "\x53\xef"), "ext3", "SIF or SquashFS"},
		{"elf", "\x7fELF\x02", "ELF", "before the command"},
		{"script", "#!/bin/sh\n", "a script", "before the command"},
		{"tar", at(257, "ustar"), "a tar archive", "oci-archive:" + dir + "/tar"},
		{"gzip", "\x1f\x8b\x08", "a gzip file", "oci-archive:"},
		{"zstd", "\x28\xb5\x2f\xfd", "a zstd file", "oci-archive:"},
		{"xz", "\xfd7zXZ\x00", "an xz file", "decompress"},
		{"zip", "PK\x03\x04", "a zip file", "decompress"},
		{"luks", "LUKS\xba\xbe", "LUKS", "SIF or SquashFS"},
		{"big-endian", "sqsh", "big-endian", "SIF or SquashFS"},
		{"def", "# comment\nBootStrap: docker\nFrom: x\n", "a definition file", "sealift build new.sif " + dir + "/def"},
		{"launch", "#!/usr/bin/env run-singularity\n\x00SIF_MAGIC\x00", "truncated", "download the image again"},
		{"squash", "hsqs", "squashfs", ""},
		{"zeros", at(0, ""), "neither", "complete"},
	} {
		path := dir + "/" + c.name
		must(t, os.WriteFile(path, []byte(c.content), 0o644))
		checkError(t, path, c.text, c.remedy)
	}
}

func checkError(t *testing.T, path, text, remedy string) {
	t.Helper()
	start := time.Now()
	f, err := Open(path, Options{})
	if err == nil {
		t.Fatalf("%s opens as %v", path, f.Kind())
	}
	if !strings.HasPrefix(err.Error(), "open image "+path+": ") || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: error %q, want %q", path, err, text)
	}
	if got := hint.Of(err); !strings.Contains(got, remedy) {
		t.Errorf("%s: hint %q, want %q", path, got, remedy)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("%s took %v", path, d)
	}
}

func TestOddFiles(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mkfifo(dir+"/fifo", 0o644))
	l, err := net.Listen("unix", dir+"/socket")
	must(t, err)
	defer l.Close()
	must(t, os.MkdirAll(dir+"/layout/blobs", 0o755))
	must(t, os.WriteFile(dir+"/layout/oci-layout", nil, 0o644))
	must(t, os.Mkdir(dir+"/hollow", 0o755))
	must(t, os.WriteFile(dir+"/huge", []byte("hsqs"), 0o644))
	must(t, os.Truncate(dir+"/huge", 1<<40))
	must(t, os.Symlink("nowhere", dir+"/dangling"))
	for _, c := range []struct{ path, text, remedy string }{
		{dir + "/fifo", "a FIFO", "SIF file"},
		{dir + "/socket", "a socket", "SIF file"},
		{"/dev/zero", "a device", "SIF file"},
		{dir + "/missing", "no such file", "spelling"},
		{dir + "/dangling", "no such file", "spelling"},
		{dir + "/huge", "squashfs", ""},
		{dir + "/huge/x", "not a directory", ""},
		{dir + "/layout", "OCI image layout", "oci:" + dir + "/layout"},
		{dir + "/hollow", "is empty", "image you mean"},
	} {
		checkError(t, c.path, c.text, c.remedy)
	}
}

func TestTruncated(t *testing.T) {
	for _, path := range []string{sifFile(t), squashFile(t)} {
		b, err := os.ReadFile(path)
		must(t, err)
		for _, n := range []int{300, 100} {
			cut := filepath.Join(t.TempDir(), "cut")
			must(t, os.WriteFile(cut, b[:n], 0o644))
			checkError(t, cut, "truncated", "again")
		}
		must(t, os.Truncate(path, int64(len(b)-4096)))
		if _, err := Open(path, Options{}); err == nil {
			t.Errorf("%s opens without its last 4096 bytes", path)
		}
	}
}

func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	path := squashFile(t)
	must(t, os.Chmod(path, 0))
	checkError(t, path, "permission denied", "owner")
}

func BenchmarkOpen(b *testing.B) {
	path := sifFile(b)
	for b.Loop() {
		f, err := Open(path, Options{})
		must(b, err)
		must(b, f.Close())
	}
}
