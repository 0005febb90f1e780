package rootemu

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/owner"
)

// What needs a payload is tested by this program itself: it starts itself as
// PID 1 of new namespaces where one id is mapped, which starts itself as the
// payload under an Emulator. roleEnv says which of them it is.
const (
	roleEnv  = "ROOTEMU_ROLE"
	modeEnv  = "ROOTEMU_MODE"
	nameEnv  = "ROOTEMU_SCENARIO"
	otherEnv = "ROOTEMU_OTHER"
	underEnv = "ROOTEMU_UNDER"
)

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case "init":
		runtime.LockOSThread()
		var status int
		if status, err = supervise(); err == nil {
			os.Exit(status)
		}
	case "payload":
		err = scenarios()[os.Getenv(nameEnv)]()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// supervise does what the starter does.
func supervise() (int, error) {
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return 0, err
	}
	under := os.Getenv(underEnv)
	if under != "" {
		if err := unix.Mount("overlay", under, "overlay", 0, "userxattr,xino=on,lowerdir=lower,upperdir=upper,workdir=work"); err != nil {
			return 0, err
		}
	}
	e, err := New(Mode(os.Getenv(modeEnv)), under)
	if err != nil {
		return 0, err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	if os.Getenv(nameEnv) == "born" {
		if err := e.Become(33, 5, []uint32{7, 8}); err != nil {
			return 0, err
		}
	}
	if err := e.Attach(); err != nil {
		return 0, err
	}
	if err := os.Setenv(roleEnv, "payload"); err != nil {
		return 0, err
	}
	pid, err := syscall.ForkExec("/proc/self/exe", os.Args[:1], &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		return 0, err
	}
	e.Serve()
	if os.Getenv(nameEnv) == "disturbed" {
		go disturb()
	}
	for {
		var ws unix.WaitStatus
		switch got, err := unix.Wait4(-1, &ws, 0, nil); {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case got == pid:
			return ws.ExitStatus(), nil
		}
	}
}

// disturb sends to all threads of this process the signal by which Go's runtime
// has them make way, which may interrupt any system call.
func disturb() {
	for {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			panic(err)
		}
		for _, task := range tasks {
			tid, _ := strconv.Atoi(task.Name())              // the name is a number
			_ = unix.Tgkill(unix.Getpid(), tid, unix.SIGURG) // or the thread has ended
		}
	}
}

// beneath is inside with an emulation limited to the directory under, an
// overlay. What is written there is in upper.
func beneath(t *testing.T, m Mode, name string) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"under", "lower", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	start(t, dir, m, name, underEnv+"=under")
	return dir
}

// inside runs a scenario in a directory, which is returned.
func inside(t *testing.T, m Mode, name string) string {
	t.Helper()
	dir := t.TempDir()
	start(t, dir, m, name)
	return dir
}

func start(t *testing.T, dir string, m Mode, name string, env ...string) {
	t.Helper()
	// The program where an ordinary user of the namespace finds it.
	c := exec.Command("/proc/self/exe")
	c.Dir = dir
	c.Env = append(os.Environ(), roleEnv+"=init", modeEnv+"="+string(m), nameEnv+"="+name)
	c.Env = append(c.Env, env...)
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := c.CombinedOutput()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		t.Skip("this machine allows no user namespaces")
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// wantRecord compares the attribute of a file with "" for none.
func wantRecord(t *testing.T, path, attr, want string) {
	t.Helper()
	b := make([]byte, 100)
	n, err := unix.Lgetxattr(path, attr, b)
	if err == unix.ENODATA {
		n, err = 0, nil
	}
	if got := string(b[:max(n, 0)]); err != nil || got != want {
		t.Errorf("%s of %s is %q, %v; want %q", attr, filepath.Base(path), got, err, want)
	}
}

// wantEntry compares the record that a directory has of an entry.
func wantEntry(t *testing.T, path, want string) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	attr, _ := owner.EntryName(filepath.Base(path))
	wantRecord(t, filepath.Dir(path), attr, fmt.Sprintf("%s:%d", want, st.Ino))
}

// checks collects what is wrong, with the number of the check.
type checks struct {
	n    int
	errs []error
}

func (c *checks) that(ok bool, format string, args ...any) {
	if c.n++; !ok {
		c.errs = append(c.errs, fmt.Errorf("check %d: "+format, append([]any{c.n}, args...)...))
	}
}

// do wants a call to end with an error, or nil.
func (c *checks) do(err, want error) {
	c.that(errors.Is(err, want) && (err == nil) == (want == nil), "%v instead of %v", err, want)
}

// owns wants a file to be seen with this owner.
func (c *checks) owns(path string, uid, gid uint32) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	c.that(err == nil && st.Uid == uid && st.Gid == gid, "%s is of %d:%d, %v; want %d:%d", path, st.Uid, st.Gid, err, uid, gid)
}

// ids wants the process to have these user ids: real, effective, saved.
func (c *checks) users(want ...int) {
	r, e, s := unix.Getresuid()
	c.that(fmt.Sprint([]int{r, e, s}) == fmt.Sprint(want), "users %d %d %d instead of %v", r, e, s, want)
}

func (c *checks) err() error { return errors.Join(c.errs...) }

// call is a system call of this thread alone, as the C library of a program
// with one thread makes it.
func call(nr uintptr, args ...uintptr) error {
	var a [3]uintptr
	copy(a[:], args)
	if _, _, errno := unix.RawSyscall(nr, a[0], a[1], a[2]); errno != 0 {
		return errno
	}
	return nil
}

func scenarios() map[string]func() error {
	return map[string]func() error{
		"become": become, "born": believe, "owners": owners, "devices": devices, "creations": creations,
		"paths": paths, "attributes": attributes, "unseen": unseen, "pretend": pretend, "many": many, "disturbed": disturbed,
		"limits": limits, "otherRoot": otherRoot,
	}
}

func touch(names ...string) error {
	for _, n := range names {
		if err := os.WriteFile(n, []byte(n), 0o644); err != nil {
			return err
		}
	}
	return nil
}
