package sandbox

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

	"github.com/sealift/sealift/buildcfg/hint"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(content), 0o644))
}

func symlink(t testing.TB, target, path string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.Symlink(target, path))
}

func openDir(t testing.TB, path string) *os.File {
	t.Helper()
	d, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

// skip skips a test that cannot run here, which must not happen in CI.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "only root can make devices and change owners")
	}
}

const childVar = "SEALIFT_TEST_CHILD"

// inNamespace runs fn in a process of its own that is root of a new user and
// mount namespace, by running the test binary again.
func inNamespace(t *testing.T, fn func(t *testing.T)) {
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
		skip(t, "user namespaces are not available: "+err.Error())
	}
	if strings.Contains(string(out), "--- SKIP: "+t.Name()) {
		skip(t, string(out))
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
}

// asUser runs fn with the effective ids of an ordinary user when the tests run
// as root, on this thread only. Dir becomes that user's.
func asUser(t *testing.T, dir string, fn func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		fn()
		return
	}
	const uid = 1500
	must(t, os.Chown(dir, uid, uid))
	for up := dir; up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
		must(t, unix.Chmod(up, 0o755))
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	set := func(trap, id uintptr) {
		keep := ^uintptr(0)
		if _, _, errno := unix.RawSyscall(trap, keep, id, keep); errno != 0 {
			panic(errno) // the thread's ids are undefined now
		}
	}
	set(unix.SYS_SETRESGID, uid)
	set(unix.SYS_SETRESUID, uid)
	defer func() {
		set(unix.SYS_SETRESUID, 0)
		set(unix.SYS_SETRESGID, 0)
	}()
	fn()
}

func wantError(t *testing.T, err error, text, remedy string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", text)
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("error %q lacks %q", err, text)
	}
	if got := hint.Of(err); !strings.Contains(got, remedy) {
		t.Errorf("hint of %q is %q, want %q", err, got, remedy)
	}
}
