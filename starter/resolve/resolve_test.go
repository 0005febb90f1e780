package resolve

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// resolvers returns a resolver for each way of resolving.
func resolvers() map[string]*Resolver {
	return map[string]*Resolver{"openat2": {}, "walk": {walk: true}}
}

// world makes a root and, beside it, things that must not be reached.
func world(t *testing.T) (root int, dir string) {
	t.Helper()
	top := t.TempDir()
	dir = filepath.Join(top, "root")
	for _, d := range []string{"root/a/b", "root/etc", "etc", "b"} {
		if err := os.MkdirAll(filepath.Join(top, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{"root/a/b/f": "deep", "root/etc/passwd": "inside", "etc/passwd": "outside", "b/f": "outside"} {
		if err := os.WriteFile(filepath.Join(top, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, text := range map[string]string{
		"abs": "/etc/passwd", "out": "../../../../etc/passwd", "rel": "a/../a/b", "a/up": "..", "chain": "abs",
		"loop1": "loop2", "loop2": "loop1", "self": "self/x", "none": "/no/such", "a/b/top": "/", "real": filepath.Join(top, "etc"),
		"magic": "/proc/self/root",
	} {
		if err := os.Symlink(text, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(root) })
	return root, dir
}

func TestResolve(t *testing.T) {
	root, dir := world(t)
	for name, r := range resolvers() {
		for path, want := range map[string]string{
			"": "", "/": "", ".": "", "..": "", "/../..": "", "a/b": "a/b", "/a//b/./f": "a/b/f", "a/b/../b": "a/b",
			"abs": "etc/passwd", "out": "etc/passwd", "rel": "a/b", "rel/f": "a/b/f", "a/up/a": "a", "chain": "etc/passwd",
			"a/b/top/etc": "etc", "a/up/../../../etc": "etc", "a/b/top/../a": "a",
		} {
			fd, err := r.Open(root, "./"+path, 0)
			if err != nil {
				t.Errorf("%s: %q: %v", name, path, err)
				continue
			}
			got, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
			if err != nil || got != filepath.Join(dir, want) {
				t.Errorf("%s: %q is %s, %v; want %q", name, path, got, err, want)
			}
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("%s: %q is not close-on-exec: %v", name, path, err)
			}
			unix.Close(fd)
		}
	}
}

func TestResolveFails(t *testing.T) {
	root, _ := world(t)
	for name, r := range resolvers() {
		for _, c := range []struct {
			path  string
			flags int
			want  error
		}{
			{"nosuch", 0, unix.ENOENT}, {"none", 0, unix.ENOENT}, {"real/passwd", 0, unix.ENOENT}, {"magic", 0, unix.ENOENT},
			{"loop1", 0, unix.ELOOP}, {"self", 0, unix.ELOOP}, {"etc/passwd/x", 0, unix.ENOTDIR},
			{"abs", unix.O_DIRECTORY, unix.ENOTDIR}, {strings.Repeat("x", 300), 0, unix.ENAMETOOLONG},
		} {
			if fd, err := r.Open(root, c.path, c.flags); err != c.want {
				t.Errorf("%s: %.20q: descriptor %d, %v; want %v", name, c.path, fd, err, c.want)
			}
		}
	}
}

// TestWalkLeaksNothing counts descriptors around walks that end everywhere.
func TestWalkLeaksNothing(t *testing.T) {
	root, _ := world(t)
	count := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	before := count()
	for _, path := range []string{"a/b/f", "loop1", "a/b/nosuch", "a/b/top/abs", "etc/passwd/x"} {
		if fd, err := walk(root, path, 0); err == nil {
			unix.Close(fd)
		}
	}
	if after := count(); after != before {
		t.Errorf("%d descriptors became %d", before, after)
	}
}
