package layered

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/sandbox"
)

var _ image.FS = (*FS)(nil)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func dir(t *testing.T, path string) *sandbox.DirFS {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	return sandbox.FS(f)
}

// lower is a tree that the changes are made to.
const lower = `
mkdir -p keep gone hidden/sub dir file-to-dir-d links deep/a/b
echo keep > keep/x; echo gone > gone/x; echo old > hidden/old; echo old > hidden/sub/old
echo f > file-to-dir; echo f > dir/f; echo 1 > deep/a/b/c; echo 2 > deep/a/two
ln -s ../keep/x links/rel; ln -s /deep/a/b links/abs; ln -s nowhere links/dangling; ln -s loop links/loop
ln -s ../../../../keep links/up; touch plain; mkfifo fifo
`

// changes are made through the kernel's overlayfs.
const changes = `
rm -r gone; rm plain
rm -r hidden; mkdir hidden; echo new > hidden/new
rm file-to-dir; mkdir file-to-dir; echo in > file-to-dir/in
rm -r dir; echo file > dir
rm links/rel; ln -s ../hidden/new links/rel
echo more >> deep/a/two; echo 3 > deep/a/three; rm deep/a/b/c
mkdir fresh; echo fresh > fresh/x
`

// TestAgainstKernel compares with what the kernel shows of two layers that it made
// itself, and of three.
func TestAgainstKernel(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		at := apart.Tmpfs(t, "")
		for _, d := range []string{"lower", "up1", "up2", "work1", "work2", "merged"} {
			must(t, os.Mkdir(filepath.Join(at, d), 0o755))
		}
		run(t, at+"/lower", lower)
		mount(t, at, "lowerdir=lower,upperdir=up1,workdir=work1")
		run(t, at+"/merged", changes)
		want := listing(t, os.DirFS(at+"/merged").(files))
		compare(t, want, listing(t, New(dir(t, at+"/up1"), dir(t, at+"/lower"))))
		must(t, syscall.Unmount(at+"/merged", 0))

		mount(t, at, "lowerdir=up1:lower,upperdir=up2,workdir=work2")
		run(t, at+"/merged", "rm -r fresh keep; mkdir keep; rm dir; mkdir -p dir/again; echo x > dir/again/x; rm hidden/new")
		want = listing(t, os.DirFS(at+"/merged").(files))
		compare(t, want, listing(t, New(dir(t, at+"/up2"), dir(t, at+"/up1"), dir(t, at+"/lower"))))
		must(t, syscall.Unmount(at+"/merged", 0))
	})
}

func mount(t *testing.T, at, data string) {
	t.Helper()
	must(t, os.Chdir(at))
	must(t, unix.Mount("o", at+"/merged", "overlay", 0, "userxattr,"+data))
}

func run(t *testing.T, dir, script string) {
	t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// files is what both sides are looked at through.
type files interface {
	fs.ReadDirFS
	fs.ReadFileFS
	fs.ReadLinkFS
}

// listing returns a line for each file.
func listing(t *testing.T, f files) (lines []string) {
	t.Helper()
	var walk func(name string)
	walk = func(name string) {
		info, err := f.Lstat(name)
		must(t, err)
		line := name + " " + info.Mode().String()
		switch info.Mode().Type() {
		case 0:
			text, err := f.ReadFile(name)
			must(t, err)
			line += fmt.Sprintf(" %q", text)
		case fs.ModeSymlink:
			target, err := f.ReadLink(name)
			must(t, err)
			line += " -> " + target
		}
		lines = append(lines, line)
		if !info.IsDir() {
			return
		}
		entries, err := f.ReadDir(name)
		must(t, err)
		for _, e := range entries {
			walk(filepath.Join(name, e.Name()))
		}
	}
	walk(".")
	return lines
}

func compare(t *testing.T, want, got []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestLinks follows links through layers, inside the root.
func TestLinks(t *testing.T) {
	down, up := t.TempDir(), t.TempDir()
	run(t, down, lower)
	run(t, up, "mkdir keep links; echo above > keep/x; ln -s /keep/x links/over; ln -s ../../etc/../keep links/out")
	f := New(dir(t, up), dir(t, down))
	for name, want := range map[string]string{
		"links/rel": "above\n", "links/abs/c": "1\n", "links/up/x": "above\n", "links/over": "above\n", "links/out/x": "",
		"deep/a/two": "2\n", "keep/./x": "", "hidden/sub/old": "old\n",
	} {
		text, err := f.ReadFile(name)
		if (err == nil) != (want != "") || string(text) != want {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	for name, want := range map[string]error{
		"links/dangling": fs.ErrNotExist, "links/loop": syscall.ELOOP, "plain/x": syscall.ENOTDIR, "/keep": fs.ErrInvalid, "no/where": fs.ErrNotExist,
	} {
		_, err := f.Stat(name)
		var at *fs.PathError
		if !errors.Is(err, want) || !errors.As(err, &at) || at.Path != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if info, err := f.Lstat("links/loop"); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("a link itself: %v, %v", info, err)
	}
	o, err := f.Open("links/abs")
	must(t, err)
	must(t, o.Close())
	if _, err := f.ReadDir("keep/x"); err == nil {
		t.Error("a file is listed")
	}
}
