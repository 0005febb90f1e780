package hold

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
)

// envHold has the test binary hold in the user namespace that it is in.
const envHold = "HOLD_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(envHold); dir != "" {
		if err := Hold(3, true, dir); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// place makes a directory where a server and tasks met.
func place(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sealift", "share", "key")
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, Mounts), 0o700), os.WriteFile(filepath.Join(dir, Socket), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestHold holds until the other end of the socket is closed, whatever signals come, and
// leaves nobody in the user namespace, and no directory.
func TestHold(t *testing.T) {
	dir := place(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "report")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Another process is there, and a child of it.
	cmd := exec.Command("unshare", "--user", "--map-root-user", "sh", "-c", `(sleep 1000 & exec sleep 1000) & exec "$0"`, self)
	cmd.Env, cmd.ExtraFiles = append(os.Environ(), envHold+"="+dir), []*os.File{theirs}
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	msg := make([]byte, 64)
	n, err := unix.Read(pair[0], msg)
	if r, parse := plan.ParseReport(msg[:max(n, 0)]); err != nil || parse != nil || r.Stage != plan.StageHold {
		t.Fatalf("%v, %v, %q", err, parse, msg)
	}
	user, err := Of(strconv.Itoa(cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGUSR1, unix.SIGCONT} {
		if err := unix.Kill(cmd.Process.Pid, s); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(50 * time.Millisecond)
	if got := members(t, user); got != 3 {
		t.Errorf("%d processes are in the user namespace, not 3", got)
	}
	unix.Close(pair[0])
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, errs.String())
	}
	if got := members(t, user); got != 0 {
		t.Errorf("%d processes are left", got)
	}
	if _, err := os.Lstat(filepath.Dir(filepath.Dir(dir))); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
}

// members counts the processes of a user namespace that have not ended.
func members(t *testing.T, user User) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil || !alive(e.Name()) {
			continue
		}
		if theirs, err := Of(e.Name()); err == nil && theirs == user {
			n++
		}
	}
	return n
}

// TestSweep leaves a directory alone in which somebody listens, or is about to.
func TestSweep(t *testing.T) {
	dir := place(t)
	if err := os.Remove(filepath.Join(dir, Socket)); err != nil {
		t.Fatal(err)
	}
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := errors.Join(unix.Bind(s, &unix.SockaddrUnix{Name: Socket}), unix.Listen(s, 1)); err != nil {
		t.Fatal(err)
	}
	Sweep(dir)
	if _, err := os.Lstat(filepath.Join(dir, Socket)); err != nil {
		t.Error(err)
	}
	unix.Close(s)
	lock, err := os.Open(dir)
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	Sweep(dir)
	if _, err := os.Lstat(filepath.Join(dir, Socket)); err != nil {
		t.Error(err)
	}
	lock.Close()
	Sweep(dir)
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
	for _, none := range []string{dir, "", "relative", "/proc/self/fd"} {
		Sweep(none) // and nothing happens
	}
}

// TestKillAll leaves processes of other user namespaces alone.
func TestKillAll(t *testing.T) {
	start := func() *exec.Cmd {
		cmd := exec.Command("unshare", "--user", "sh", "-c", "echo; exec sleep 1000")
		out, err := cmd.StdoutPipe()
		if err := errors.Join(err, cmd.Start()); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	a, b := start(), start()
	user, err := Of(strconv.Itoa(a.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	KillAll(user)
	if err := a.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Error(err)
	}
	if !alive(strconv.Itoa(b.Process.Pid)) {
		t.Error("a process of another namespace was killed")
	}
	b.Process.Kill()
	b.Wait()
}
