package cache

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

// Where flock(2) does not work, one process makes an entry all the same.
func TestWithoutLocks(t *testing.T) {
	for errno, n := range map[string]int{"ENOLCK": 64, "ENOSYS": 4, "EOPNOTSUPP": 4} {
		top := t.TempDir()
		dir, log := top+"/cache", top+"/log"
		for _, text := range race(t, n, dir, log, traced(t, "flock:error="+errno)...) {
			if !strings.HasPrefix(text, "made by ") {
				t.Errorf("%s: a child has %q", errno, text)
			}
		}
		if n := made(t, log); n != 1 {
			t.Errorf("%s: %d processes made it", errno, n)
		}
		if got := list(t, dir); got != testID(1).String() {
			t.Errorf("%s: left over: %q", errno, got)
		}
	}
}

// leasing is a child that has no locks.
func leasing(t *testing.T, action, dir, log, lapse string) *exec.Cmd {
	t.Helper()
	cmd := command(action, dir, log, traced(t, "flock:error=ENOLCK")...)
	cmd.Env = append(cmd.Env, lapseVar+"="+lapse)
	return cmd
}

// maker returns the process that makes the entry, which is not strace.
func maker(t *testing.T, log string) int {
	t.Helper()
	b, err := os.ReadFile(log)
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	must(t, err)
	return pid
}

// waiters starts n children, and returns when all of them wait.
func waiters(t *testing.T, n int, dir, log, lapse string) (cmds []*exec.Cmd, outs []*bufio.Reader) {
	t.Helper()
	for range n {
		cmds = append(cmds, leasing(t, "put", dir, log, lapse))
		outs = append(outs, start(t, cmds[len(cmds)-1]))
	}
	for _, out := range outs {
		wantLine(t, out, "waiting")
	}
	return cmds, outs
}

// A lease is that of a process: if that is killed, exactly one of those who wait
// makes the entry, long before the lease has lapsed.
func TestLeaseOfTheDead(t *testing.T) {
	top := t.TempDir()
	dir, log := top+"/cache", top+"/log"
	holder := leasing(t, "hold", dir, log, "1h")
	wantLine(t, start(t, holder), "holding")
	cmds, outs := waiters(t, 8, dir, log, "1h")
	must(t, unix.Kill(maker(t, log), unix.SIGKILL))
	if err := holder.Wait(); err == nil {
		t.Error("the holder was not killed")
	}
	wantOneMore(t, cmds, outs, dir, log)
}

// wantOneMore checks that one of the children makes the entry for the second
// time, and all of them have it.
func wantOneMore(t *testing.T, cmds []*exec.Cmd, outs []*bufio.Reader, dir, log string) {
	t.Helper()
	first := ""
	for i, cmd := range cmds {
		rest, err := io.ReadAll(outs[i])
		must(t, errors.Join(err, cmd.Wait()))
		if first == "" {
			first = string(rest)
		}
		if string(rest) != first || !strings.HasPrefix(first, "made by ") {
			t.Errorf("the waiters have %q and %q", first, rest)
		}
	}
	if n := made(t, log); n != 2 {
		t.Errorf("%d processes made it", n)
	}
	if got := list(t, dir); got != testID(1).String() {
		t.Errorf("left over: %q", got)
	}
}

// A process that is stopped loses its lease, goes on later, and gets what was
// made meanwhile.
func TestLeaseOfTheStopped(t *testing.T) {
	top := t.TempDir()
	dir, log := top+"/cache", top+"/log"
	holder := leasing(t, "ask", dir, log, "2s")
	in, err := holder.StdinPipe()
	must(t, err)
	out := start(t, holder)
	_, err = in.Write([]byte{1})
	must(t, err)
	wantLine(t, out, "holding")
	cmds, outs := waiters(t, 4, dir, log, "2s")
	pid := maker(t, log)
	must(t, unix.Kill(pid, unix.SIGSTOP))
	wantOneMore(t, cmds, outs, dir, log)
	must(t, unix.Kill(pid, unix.SIGCONT))
	_, err = in.Write([]byte{1})
	must(t, err)
	rest, err := io.ReadAll(out)
	must(t, errors.Join(err, holder.Wait()))
	if !strings.HasPrefix(string(rest), "made by ") {
		t.Errorf("the first has %q", rest)
	}
	if got := list(t, dir); got != testID(1).String() {
		t.Errorf("left over: %q", got)
	}
}

const elsewhere = "abc node7 11111111-2222-3333-4444-555555555555 pid:[4026531836] 77 12345\n"

// leaseOf puts a lease in place that was touched some time ago.
func leaseOf(t *testing.T, dir, text string, age time.Duration) (path string) {
	t.Helper()
	path = dir + "/" + testID(1).String() + ".lease"
	must(t, os.WriteFile(path, []byte(text), 0o600))
	at := time.Now().Add(-age)
	must(t, os.Chtimes(path, at, at))
	return path
}

// What is no lease of the caller's is no reason to wait.
func TestNoLease(t *testing.T) {
	top := t.TempDir()
	dir := top + "/cache"
	c := open(t, dir, Options{Waiting: func(ID) { t.Error("waiting") }})
	c.claims.WithoutLocks()
	put(t, c, testID(2), "")
	for name, make := range map[string]func(path string) error{
		"link":      func(path string) error { return os.Symlink(top+"/victim", path) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"another user's": func(path string) error {
			if os.Geteuid() != 0 {
				return os.Mkdir(path, 0o700)
			}
			return errors.Join(os.WriteFile(path, []byte(elsewhere), 0o600), os.Chown(path, apart.UserID, apart.UserID))
		},
	} {
		path := dir + "/" + testID(1).String() + ".lease"
		must(t, make(path))
		put(t, c, testID(1), name)
		must(t, c.Remove(testID(1)))
		must(t, os.Remove(path))
	}
	if _, err := os.Lstat(top + "/victim"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a lease was made through a link: %v", err)
	}
}

// Nobody waits for a lease in a directory that nothing can be made in.
func TestLeaseReadOnly(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		dir := apart.Tmpfs(t, "mode=0700")
		put(t, open(t, dir, Options{}), testID(2), "there")
		leaseOf(t, dir, elsewhere, 0)
		must(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		c := open(t, dir, Options{Waiting: func(ID) { t.Error("waiting") }})
		c.claims.WithoutLocks()
		_, err := c.Put(context.Background(), testID(1), "", fill("new"))
		wantError(t, err, "read-only file system", "set SEALIFT_CACHEDIR")
		put(t, c, testID(2), "there")
	})
}
