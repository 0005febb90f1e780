// Package apart runs parts of tests apart from the test's own process: in
// namespaces, on a small file system, or as an ordinary user.
//
// Input: a test and what it is to do. Output: the test's verdict. It is for tests
// only; what cannot be had skips them, which is a failure in CI.
package apart

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// UserID is the ids of the ordinary user where tests run as root.
const UserID = 1500

// Skip skips a test that cannot run here, which must not happen in CI.
func Skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

const childVar = "SEALIFT_TEST_NAMESPACE"

// InNamespace runs fn in a process of its own that is root of a new user and
// mount namespace, by running the test binary again. The test must be one of
// the top level.
func InNamespace(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	if os.Getenv(childVar) == t.Name() {
		fn(t)
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), childVar+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		Skip(t, "user namespaces are not available: "+err.Error())
	}
	if strings.Contains(string(out), "--- SKIP: "+t.Name()) {
		Skip(t, string(out))
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
}

// Tmpfs mounts a tmpfs with these options (tmpfs(5)) until the end of the test.
func Tmpfs(t *testing.T, options string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// GiveUser makes dir, which is in a temporary directory, the ordinary user's
// when the tests run as root.
func GiveUser(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(dir, UserID, UserID); err != nil {
		t.Fatal(err)
	}
	for up := dir; up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// AsUser runs fn with the effective ids of the ordinary user when the tests run
// as root, on this thread only.
func AsUser(fn func()) {
	if os.Geteuid() != 0 {
		fn()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	set := func(trap, id uintptr) {
		keep := ^uintptr(0)
		if _, _, errno := unix.RawSyscall(trap, keep, id, keep); errno != 0 {
			panic(errno) // the thread's ids are undefined now
		}
	}
	set(unix.SYS_SETRESGID, UserID)
	set(unix.SYS_SETRESUID, UserID)
	defer func() {
		set(unix.SYS_SETRESUID, 0)
		set(unix.SYS_SETRESGID, 0)
	}()
	fn()
}
