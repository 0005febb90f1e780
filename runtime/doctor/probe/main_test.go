package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/runtime/doctor"
	"github.com/sealift/sealift/starter/enter"
	"github.com/sealift/sealift/starter/seccomp"
)

// The tests run the real starter. Variables of the environment turn the test
// binary into a program that looks at the machine and prints what it found, so
// that a test can take things away from it first.
const (
	envDir  = "PROBE_TEST_DIR"  // the shared directory exists already
	envLook = "PROBE_TEST_LOOK" // look, after what it names: filter, hang or nothing
	// nobody is a user id without a passwd entry.
	nobody = 65533
)

// shared is a directory that every user can read: the starter, and a copy of this
// test binary.
var shared string

// patience is long enough for a busy machine.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	if before := os.Getenv(envLook); before != "" {
		os.Exit(lookAround(before))
	}
	shared = os.Getenv(envDir)
	if shared != "" {
		os.Exit(m.Run())
	}
	os.Exit(withShared(func() int { return withoutLeaks(m.Run()) }))
}

// withoutLeaks fails where goroutines are left when all tests are over.
func withoutLeaks(code int) int {
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func withShared(run func() int) int {
	var err error
	if shared, err = os.MkdirTemp("", "probe-"); err == nil {
		defer os.RemoveAll(shared)
		err = errors.Join(os.Chmod(shared, 0o755), makeShared())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run()
}

func makeShared() error {
	build := exec.Command("go", "build", "-ldflags", "-E "+enter.Symbol, "-o", filepath.Join(shared, buildcfg.StarterName), "../../../starter")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the starter: %w\n%s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	data, err := os.ReadFile(self)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(shared, "probe.test"), data, 0o755)
}

// inputs are those of this process.
func inputs() Inputs {
	return Inputs{
		Environ: os.Environ(), Cwd: "/", Program: filepath.Join(os.Getenv(envDir), "sealift"),
		Cache: filepath.Join(os.TempDir(), "cache"), TmpDir: os.TempDir(), Patience: patience,
	}
}

// lookAround is the program that the test binary can be.
func lookAround(before string) int {
	in, err := inputs(), error(nil)
	switch before {
	case "filter":
		err = refuseNamespaces()
	case "hang":
		in.Patience = time.Second
		in.TmpDir, err = deadMount()
	}
	var f doctor.Findings
	if err == nil {
		f, err = Gather(context.Background(), in)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	f.Host.Root = nil // no text
	if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
		return 1
	}
	return 0
}

// refuseNamespaces installs a filter as that of Docker is: what makes a user
// namespace is not permitted.
func refuseNamespaces() error {
	arch := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	var rules []seccomp.Rule
	for _, nr := range []int{unix.SYS_CLONE, unix.SYS_UNSHARE} {
		rules = append(rules, seccomp.Rule{NR: nr, Action: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM), Tests: []seccomp.Test{{Arg: 0, Any: unix.CLONE_NEWUSER}}})
	}
	filter := seccomp.Assemble(arch, rules)
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog))); e != 0 {
		return e
	}
	return nil
}

// deadMount mounts a file system whose server does not answer.
func deadMount() (string, error) {
	dir := os.TempDir()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	return dir, unix.Mount("dead", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd))
}

// need skips the test for want of something, except in CI.
func need(t *testing.T, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// tempDir is t.TempDir on a path that every user can pass.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "probe-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// where is what a process has lost that looks.
type where struct {
	// script runs in a mount namespace, as root of it, before $LOOK looks; where it
	// does not mention $LOOK, that follows it.
	script string
	before string // the value of envLook
	env    []string
}

// lookFrom has a process that has lost something look at the machine.
func lookFrom(t *testing.T, w where) doctor.Findings {
	t.Helper()
	_, err := exec.LookPath("unshare")
	need(t, err == nil, "no unshare")
	script := w.script
	if !strings.Contains(script, "$LOOK") {
		script += "\nexec $LOOK"
	}
	args := []string{"-m"}
	if os.Geteuid() != 0 {
		args = []string{"-Urm"}
	}
	cmd := exec.Command("unshare", append(args, "sh", "-ec", script)...)
	if w.before == "" {
		w.before = "nothing"
	}
	cmd.Env = append(os.Environ(), envDir+"="+shared, envLook+"="+w.before, "LOOK="+filepath.Join(shared, "probe.test"), "DIR="+tempDir(t), "TMPDIR="+tempDir(t))
	cmd.Env = append(cmd.Env, w.env...)
	var msg strings.Builder
	cmd.Stderr = &msg
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, msg.String())
	}
	var f doctor.Findings
	if err := json.Unmarshal(out, &f); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return f
}

// TestAsUser runs the tests of this package again as an ordinary user.
func TestAsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: the other tests are run by an ordinary user already")
	}
	home := tempDir(t)
	args := []string{"-test.timeout=120s"}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	cmd := exec.Command(filepath.Join(shared, "probe.test"), args...)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), envDir+"="+shared, "TMPDIR="+home, "HOME="+home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("as user %d: %v", nobody, err)
	}
	t.Log(string(out))
}
