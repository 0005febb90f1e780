package rootemu

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/owner"
	"github.com/sealift/sealift/starter/rootemu/device"
)

func TestLimits(t *testing.T) {
	dir := beneath(t, Full, "limits")
	for name, want := range map[string]string{
		"upper/f": "33:44", "upper/bound/g": "5:6", "upper/null": "0:0:20000:259", "upper/theirs": "33:0", "out": "", "outside/theirs": "",
	} {
		wantRecord(t, filepath.Join(dir, name), owner.Name, want)
	}
	wantEntry(t, filepath.Join(dir, "upper/link"), "11:12")
}

// limits does the same inside and outside of the region.
func limits() error {
	var c checks
	c.do(os.Mkdir("under/bound", 0o777), nil)
	c.do(os.Mkdir("outside", 0o777), nil)
	c.do(touch("under/f", "under/bound/g", "out"), nil)
	c.do(os.Symlink("nowhere", "under/link"), nil)

	c.do(os.Chown("under/f", 33, 44), nil)
	c.owns("under/f", 33, 44)
	c.do(os.Lchown("under/link", 11, 12), nil)
	c.owns("under/link", 11, 12)
	c.do(unix.Mknod("under/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))), nil)
	c.do(unix.Setxattr("under/f", "trusted.x", []byte("1"), 0), nil)

	c.do(os.Chown("out", 33, 44), unix.EINVAL)
	c.do(os.Chown("out", 0, 0), nil)
	c.owns("out", 0, 0)
	c.do(unix.Mknod("null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))), unix.EPERM)
	c.do(unix.Setxattr("out", "trusted.x", []byte("1"), 0), unix.EPERM)

	// A directory of the region, mounted elsewhere, is still of the region.
	c.do(unix.Mount("under/bound", "outside", "", unix.MS_BIND, ""), nil)
	c.do(os.Chown("outside/g", 5, 6), nil)
	c.owns("under/bound/g", 5, 6)
	c.do(unix.Unmount("outside", 0), nil)

	c.do(call(unix.SYS_SETUID, 33), nil)
	c.do(touch("under/theirs", "outside/theirs"), nil)
	c.owns("under/theirs", 33, 0)
	c.owns("outside/theirs", 0, 0)
	return c.err()
}

func TestChroot(t *testing.T) {
	dir := beneath(t, Fast, "otherRoot")
	for name, want := range map[string]string{
		"null": "0:0:20000:259", "zero": "0:5:20000:261", "urandom": "", "full": "0:0:20000:259", "console": "0:0:20000:1281",
	} {
		path := filepath.Join(dir, "upper/dev", name)
		wantRecord(t, path, owner.Name, want)
		if info, err := os.Stat(path); err != nil || info.Size() != 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// otherRoot makes devices, and a process that enters the directory uses them.
// The second one has a mount namespace of its own.
func otherRoot() error {
	if os.Getenv(otherEnv) != "" {
		return useDevices()
	}
	var c checks
	c.do(os.Mkdir("under/dev", 0o755), nil)
	for name, number := range map[string]uint32{
		"null": device.Number("null"), "zero": device.Number("zero"), "console": 5<<8 | 1,
		"full": device.Number("null"), // a device under another's name is left alone
	} {
		c.do(unix.Mknod("under/dev/"+name, unix.S_IFCHR|0o666, int(number)), nil)
	}
	c.do(os.Chown("under/dev/zero", 0, 5), nil)
	c.do(os.WriteFile("under/dev/urandom", nil, 0o644), nil)
	c.do(unix.Chroot("nowhere"), unix.ENOENT)
	for _, flags := range []uintptr{unix.CLONE_NEWNS, 0} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), otherEnv+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
		out, err := cmd.CombinedOutput()
		c.that(err == nil, "the child: %v: %s", err, out)
	}
	return c.err()
}

func useDevices() error {
	var c checks
	c.do(unix.Chroot("under"), nil)
	c.do(os.Chdir("/"), nil)
	c.do(os.WriteFile("/dev/null", []byte("gone"), 0o666), nil)
	b, err := os.ReadFile("/dev/null")
	c.that(err == nil && len(b) == 0, "null has %q, %v", b, err)
	f, err := os.Open("/dev/zero")
	c.do(err, nil)
	defer f.Close()
	n, err := f.Read([]byte{1, 2, 3})
	c.that(n == 3 && err == nil, "%d zeros, %v", n, err)
	for _, name := range []string{"full", "console", "urandom"} {
		info, err := os.Lstat("/dev/" + name)
		c.that(err == nil && info.Mode().IsRegular(), "%s is %v, %v", name, info, err)
	}
	c.do(unix.Chroot("."), nil) // with the devices in place
	c.do(unix.Chroot("/dev/null"), unix.ENOTDIR)
	return c.err()
}
