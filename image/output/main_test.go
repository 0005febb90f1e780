package output

import (
	"errors"
	"io/fs"
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

// skip skips a test that cannot run here, which must not happen in CI.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
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
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
}

func mountTmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// list returns the names in dir, hidden ones included.
func list(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func wantFile(t *testing.T, path, content string) {
	t.Helper()
	st, err := os.Lstat(path)
	must(t, err)
	if !st.Mode().IsRegular() {
		t.Fatalf("%s is %v", path, st.Mode())
	}
	b, err := os.ReadFile(path)
	must(t, err)
	if string(b) != content {
		t.Errorf("%s holds %q, want %q", path, b, content)
	}
}

func wantError(t *testing.T, err error, text, remedy string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", text)
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("error %q lacks %q", err, text)
	}
	if got := hint.Of(err); !strings.Contains(got, remedy) || remedy != "" && got == "" {
		t.Errorf("hint of %q is %q, want %q", err, got, remedy)
	}
}

func write(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), mode))
}
