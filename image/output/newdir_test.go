package output

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

func fillDir(t *testing.T, d *NewDir, mode fs.FileMode) {
	t.Helper()
	write(t, d.Path()+"/new", "new", 0o644)
	must(t, os.Chmod(d.Path(), mode))
}

func TestNewDir(t *testing.T) {
	dir := t.TempDir()
	asUser(t, dir, func() {
		d, err := CreateDir(dir+"/out/", DirOptions{})
		must(t, err)
		if got := list(t, dir); !strings.HasPrefix(got, ".out.sealift-") {
			t.Errorf("before Commit there is %q", got)
		}
		st, err := os.Stat(d.hidden.Path())
		must(t, err)
		if st.Mode().Perm() != 0o700 {
			t.Errorf("the hidden directory has mode %v", st.Mode())
		}
		fillDir(t, d, 0o555) // cannot be moved without a detour
		must(t, d.Commit())
		must(t, d.Abort())
		wantFile(t, dir+"/out/new", "new")
		st, err = os.Stat(dir + "/out")
		must(t, err)
		if st.Mode().Perm() != 0o555 || list(t, dir) != "out" {
			t.Errorf("mode %v, beside it %q", st.Mode(), list(t, dir))
		}
		if err := d.Commit(); err == nil {
			t.Error("a second Commit succeeds")
		}
		must(t, os.Chmod(dir+"/out", 0o755))
	})
}

func TestNewDirAbort(t *testing.T) {
	dir := t.TempDir()
	d, err := CreateDir(dir+"/out", DirOptions{})
	must(t, err)
	fillDir(t, d, 0)
	must(t, d.Abort())
	must(t, d.Abort())
	if got := list(t, dir); got != "" {
		t.Errorf("left over: %q", got)
	}
}

func TestNewDirForce(t *testing.T) {
	dir := t.TempDir()
	asUser(t, dir, func() {
		must(t, os.MkdirAll(dir+"/out/.singularity.d", 0o755))
		write(t, dir+"/out/old", "old", 0)
		must(t, os.Chmod(dir+"/out", 0o555))
		_, err := CreateDir(dir+"/out", DirOptions{})
		wantError(t, err, "exist", "--force")
		if !errors.Is(err, fs.ErrExist) {
			t.Error("the error is not fs.ErrExist")
		}
		d, err := CreateDir(dir+"/out", DirOptions{Force: true, Marker: ".singularity.d"})
		must(t, err)
		fillDir(t, d, 0o755)
		if got := list(t, dir+"/out"); got != ".singularity.d old" {
			t.Errorf("before Commit it holds %q", got)
		}
		must(t, d.Commit())
		if got := list(t, dir+"/out") + "|" + list(t, dir); got != "new|out" {
			t.Errorf("after Commit: %q", got)
		}
	})
}

func TestNewDirForceNotThere(t *testing.T) {
	dir := t.TempDir()
	d, err := CreateDir(dir+"/out", DirOptions{Force: true})
	must(t, err)
	fillDir(t, d, 0o755)
	must(t, d.Commit())
	wantFile(t, dir+"/out/new", "new")
}

func TestNewDirTakenMeanwhile(t *testing.T) {
	dir := t.TempDir()
	d, err := CreateDir(dir+"/out", DirOptions{})
	must(t, err)
	fillDir(t, d, 0o755)
	must(t, os.Mkdir(dir+"/out", 0o755))
	wantError(t, d.Commit(), "exist", "--force")
	if got := list(t, dir) + list(t, dir+"/out"); got != "out" {
		t.Errorf("left over: %q", got)
	}
}

func TestNewDirRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/file", "f", 0o644)
	must(t, os.MkdirAll(dir+"/home/papers", 0o755))
	must(t, os.Mkdir(dir+"/empty", 0o755))
	must(t, os.Symlink("home", dir+"/link"))
	force := DirOptions{Force: true, Marker: ".singularity.d"}
	for _, c := range []struct{ path, text, remedy string }{
		{dir + "/file", "a regular file", "another name"},
		{dir + "/link", "a symbolic link", "another name"},
		{dir + "/link/", "a symbolic link", "another name"},
		{dir + "/home", "has no .singularity.d", "remove it yourself"},
		{"/", "not a file name", "end the path"},
		{dir + "/.", "not a file name", "end the path"},
		{dir + "/missing/out", "no such file", "make the directory"},
	} {
		_, err := CreateDir(c.path, force)
		wantError(t, err, c.text, c.remedy)
	}
	d, err := CreateDir(dir+"/empty", force)
	must(t, err)
	must(t, d.Commit())
	if got := list(t, dir) + "|" + list(t, dir+"/home"); got != "empty file home link|papers" {
		t.Errorf("left over: %q", got)
	}
}

func TestNewDirFull(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		dir := apart.Tmpfs(t, "nr_inodes=2")
		_, err := CreateDir(dir+"/out", DirOptions{})
		wantError(t, err, "no inode is free", "remove files")
		if got := list(t, dir); got != "" {
			t.Errorf("left over: %q", got)
		}
	})
}

// A directory that is a mount point can be neither replaced nor emptied.
func TestNewDirOverMount(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		dir := t.TempDir()
		must(t, os.Mkdir(dir+"/out", 0o755))
		must(t, unix.Mount("tmpfs", dir+"/out", "tmpfs", 0, ""))
		defer unix.Unmount(dir+"/out", unix.MNT_DETACH)
		_, err := CreateDir(dir+"/out", DirOptions{Force: true})
		wantError(t, err, "is a mount point", "")
	})
}
