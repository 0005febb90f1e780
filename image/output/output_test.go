package output

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

// start is Create, or Create as it works where O_TMPFILE does not.
type start func(path string, o Options) (*File, error)

// createNamed takes the way of file systems without O_TMPFILE.
func createNamed(path string, o Options) (*File, error) {
	at, err := openTarget(path)
	if err != nil {
		return nil, err
	}
	f := &File{at: at, force: o.Force}
	if err := at.checkFile(o.Force); err != nil {
		return nil, errors.Join(err, at.dir.Close())
	}
	return f, f.openNamed(uint32(o.Mode.Perm()))
}

func bothWays(t *testing.T, fn func(t *testing.T, create start)) {
	t.Run("unnamed", func(t *testing.T) { fn(t, Create) })
	t.Run("named", func(t *testing.T) { fn(t, createNamed) })
}

func fill(t *testing.T, f *File, content string) {
	t.Helper()
	_, err := f.File().WriteString(content)
	must(t, err)
}

func TestCommitMakesTheFile(t *testing.T) {
	bothWays(t, func(t *testing.T, create start) {
		dir := t.TempDir()
		asUser(t, dir, func() {
			f, err := create(dir+"/out", Options{Mode: 0o755})
			must(t, err)
			fill(t, f, "new")
			if got := list(t, dir); strings.Contains(" "+got, " out") {
				t.Errorf("before Commit there is %q", got)
			}
			must(t, f.Commit())
			must(t, f.Abort())
			wantFile(t, dir+"/out", "new")
			if got := list(t, dir); got != "out" {
				t.Errorf("left over: %q", got)
			}
			st, err := os.Stat(dir + "/out")
			must(t, err)
			mask := fs.FileMode(unix.Umask(0))
			unix.Umask(int(mask))
			if st.Mode() != 0o755&^mask {
				t.Errorf("mode %v with umask %o", st.Mode(), mask)
			}
			if err := f.Commit(); err == nil {
				t.Error("a second Commit succeeds")
			}
		})
	})
}

func TestAbortLeavesNothing(t *testing.T) {
	bothWays(t, func(t *testing.T, create start) {
		dir := t.TempDir()
		write(t, dir+"/old", "old", 0o644)
		for _, name := range []string{"new", "old"} {
			f, err := create(filepath.Join(dir, name), Options{Force: true, Mode: 0o644})
			must(t, err)
			fill(t, f, "half")
			must(t, f.Abort())
			must(t, f.Abort())
		}
		if got := list(t, dir); got != "old" {
			t.Errorf("left over: %q", got)
		}
		wantFile(t, dir+"/old", "old")
	})
}

func TestForceReplaces(t *testing.T) {
	bothWays(t, func(t *testing.T, create start) {
		dir := t.TempDir()
		write(t, dir+"/victim", "old", 0o644)
		must(t, os.Link(dir+"/victim", dir+"/out"))
		_, err := create(dir+"/out", Options{Mode: 0o644})
		wantError(t, err, dir+"/out", "--force")
		if !errors.Is(err, fs.ErrExist) {
			t.Error("the error is not fs.ErrExist")
		}
		f, err := create(dir+"/out", Options{Force: true, Mode: 0o644})
		must(t, err)
		fill(t, f, "new")
		wantFile(t, dir+"/out", "old")
		must(t, f.Commit())
		wantFile(t, dir+"/out", "new")
		wantFile(t, dir+"/victim", "old")
		if got := list(t, dir); got != "out victim" {
			t.Errorf("left over: %q", got)
		}
	})
}

func TestNameTakenMeanwhile(t *testing.T) {
	bothWays(t, func(t *testing.T, create start) {
		dir := t.TempDir()
		f, err := create(dir+"/out", Options{Mode: 0o644})
		must(t, err)
		fill(t, f, "late")
		write(t, dir+"/out", "early", 0o644)
		wantError(t, f.Commit(), "exist", "--force")
		wantFile(t, dir+"/out", "early")
		if got := list(t, dir); got != "out" {
			t.Errorf("left over: %q", got)
		}
	})
}

func TestRefusedTargets(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/victim", "v", 0o644)
	must(t, os.Symlink("victim", dir+"/link"))
	must(t, os.Symlink("nowhere", dir+"/dangling"))
	must(t, os.Mkdir(dir+"/sub", 0o755))
	must(t, unix.Mkfifo(dir+"/fifo", 0o644))
	cases := []struct{ path, text, remedy string }{
		{dir + "/link", "symbolic link", "another name"},
		{dir + "/dangling", "symbolic link", "another name"},
		{dir + "/sub", "a directory", "another name"},
		{dir + "/fifo", "FIFO", "another name"},
		{"/dev/null", "a device", "another name"},
		{"/dev/stdout", "symbolic link", "another name"},
		{dir + "/sub/", "not a file name", "end the path"},
		{dir + "/new/", "not a file name", "end the path"},
		{dir + "/..", "not a file name", "end the path"},
		{"", "not a file name", "end the path"},
		{dir + "/a\x00b", "not a file name", "end the path"},
		{dir + "/missing/out", "no such file", "make the directory"},
		{dir + "/victim/out", "not a directory", ""},
		{dir + "/" + strings.Repeat("n", 256), "name too long", ""},
		{"/proc/sealift", "/proc/sealift", ""},
	}
	for _, c := range cases {
		for _, force := range []bool{false, true} {
			_, err := Create(c.path, Options{Force: force})
			wantError(t, err, c.text, c.remedy)
		}
	}
	wantFile(t, dir+"/victim", "v")
	if got := list(t, dir); got != "dangling fifo link sub victim" {
		t.Errorf("left over: %q", got)
	}
}

func TestLongName(t *testing.T) {
	bothWays(t, func(t *testing.T, create start) {
		path := t.TempDir() + "/" + strings.Repeat("n", 255)
		f, err := create(path, Options{Force: true, Mode: 0o600})
		must(t, err)
		must(t, f.Commit())
		wantFile(t, path, "")
	})
}

func TestReadOnlyDirectory(t *testing.T) {
	dir := t.TempDir()
	asUser(t, dir, func() {
		must(t, unix.Chmod(dir, 0o555))
		_, err := Create(dir+"/out", Options{})
		wantError(t, err, "permission denied", "may write to")
		must(t, unix.Chmod(dir, 0o333)) // writable, not readable
		f, err := Create(dir+"/out", Options{})
		must(t, err)
		must(t, f.Commit())
		must(t, unix.Chmod(dir, 0o755))
		wantFile(t, dir+"/out", "")
	})
}

func TestHiddenFileIsPrivate(t *testing.T) {
	dir := t.TempDir()
	f, err := createNamed(dir+"/out", Options{Mode: 0o777})
	must(t, err)
	defer f.Abort()
	st, err := f.File().Stat()
	must(t, err)
	if st.Mode() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
}

// A process that is killed leaves nothing at the target, and at most a hidden
// file that a later Create removes when it is old.
func TestKilled(t *testing.T) {
	dir := os.Getenv("SEALIFT_TEST_DIR")
	if os.Getenv(childVar) == "killed" {
		f, err := createNamed(dir+"/out", Options{Mode: 0o644})
		must(t, err)
		fill(t, f, "half")
		g, err := Create(dir+"/other", Options{Mode: 0o644})
		must(t, err)
		fill(t, g, "half")
		must(t, unix.Kill(os.Getpid(), unix.SIGKILL))
		select {}
	}
	dir = t.TempDir()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), childVar+"=killed", "SEALIFT_TEST_DIR="+dir)
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child was not killed: %v", err)
	}
	left := list(t, dir)
	if !strings.HasPrefix(left, ".out.sealift-") || strings.Contains(left, " ") {
		t.Fatalf("left over: %q", left)
	}
	again := func() {
		f, err := Create(dir+"/out", Options{})
		must(t, err)
		must(t, f.Abort())
	}
	again()
	if got := list(t, dir); got != left {
		t.Fatalf("a fresh leftover was removed: %q", got)
	}
	old := time.Now().Add(-2 * time.Hour)
	must(t, os.Chtimes(filepath.Join(dir, left), old, old))
	again()
	if got := list(t, dir); got != "" {
		t.Errorf("an old leftover stays: %q", got)
	}
}

func TestFileInUseIsNotSwept(t *testing.T) {
	dir := t.TempDir()
	f, err := createNamed(dir+"/out", Options{Mode: 0o644})
	must(t, err)
	fill(t, f, "slow")
	old := time.Now().Add(-2 * time.Hour)
	must(t, os.Chtimes(filepath.Join(dir, list(t, dir)), old, old))
	g, err := Create(dir+"/out", Options{})
	must(t, err)
	must(t, g.Abort())
	must(t, f.Commit())
	wantFile(t, dir+"/out", "slow")
}

func TestDiskFull(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		dir := apart.Tmpfs(t, "size=64k")
		write(t, dir+"/out", "old", 0o644)
		must(t, os.Mkdir(dir+"/sub", 0o755))
		for path, want := range map[string]string{dir + "/out": "old", dir + "/sub/new": ""} {
			f, err := Create(path, Options{Force: true})
			must(t, err)
			_, err = f.File().Write(bytes.Repeat([]byte("x"), 1<<20))
			wantError(t, f.Explain(err), "file system of "+dir+": 0 MiB are free", "free space on "+dir)
			must(t, f.Abort())
			if want != "" {
				wantFile(t, path, want)
			}
		}
		if got := list(t, dir) + list(t, dir+"/sub"); got != "out sub" {
			t.Errorf("left over: %q", got)
		}
	})
}

func TestNoInodes(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		dir := apart.Tmpfs(t, "size=1m,nr_inodes=2")
		write(t, dir+"/one", "", 0o644)
		_, err := Create(dir+"/two", Options{})
		wantError(t, err, "no inode is free", "remove files from "+dir)
	})
}

func TestExplain(t *testing.T) {
	if Explain(nil, "/") != nil {
		t.Error("Explain(nil) is not nil")
	}
	if err := Explain(unix.EIO, "/"); err != unix.EIO {
		t.Errorf("Explain(EIO) = %v", err)
	}
	err := Explain(fmt.Errorf("write x: %w", unix.EDQUOT), t.TempDir())
	wantError(t, err, "write x: ", "larger quota")
	if !errors.Is(err, unix.EDQUOT) {
		t.Error("the cause is lost")
	}
	if again := Explain(err, "/"); again != err {
		t.Errorf("explained twice: %v", again)
	}
}
