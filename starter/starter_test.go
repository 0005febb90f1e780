package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/mountinfo"
	"github.com/sealift/sealift/starter/plan"
)

// What needs namespaces is tested by runtime/launch, with the real program.

// resolvers returns a resolver for each way of resolving.
func resolvers() map[string]*resolver {
	return map[string]*resolver{"openat2": {}, "walk": {walk: true}}
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
			fd, err := r.open(root, "./"+path, 0)
			if err != nil {
				t.Errorf("%s: %q: %v", name, path, err)
				continue
			}
			got, err := os.Readlink(fdPath(fd))
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
			if fd, err := r.open(root, c.path, c.flags); err != c.want {
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

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"one/x": 0o644, "two/x": 0o755, "one/y": 0o644, "two/sub/z": 0o755} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	path := "PATH=" + dir + "/none:" + dir + "/one/x:" + dir + "/one:" + dir + "/two"
	for _, c := range []struct {
		name, env, want string
		err             error
	}{
		{"x", path, dir + "/two/x", nil},
		{"y", path, "", unix.EACCES},
		{"nosuch", path, "", unix.ENOENT},
		{"sub", path, "", unix.EACCES},
		{dir + "/two/x", path, dir + "/two/x", nil},
		{dir + "/one/x", path, dir + "/one/x", unix.EACCES},
		{dir + "/two/x/y", path, dir + "/two/x/y", unix.ENOTDIR},
		{"sh", "HOME=/", "/bin/sh", nil},
		{"sh", "PATH=", "", unix.ENOENT},
	} {
		got, err := find(c.name, []string{"A=1", c.env, "PATH=/bin"})
		if c.name == "sh" && c.env == "HOME=/" {
			got, err = find(c.name, []string{c.env})
			got = strings.TrimPrefix(got, "/usr/local")
		}
		if got != c.want || err != c.err {
			t.Errorf("%s in %s: %q, %v; want %q, %v", c.name, c.env, got, err, c.want, c.err)
		}
	}
}

func TestEnter(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := enter([]string{"/no/such", "/dev/null"}); err != unix.ENOENT {
		t.Errorf("the first failure is %v", err)
	}
	if err := enter([]string{"/no/such", "/proc"}); err != nil {
		t.Error(err)
	}
	if wd, err := os.Getwd(); wd != "/proc" {
		t.Errorf("in %s, %v", wd, err)
	}
	if err := enter(nil); err != nil {
		t.Error(err)
	}
}

func TestParseFlags(t *testing.T) {
	f, err := parseFlags("ro,noexec,try", flagTry)
	if err != nil || f.ms != unix.MS_RDONLY|unix.MS_NOEXEC || f.attr != unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOEXEC || !f.has(flagTry) {
		t.Errorf("%+v, %v", f, err)
	}
	for _, words := range []string{"rw", "try", "ro,", ",", "ro nosuid"} {
		if _, err := parseFlags(words); err != unix.EINVAL {
			t.Errorf("%q: %v", words, err)
		}
	}
}

func TestParseMode(t *testing.T) {
	if m, err := parseMode("1777"); m != 0o1777 || err != nil {
		t.Errorf("%o, %v", m, err)
	}
	for _, s := range []string{"", "8", "10000", "-1", "0x1"} {
		if _, err := parseMode(s); err == nil {
			t.Errorf("%q is a mode", s)
		}
	}
}

func TestFlagsOf(t *testing.T) {
	if f := flagsOf("ro,nosuid,noatime,lazy"); f != unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NOATIME {
		t.Errorf("%x", f)
	}
	if f := flagsOf("rw,nodev,noexec,nodiratime,relatime"); f != unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_NODIRATIME|unix.MS_RELATIME {
		t.Errorf("%x", f)
	}
}

func TestMountID(t *testing.T) {
	f, err := os.Open("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	id, err := mountID(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	table, err := readProc("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if sub := mountinfo.Below(mountinfo.Parse(table), id); len(sub) == 0 || sub[0].Point != "/proc" {
		t.Errorf("mount %d is %+v", id, sub)
	}
}

func TestReadAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	want := strings.Repeat("0123456789", 20000)
	if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1 << 20, 100000} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(int(f.Fd()), limit)
		f.Close()
		if limit < len(want) && err != unix.E2BIG || limit > len(want) && string(got) != want {
			t.Errorf("limit %d: %d bytes, %v", limit, len(got), err)
		}
	}
}

func TestOpenHosts(t *testing.T) {
	dir := t.TempDir()
	if h, err := openHosts(plan.Do(plan.Bind, dir+"/nosuch", "/x", "try")); err != nil || h.first() != -1 {
		t.Errorf("try: %v, %v", h, err)
	}
	if _, err := openHosts(plan.Do(plan.Bind, dir+"/nosuch", "/x", "")); err != unix.ENOENT {
		t.Errorf("missing: %v", err)
	}
	if h, err := openHosts(plan.Do(plan.Bind, "up", "/x", "session")); err != nil || h.first() != -1 {
		t.Errorf("session: %v, %v", h, err)
	}
	h, err := openHosts(plan.Do(plan.Overlay, "@root", plan.JoinDirs("@skel", dir), "", "@work", ""))
	if err != nil || len(h) != 4 || h[0].fd != -1 || h[0].session != "" || h[1].session != "@work" || h[2].session != "@skel" || h[3].fd < 0 {
		t.Errorf("overlay: %+v, %v", h, err)
	}
	h.close()
}

func TestFailure(t *testing.T) {
	for _, c := range []struct {
		err  error
		want unix.Errno
	}{
		{unix.EACCES, unix.EACCES},
		{os.NewSyscallError("x", unix.EIO), unix.EIO},
		{errors.New("no number"), unix.EINVAL},
	} {
		if f := failure(plan.StageOp, 3, c.err); f.Errno != int(c.want) || f.Index != 3 || f.Stage != plan.StageOp {
			t.Errorf("%v: %+v", c.err, f)
		}
	}
}

func TestOrphaned(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	if orphaned(pair[0]) {
		t.Error("the other end is open")
	}
	unix.Close(pair[1])
	if !orphaned(pair[0]) {
		t.Error("the other end is closed")
	}
	if err := send(pair[0], &plan.Report{}, nil); err != unix.EPIPE {
		t.Errorf("sent with %v", err)
	}
}
