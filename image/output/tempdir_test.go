package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

func TestTempDir(t *testing.T) {
	parent := t.TempDir()
	victim := t.TempDir()
	write(t, victim+"/hello", "v", 0o644)
	asUser(t, parent, func() {
		old := unix.Umask(0)
		defer unix.Umask(old)
		d, err := TempDir(parent, "sealift-build")
		must(t, err)
		if !strings.HasPrefix(filepath.Base(d.Path()), "sealift-build-") {
			t.Errorf("path %s", d.Path())
		}
		st, err := os.Stat(d.Path())
		must(t, err)
		if st.Mode() != fs.ModeDir|0o700 {
			t.Errorf("mode %v", st.Mode())
		}
		// What a hostile or odd build leaves behind.
		must(t, os.MkdirAll(d.Path()+"/a/b/c", 0o755))
		write(t, d.Path()+"/a/b/c/file", "x", 0)
		must(t, os.Symlink(victim, d.Path()+"/a/link"))
		must(t, os.Symlink(victim+"/hello", d.Path()+"/hello"))
		must(t, unix.Mkfifo(d.Path()+"/a/fifo", 0))
		for i := range 1000 {
			write(t, fmt.Sprintf("%s/a/b/%d", d.Path(), i), "", 0o600)
		}
		for _, locked := range []string{"/a/b/c", "/a/b", "/a", ""} {
			must(t, os.Chmod(d.Path()+locked, 0))
		}
		must(t, d.Remove())
		must(t, d.Remove())
	})
	if got := list(t, parent); got != "" {
		t.Errorf("left over: %q", got)
	}
	wantFile(t, victim+"/hello", "v")
}

// A tree deeper than the descriptors and the path length that a process has.
func TestRemoveDeepTree(t *testing.T) {
	d, err := TempDir(t.TempDir(), "deep")
	must(t, err)
	at, err := unix.Open(d.Path(), unix.O_PATH|unix.O_DIRECTORY, 0)
	must(t, err)
	for range 3000 {
		must(t, unix.Mkdirat(at, "sub", 0o700))
		next, err := unix.Openat(at, "sub", unix.O_PATH|unix.O_DIRECTORY, 0)
		must(t, err)
		must(t, unix.Close(at))
		at = next
	}
	must(t, unix.Close(at))
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	few := limit
	few.Cur = 512
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &few))
	defer func() { must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)) }()
	must(t, d.Remove())
	if _, err := os.Lstat(d.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestRemoveStopsAtMounts(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		victim := t.TempDir()
		write(t, victim+"/hello", "v", 0o644)
		d, err := TempDir(t.TempDir(), "mounts")
		must(t, err)
		must(t, os.Mkdir(d.Path()+"/bind", 0o755))
		write(t, d.Path()+"/file", "", 0o644)
		must(t, unix.Mount(victim, d.Path()+"/bind", "", unix.MS_BIND, ""))
		defer unix.Unmount(d.Path()+"/bind", unix.MNT_DETACH)
		path := d.Path()
		wantError(t, d.Remove(), "/bind: is a mount point", "")
		wantFile(t, victim+"/hello", "v")
		if got := list(t, path); got != "bind" {
			t.Errorf("left over: %q", got)
		}
	})
}

func TestRemoveWithoutOpenat2(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		dir := t.TempDir()
		must(t, os.MkdirAll(dir+"/sub/fs", 0o755))
		must(t, unix.Mount("tmpfs", dir+"/sub/fs", "tmpfs", 0, ""))
		defer unix.Unmount(dir+"/sub/fs", unix.MNT_DETACH)
		at, err := unix.Open(dir, unix.O_RDONLY, 0)
		must(t, err)
		flags := unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		sub, err := openSameDevice(at, "sub", flags)
		must(t, err)
		_, err = openSameDevice(sub, "fs", flags)
		wantError(t, err, "mount point", "")
	})
}

func TestRemoveReplaced(t *testing.T) {
	parent := t.TempDir()
	d, err := TempDir(parent, "mine")
	must(t, err)
	must(t, os.Rename(d.Path(), parent+"/away"))
	must(t, os.Mkdir(d.Path(), 0o700))
	wantError(t, d.Remove(), "replaced by something else", "")
	if _, err := os.Stat(d.Path()); err != nil {
		t.Errorf("the other directory is gone: %v", err)
	}
}

func TestTempDirParents(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Chmod(dir, 0o777))
	_, err := TempDir(dir, "x")
	wantError(t, err, "anyone may replace", "sticky bit")
	must(t, unix.Chmod(dir, 0o1777))
	d, err := TempDir(dir, "x")
	must(t, err)
	must(t, d.Remove())
	_, err = TempDir(dir+"/missing", "x")
	wantError(t, err, "no such file", "")
	_, err = TempDir("/proc", "x")
	wantError(t, err, "in /proc", "")
	if got := list(t, dir); got != "" {
		t.Errorf("left over: %q", got)
	}
}

func TestClaimRefusesOthers(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/open", 0o755))
	must(t, os.Symlink("open", dir+"/link"))
	write(t, dir+"/file", "", 0o600)
	fd, err := unix.Open(dir, unix.O_PATH, 0)
	must(t, err)
	defer unix.Close(fd)
	for name, text := range map[string]string{
		"open": "mode is", "link": "link: not a directory", "file": "not a directory", "none": "no such file",
	} {
		_, err := claim(fd, name)
		wantError(t, err, text, "")
	}
	if os.Geteuid() == 0 {
		must(t, os.Mkdir(dir+"/theirs", 0o700))
		must(t, os.Chown(dir+"/theirs", 1500, 1500))
		_, err := claim(fd, "theirs")
		wantError(t, err, "belongs to user 1500", "")
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	victim := t.TempDir()
	write(t, victim+"/hello", "v", 0o644)
	old := time.Now().Add(-2 * time.Hour)
	age := func(name string) { must(t, os.Chtimes(filepath.Join(dir, name), old, old)) }

	must(t, os.MkdirAll(dir+"/job-old/sub", 0o755))
	write(t, dir+"/job-old/sub/file", "", 0o600)
	must(t, os.Mkdir(dir+"/job-new", 0o700))
	must(t, os.Mkdir(dir+"/job-future", 0o700)) // by a clock that was wrong
	must(t, os.Chtimes(dir+"/job-future", old, time.Now().AddDate(10, 0, 0)))
	must(t, os.Mkdir(dir+"/other-old", 0o700))
	must(t, unix.Mkfifo(dir+"/job-fifo", 0o600))
	must(t, os.Symlink(victim, dir+"/job-link"))
	held, err := TempDir(dir, "job")
	must(t, err)
	for _, name := range []string{"job-old", "other-old", "job-fifo", filepath.Base(held.Path())} {
		age(name)
	}
	want := "job-fifo job-link job-new other-old"
	if os.Geteuid() == 0 {
		must(t, os.Mkdir(dir+"/job-theirs", 0o700))
		must(t, os.Chown(dir+"/job-theirs", 1500, 1500))
		age("job-theirs")
		want = "job-fifo job-link job-new job-theirs other-old"
	}
	must(t, Sweep(dir, "job"))
	if _, err := os.Stat(held.Path()); err != nil {
		t.Errorf("the directory in use is gone: %v", err)
	}
	must(t, held.Remove())
	if got := list(t, dir); got != want {
		t.Errorf("after the sweep there is %q, want %q", got, want)
	}
	wantFile(t, victim+"/hello", "v")
	wantError(t, Sweep(dir+"/missing", "job"), "no such file", "")
}
