package rootemu

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/owner"
	"github.com/sealift/sealift/starter/rootemu/creds"
)

func TestBecome(t *testing.T) { inside(t, Full, "become") }

// become changes to an ordinary user in the way of daemons, and starts a
// program that must find itself to be that user.
func become() error {
	if os.Getenv(otherEnv) != "" {
		return believe()
	}
	var c checks
	groups, err := unix.Getgroups()
	c.that(err == nil && slices.Equal(groups, []int{0}), "groups %v, %v", groups, err)
	c.users(0, 0, 0)
	c.do(unix.Setgroups([]int{7, 8}), nil)
	c.do(call(unix.SYS_SETRESGID, 5, 5, 5), nil)
	c.do(call(unix.SYS_SETRESUID, 0, 33, 0), nil)
	c.users(0, 33, 0)
	c.do(call(unix.SYS_SETRESUID, 33, 0, 0), nil)
	c.do(call(unix.SYS_SETUID, 33), nil)
	c.users(33, 33, 33)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), otherEnv+"=1")
	out, err := cmd.CombinedOutput()
	c.that(err == nil, "the child: %v: %s", err, out)
	return c.err()
}

// TestBorn starts the payload as another user.
func TestBorn(t *testing.T) { inside(t, Full, "born") }

// believe is a process of user 33 and group 5 that cannot become root again.
func believe() error {
	var c checks
	c.users(33, 33, 33)
	c.that(unix.Getuid() == 33 && unix.Geteuid() == 33 && unix.Getgid() == 5 && unix.Getegid() == 5, "other ids")
	groups, err := unix.Getgroups()
	c.that(err == nil && slices.Equal(groups, []int{7, 8}), "groups %v, %v", groups, err)
	c.do(call(unix.SYS_SETUID, 0), unix.EPERM)
	c.do(call(unix.SYS_SETREUID, math.MaxUint32, 0), unix.EPERM)
	c.do(call(unix.SYS_SETRESGID, 0, 5, 5), unix.EPERM)
	c.do(call(unix.SYS_SETGROUPS, 0, 0), unix.EPERM)
	c.do(call(unix.SYS_SETUID, math.MaxUint32), unix.EINVAL)
	c.do(unix.Setresuid(33, 33, 33), nil)
	old, err := unix.SetfsuidRetUid(0)
	c.that(err == nil && old == 33, "setfsuid returns %d, %v", old, err)
	c.do(touch("theirs"), nil)
	c.owns("theirs", 33, 5)
	c.do(os.Chown("theirs", 0, -1), unix.EPERM)
	c.do(os.Chown("theirs", -1, 8), nil)
	c.do(os.Chown("theirs", -1, 9), unix.EPERM)
	c.owns("theirs", 33, 8)
	// The limit that carries all that is out of reach.
	c.do(unix.Setrlimit(creds.Carrier, &unix.Rlimit{Cur: 1, Max: 1}), nil)
	c.do(unix.Prlimit(0, creds.Carrier, &unix.Rlimit{Cur: 1, Max: 1}, nil), nil)
	c.users(33, 33, 33)
	return c.err()
}

func TestOwners(t *testing.T) {
	dir := inside(t, Full, "owners")
	for name, want := range map[string]string{
		"f": "33:44", "second": "33:44", "moved": "0:7", "d": "1:2", "set": "9:0", "far": "4294967294:4294967293", "back": "", "plain": "",
	} {
		wantRecord(t, filepath.Join(dir, name), owner.Name, want)
	}
	wantEntry(t, filepath.Join(dir, "link"), "11:12")
	wantEntry(t, filepath.Join(dir, "pipe"), "0:13")
}

func owners() error {
	var c checks
	c.do(touch("f", "old", "set", "far", "back", "plain"), nil)
	c.do(os.Mkdir("d", 0o755), nil)
	c.do(os.Symlink("f", "link"), nil)
	c.do(unix.Mkfifo("pipe", 0o600), nil)

	c.do(os.Chown("f", 33, 44), nil)
	c.do(os.Link("f", "second"), nil)
	c.owns("second", 33, 44)
	c.do(os.Chown("old", -1, 7), nil)
	c.do(os.Rename("old", "moved"), nil)
	c.owns("moved", 0, 7)
	c.do(os.Chown("d", 1, 2), nil)
	c.owns("d", 1, 2)
	c.do(os.Lchown("link", 11, 12), nil)
	c.owns("link", 11, 12)
	c.owns("f", 33, 44)
	c.do(os.Chown("pipe", -1, 13), nil)
	c.owns("pipe", 0, 13)
	c.do(os.Chown("far", math.MaxUint32-1, math.MaxUint32-2), nil)
	c.do(os.Chown("back", 5, 5), nil)
	c.do(os.Chown("back", 0, 0), nil)
	c.owns("back", 0, 0)
	c.do(os.Chown("nosuch", 1, 1), unix.ENOENT)
	c.do(os.Chown("f/x", 1, 1), unix.ENOTDIR)

	// A change of owner clears the set-id bits, even one to the same owner.
	for _, uid := range []int{9, -1, 9} {
		c.do(os.Chmod("set", 0o755|os.ModeSetuid), nil)
		c.do(os.Chown("set", uid, -1), nil)
		info, err := os.Stat("set")
		c.that(err == nil && info.Mode()&os.ModeSetuid == 0, "set is %v, %v", info.Mode(), err)
	}
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, "link", unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &st)
	c.that(err == nil && st.Uid == 11 && st.Gid == 12 && st.Size == 1, "statx: %+v, %v", st, err)
	f, err := os.Open("f")
	c.do(err, nil)
	defer f.Close()
	var fst unix.Stat_t
	c.do(unix.Fstat(int(f.Fd()), &fst), nil)
	c.that(fst.Uid == 33 && fst.Size == 1 && fst.Nlink == 2, "fstat: %+v", fst)
	c.do(unix.Stat("link", (*unix.Stat_t)(nil)), unix.EFAULT)
	return c.err()
}

func TestDevices(t *testing.T) {
	dir := inside(t, Full, "devices")
	wantRecord(t, filepath.Join(dir, "null"), owner.Name, "0:0:20000:259")
	wantRecord(t, filepath.Join(dir, "disk"), owner.Name, "0:6:60000:1792")
	if info, err := os.Stat(filepath.Join(dir, "null")); err != nil || info.Mode() != 0o660 || info.Size() != 0 {
		t.Errorf("the placeholder: %v, %v", info, err)
	}
}

func devices() error {
	var c checks
	c.do(unix.Mknod("null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))), nil)
	c.do(unix.Mknod("null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))), unix.EEXIST)
	c.do(unix.Mknod("disk", unix.S_IFBLK|0o660, int(unix.Mkdev(7, 0))), nil)
	c.do(os.Chown("disk", 0, 6), nil)
	c.do(os.Chmod("null", 0o660), nil)
	var st unix.Stat_t
	c.do(unix.Stat("null", &st), nil)
	c.that(st.Mode == unix.S_IFCHR|0o660 && st.Rdev == unix.Mkdev(1, 3), "null is %o %x", st.Mode, st.Rdev)
	var stx unix.Statx_t
	c.do(unix.Statx(unix.AT_FDCWD, "disk", 0, unix.STATX_BASIC_STATS, &stx), nil)
	c.that(stx.Mode&unix.S_IFMT == unix.S_IFBLK && stx.Rdev_major == 7 && stx.Gid == 6, "disk is %+v", stx)
	c.do(call(unix.SYS_SETUID, 33), nil)
	c.do(unix.Mknod("other", unix.S_IFCHR|0o666, 259), unix.EPERM)
	c.do(unix.Mkfifo("pipe", 0o666), nil)
	c.owns("pipe", 33, 0)
	return c.err()
}

func TestCreations(t *testing.T) {
	dir := inside(t, Fast, "creations")
	for name, want := range map[string]string{
		"group/root": "0:50", "group/sub": "0:50", "excl": "33:5", "shell": "33:5", "dir": "33:5", "group/theirs": "33:50", "exists": "",
	} {
		wantRecord(t, filepath.Join(dir, name), owner.Name, want)
	}
	wantEntry(t, filepath.Join(dir, "link"), "33:5")
	for name, want := range map[string]os.FileMode{"excl": 0o640, "shell": 0o600, "dir": os.ModeDir | 0o700, "group/sub": os.ModeDir | os.ModeSetgid | 0o750} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "shell")); err != nil || string(b) != "ab" {
		t.Errorf("%q, %v", b, err)
	}
}

func creations() error {
	var c checks
	c.do(touch("exists"), nil)
	c.do(os.Mkdir("group", 0o775), nil)
	c.do(os.Chown("group", 0, 50), nil)
	c.do(os.Chmod("group", 0o777|os.ModeSetgid), nil)
	unix.Umask(0o027)
	c.do(touch("group/root"), nil)
	c.do(os.Mkdir("group/sub", 0o777), nil)
	c.do(call(unix.SYS_SETRESGID, 5, 5, 5), nil)
	c.do(call(unix.SYS_SETRESUID, 33, 33, 33), nil)
	fd, err := unix.Open("excl", unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o666)
	c.do(err, nil)
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	c.that(err == nil && flags == unix.FD_CLOEXEC, "flags %d, %v", flags, err)
	_, err = unix.Open("excl", unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o666)
	c.do(err, unix.EEXIST)
	unix.Umask(0o077)
	for _, text := range []string{"a", "b"} {
		f, err := os.OpenFile("shell", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		c.do(err, nil)
		_, err = f.WriteString(text)
		c.do(err, nil)
		f.Close()
	}
	fd, err = unix.Openat2(unix.AT_FDCWD, "how", &unix.OpenHow{Flags: unix.O_CREAT | unix.O_WRONLY, Mode: 0o600})
	c.do(err, nil)
	unix.Close(fd)
	c.do(touch("exists", "group/theirs"), nil)
	c.do(os.Mkdir("dir", 0o777), nil)
	c.do(os.Symlink("to", "link"), nil)
	c.do(os.Mkdir("nosuch/dir", 0o777), unix.ENOENT)
	c.do(os.Mkdir(".", 0o777), unix.EEXIST)
	c.do(os.Mkdir("dir/", 0o777), unix.EEXIST)
	return c.err()
}

func TestPaths(t *testing.T) {
	dir := inside(t, Full, "paths")
	for name, want := range map[string]string{
		"root/etc/a": "1:1", "root/etc/b": "2:2", "root/etc/c": "3:3", "root/etc/d": "4:4", "root/etc/e": "5:5", "etc/a": "", "etc/e": "",
	} {
		wantRecord(t, filepath.Join(dir, name), owner.Name, want)
	}
}

// paths names files in each way there is, last from another root directory.
func paths() error {
	var c checks
	c.do(os.MkdirAll("root/etc", 0o755), nil)
	c.do(os.Mkdir("etc", 0o755), nil)
	c.do(touch("root/etc/a", "root/etc/b", "root/etc/c", "root/etc/d", "root/etc/e", "etc/a", "etc/e"), nil)
	etc, err := unix.Open("root/etc", unix.O_PATH|unix.O_DIRECTORY, 0)
	c.do(err, nil)
	b, err := unix.Open("root/etc/b", unix.O_RDONLY, 0)
	c.do(err, nil)
	c.do(unix.Fchown(b, 2, 2), nil)
	c.do(unix.Fchownat(etc, "c", 3, 3, 0), nil)
	c.do(unix.Fchownat(99, "c", 3, 3, 0), unix.EBADF)
	c.do(unix.Fchownat(b, "c", 3, 3, 0), unix.ENOTDIR)
	c.do(unix.Fchownat(etc, "", 3, 3, 0), unix.ENOENT)
	c.do(unix.Fchownat(etc, "c", 3, 3, 1<<30), unix.EINVAL)
	d, err := unix.Open("root/etc/d", unix.O_PATH, 0)
	c.do(err, nil)
	c.do(unix.Fchownat(d, "", 4, 4, unix.AT_EMPTY_PATH), nil)
	c.owns(fmt.Sprintf("/proc/self/fd/%d/b", etc), 2, 2)
	c.owns(fmt.Sprintf("/dev/fd/%d/c", etc), 3, 3)
	c.do(os.Symlink("/etc/e", "root/absolute"), nil)
	c.do(unix.Chroot("root"), nil)
	c.do(unix.Chdir("/"), nil)
	c.do(os.Chown("absolute", 5, 5), nil)
	c.do(os.Chown("/../../etc/a", 1, 1), nil)
	c.owns("/etc/a", 1, 1)
	c.owns("etc/e", 5, 5)
	return c.err()
}

func TestAttributes(t *testing.T) { inside(t, Full, "attributes") }

func attributes() error {
	var c checks
	c.do(touch("f"), nil)
	c.do(unix.Setxattr("f", "user.colour", []byte("blue"), 0), nil)
	c.do(os.Chown("f", 1, 1), nil)
	b := make([]byte, 100)
	n, err := unix.Listxattr("f", b)
	c.that(err == nil && string(b[:n]) == "user.colour\x00", "%q, %v", b[:max(n, 0)], err)
	n, err = unix.Listxattr("f", nil)
	c.that(err == nil && n == len("user.colour\x00"), "%d, %v", n, err)
	_, err = unix.Listxattr("f", b[:5])
	c.do(err, unix.ERANGE)
	c.do(unix.Setxattr("f", "trusted.x", []byte("1"), 0), nil)
	c.do(unix.Setxattr("f", "security.selinux", []byte("1"), 0), nil)
	c.do(call(unix.SYS_SETUID, 33), nil)
	c.do(unix.Setxattr("f", "trusted.x", []byte("1"), 0), unix.EPERM)
	return c.err()
}

func TestFast(t *testing.T) {
	dir := inside(t, Fast, "unseen")
	wantRecord(t, filepath.Join(dir, "f"), owner.Name, "3:4")
}

func unseen() error {
	var c checks
	c.do(touch("f"), nil)
	c.do(os.Chown("f", 3, 4), nil)
	c.owns("f", 0, 0)
	return c.err()
}

func TestSilent(t *testing.T) {
	dir := inside(t, Silent, "pretend")
	wantRecord(t, filepath.Join(dir, "f"), owner.Name, "")
}

func pretend() error {
	var c checks
	c.do(touch("f"), nil)
	c.do(os.Chown("f", 3, 4), nil)
	c.do(os.Chown("nosuch", 3, 4), nil)
	c.do(call(unix.SYS_SETRESUID, 33, 33, 33), nil)
	c.do(unix.Setgroups([]int{1}), nil)
	c.users(0, 0, 0)
	return c.err()
}

func TestManyThreads(t *testing.T) {
	dir := inside(t, Full, "many")
	for i := range 200 {
		wantRecord(t, filepath.Join(dir, fmt.Sprint(i)), owner.Name, fmt.Sprintf("%d:%d", i+1, i+2))
	}
}

// many has more threads call at a time than there are workers.
func many() error {
	var wg sync.WaitGroup
	errs := make([]error, 200)
	for i := range errs {
		wg.Go(func() {
			var c checks
			name := fmt.Sprint(i)
			c.do(touch(name), nil)
			c.do(os.Chown(name, i+1, i+2), nil)
			c.owns(name, uint32(i+1), uint32(i+2))
			errs[i] = c.err()
		})
	}
	wg.Wait()
	c := checks{errs: errs}
	return c.err()
}

// TestDisturbed: whoever makes a file gets that file, whatever signals come while
// the descriptor is on its way.
func TestDisturbed(t *testing.T) { inside(t, Full, "disturbed") }

func disturbed() error {
	var c checks
	if err := unix.Setresuid(33, 33, 33); err != nil {
		return err
	}
	for i := range 3000 {
		name := fmt.Sprint("f", i)
		fd, err := unix.Open(name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
		if err != nil {
			c.that(false, "%s: %v", name, err)
			continue
		}
		var here, there unix.Stat_t
		c.do(unix.Fstat(fd, &here), nil)
		c.do(unix.Lstat(name, &there), nil)
		c.that(here.Ino == there.Ino, "%s is descriptor %d, of another file (mode %o)", name, fd, here.Mode)
		if fd > 2 {
			c.do(unix.Close(fd), nil)
		}
	}
	return c.err()
}
