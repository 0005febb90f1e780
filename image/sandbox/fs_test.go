package sandbox

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"
)

// hostile makes a directory whose links point all over the host, beside a
// victim that none of them may reach.
func hostile(t *testing.T) (root string) {
	top := t.TempDir()
	root = top + "/root"
	write(t, top+"/victim/hello", "VICTIM")
	write(t, root+"/etc/real", "inside")
	write(t, root+"/victim/hello", "decoy")
	symlink(t, "/etc/real", root+"/abs")
	symlink(t, "../../../../etc/real", root+"/usr/dots")
	symlink(t, "/etc", root+"/usr/etc")
	symlink(t, "etc/", root+"/slash")
	symlink(t, "../victim/hello", root+"/out")
	symlink(t, top+"/victim/hello", root+"/outabs")
	symlink(t, "/proc/self/root/etc/passwd", root+"/magic")
	symlink(t, "loop2", root+"/loop1")
	symlink(t, "loop1", root+"/loop2")
	symlink(t, "usr/etc/../victim/hello", root+"/updown")
	must(t, unix.Mkfifo(root+"/fifo", 0o644))
	return root
}

func bothWays(t *testing.T, root string, fn func(t *testing.T, fsys *DirFS)) {
	for name, walkOnly := range map[string]bool{"openat2": false, "walk": true} {
		t.Run(name, func(t *testing.T) {
			fn(t, &DirFS{resolver{root: openDir(t, root), walkOnly: walkOnly}})
		})
	}
}

func TestLinksStayInside(t *testing.T) {
	bothWays(t, hostile(t), func(t *testing.T, fsys *DirFS) {
		for name, want := range map[string]string{
			"etc/real": "inside", "abs": "inside", "usr/dots": "inside", "usr/etc/real": "inside",
			"slash/real": "inside", "out": "decoy", "updown": "decoy",
		} {
			b, err := fsys.ReadFile(name)
			if err != nil || string(b) != want {
				t.Errorf("%s: %q, %v; want %q", name, b, err, want)
			}
		}
		for name, want := range map[string]error{
			"outabs": fs.ErrNotExist, "magic": fs.ErrNotExist, "missing": fs.ErrNotExist,
			"loop1": unix.ELOOP, "loop1/x": unix.ELOOP, "abs/x": unix.ENOTDIR, "etc/real/x": unix.ENOTDIR,
			"../victim/hello": fs.ErrInvalid, "/etc/real": fs.ErrInvalid, "": fs.ErrInvalid, "etc/": fs.ErrInvalid,
			strings.Repeat("n", 256): unix.ENAMETOOLONG,
		} {
			_, openErr := fsys.Open(name)
			_, statErr := fsys.Stat(name)
			for _, err := range []error{openErr, statErr} {
				var path *fs.PathError
				if !errors.Is(err, want) || !errors.As(err, &path) || path.Path != name {
					t.Errorf("%s: %v, want %v", name, err, want)
				}
			}
		}
	})
}

func TestLinksThemselves(t *testing.T) {
	bothWays(t, hostile(t), func(t *testing.T, fsys *DirFS) {
		target, err := fsys.ReadLink("usr/dots")
		if err != nil || target != "../../../../etc/real" {
			t.Errorf("ReadLink: %q, %v", target, err)
		}
		if _, err := fsys.ReadLink("etc/real"); !errors.Is(err, unix.EINVAL) {
			t.Errorf("ReadLink of a file: %v", err)
		}
		if _, err := fsys.ReadLink("missing"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("ReadLink of nothing: %v", err)
		}
		st, err := fsys.Lstat("loop1")
		if err != nil || st.Mode().Type() != fs.ModeSymlink || st.Name() != "loop1" {
			t.Errorf("Lstat: %v, %v", st, err)
		}
		st, err = fsys.Stat("abs")
		if err != nil || !st.Mode().IsRegular() || st.Size() != 6 {
			t.Errorf("Stat: %v, %v", st, err)
		}
	})
}

func TestSpecialFilesAreNotOpened(t *testing.T) {
	root := hostile(t)
	dir := openDir(t, root)
	l, err := net.Listen("unix", root+"/socket")
	must(t, err)
	defer l.Close()
	start := time.Now()
	if _, err := FS(dir).Open("fifo"); err == nil || !strings.Contains(err.Error(), "FIFO") {
		t.Errorf("FIFO: %v", err)
	}
	if _, err := FS(dir).Open("socket"); err == nil {
		t.Error("a socket is opened")
	}
	if os.Geteuid() == 0 {
		must(t, unix.Mknod(root+"/zero", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))))
		if _, err := FS(dir).ReadFile("zero"); err == nil || !strings.Contains(err.Error(), "device") {
			t.Errorf("/dev/zero: %v", err)
		}
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("that took %v", d)
	}
}

func TestReadDirUsesTheImage(t *testing.T) {
	root := hostile(t)
	t.Chdir(t.TempDir()) // where names of the image mean nothing
	bothWays(t, root, func(t *testing.T, fsys *DirFS) {
		entries, err := fsys.ReadDir("usr")
		must(t, err)
		var names []string
		for _, e := range entries {
			info, err := e.Info()
			must(t, err)
			names = append(names, e.Name()+" "+info.Mode().Type().String())
		}
		if got := strings.Join(names, ","); got != "dots L---------,etc L---------" {
			t.Errorf("entries %s", got)
		}
		if _, err := fsys.ReadDir("etc/real"); !errors.Is(err, unix.ENOTDIR) {
			t.Errorf("ReadDir of a file: %v", err)
		}
		if _, err := fsys.ReadDir("loop1"); !errors.Is(err, unix.ELOOP) {
			t.Errorf("ReadDir of a loop: %v", err)
		}
	})
}

// The standard library's own conformance test, which knows no other files than
// regular ones and directories.
func TestFSConforms(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/etc/a", "a")
	write(t, root+"/etc/sub/b", strings.Repeat("b", 100000))
	symlink(t, "/etc/a", root+"/link")
	bothWays(t, root, func(t *testing.T, fsys *DirFS) {
		if err := fstest.TestFS(fsys, "etc/a", "etc/sub/b", "link"); err != nil {
			t.Error(err)
		}
	})
}

// Names longer than PATH_MAX exist; openat2 cannot take them at once.
func TestVeryLongPath(t *testing.T) {
	root := t.TempDir()
	dir := openDir(t, root)
	at := int(dir.Fd())
	part := strings.Repeat("d", 200)
	var parts []string
	for range 30 {
		must(t, unix.Mkdirat(at, part, 0o755))
		next, err := unix.Openat(at, part, unix.O_PATH, 0)
		must(t, err)
		defer unix.Close(next)
		at = next
		parts = append(parts, part)
	}
	fd, err := unix.Openat(at, "leaf", unix.O_CREAT|unix.O_WRONLY, 0o644)
	must(t, err)
	must(t, unix.Close(fd))
	name := strings.Join(append(parts, "leaf"), "/")
	if _, err := FS(dir).Stat(name); err != nil {
		t.Errorf("a path of %d bytes: %v", len(name), err)
	}
}

// A directory that is swapped for a link while it is resolved leads nowhere
// outside.
func TestRace(t *testing.T) {
	root := hostile(t)
	must(t, os.Mkdir(root+"/dir", 0o755))
	write(t, root+"/dir/hello", "decoy")
	must(t, os.Symlink("../victim", root+"/evil"))
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, root+"/dir", unix.AT_FDCWD, root+"/evil", unix.RENAME_EXCHANGE)
			}
		}
	}()
	defer func() { close(stop); <-done }()
	bothWays(t, root, func(t *testing.T, fsys *DirFS) {
		for range 2000 {
			if b, err := fsys.ReadFile("dir/hello"); err == nil && string(b) != "decoy" {
				t.Fatalf("read %q", b)
			}
		}
	})
}
