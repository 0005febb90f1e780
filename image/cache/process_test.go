package cache

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

// start starts a child and returns its output.
func start(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return bufio.NewReader(out)
}

func wantLine(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	if got, err := r.ReadString('\n'); strings.TrimSpace(got) != want {
		t.Fatalf("the child says %q (%v), want %q", got, err, want)
	}
}

// race runs n children that start at one moment and returns what they got.
func race(t *testing.T, n int, dir, log string, wrapper ...string) []string {
	t.Helper()
	wait, begin, err := os.Pipe()
	must(t, err)
	cmds, outs := make([]*exec.Cmd, n), make([]bytes.Buffer, n)
	for i := range cmds {
		cmds[i] = command("put", dir, log, wrapper...)
		cmds[i].Stdin, cmds[i].Stdout, cmds[i].Stderr = wait, &outs[i], &outs[i]
		must(t, cmds[i].Start())
	}
	must(t, begin.Close())
	var got []string
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("a child fails: %v\n%s", err, outs[i].String())
		}
		got = append(got, strings.TrimPrefix(strings.TrimSpace(outs[i].String()), "waiting\n"))
	}
	must(t, wait.Close())
	return got
}

// made returns how many children have made the entry.
func made(t *testing.T, log string) int {
	t.Helper()
	b, err := os.ReadFile(log)
	must(t, err)
	return bytes.Count(b, []byte("\n"))
}

// Of 64 processes that want an entry, one makes it and all have it.
func TestOneProcessMakesIt(t *testing.T) {
	top := userDir(t)
	dir, log := top+"/cache", top+"/log"
	got := race(t, 64, dir, log)
	for _, text := range got {
		if text != got[0] || !strings.HasPrefix(text, "made by ") {
			t.Errorf("children have %q and %q", got[0], text)
		}
	}
	if n := made(t, log); n != 1 {
		t.Errorf("%d processes made it", n)
	}
	if got := list(t, dir); got != testID(1).String() {
		t.Errorf("left over: %q", got)
	}
}

// A process that is killed while it makes an entry leaves the making to one
// that waits, and leaves nothing else.
func TestHolderKilled(t *testing.T) {
	top := userDir(t)
	dir, log := top+"/cache", top+"/log"
	holder := command("hold", dir, log)
	wantLine(t, start(t, holder), "holding")
	waiter := command("put", dir, log)
	out := start(t, waiter)
	wantLine(t, out, "waiting")
	if n := made(t, log); n != 1 {
		t.Errorf("%d processes make it", n)
	}
	must(t, holder.Process.Kill())
	if err := holder.Wait(); err == nil {
		t.Error("the holder was not killed")
	}
	rest, err := io.ReadAll(out)
	must(t, errors.Join(err, waiter.Wait()))
	if !strings.HasPrefix(string(rest), "made by ") {
		t.Errorf("the waiter has %q", rest)
	}
	if n := made(t, log); n != 2 {
		t.Errorf("%d processes made it", n)
	}
	if got := list(t, dir); got != testID(1).String() {
		t.Errorf("left over: %q", got)
	}
}

// Waiting for another process ends with the context, and only that.
func TestWaitEndsWithContext(t *testing.T) {
	top := userDir(t)
	holder := command("hold", top+"/cache", top+"/log")
	wantLine(t, start(t, holder), "holding")
	apart.AsUser(func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		c := open(t, top+"/cache", Options{Waiting: func(ID) { cancel() }})
		_, err := c.Put(ctx, testID(1), "", fill("mine"))
		wantError(t, err, "wait for the process that makes cache entry test/", "")
		if !errors.Is(err, context.Canceled) {
			t.Errorf("it is %v", err)
		}
		put(t, c, testID(2), "another entry")
	})
	must(t, holder.Process.Kill())
	_ = holder.Wait() // it was killed
}

// traced returns strace with a fault, as the wrapper of a child.
func traced(t *testing.T, fault string) []string {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		apart.Skip(t, "strace is not installed")
	}
	if out, err := exec.Command("strace", "true").CombinedOutput(); err != nil {
		apart.Skip(t, "strace cannot trace here: "+string(out))
	}
	call, _, _ := strings.Cut(fault, ":")
	return []string{"strace", "-f", "-o", "/dev/null", "-e", "trace=" + call, "-e", "inject=" + fault}
}

// A failure at any step of the publication leaves nothing and says what to do.
func TestFaults(t *testing.T) {
	const move = "set SEALIFT_CACHEDIR to a directory"
	for fault, want := range map[string]string{
		"pwrite64:error=EDQUOT":        "make room with 'sealift cache clean', or " + move,
		"pwrite64:error=ENOSPC":        "make room with 'sealift cache clean', or " + move,
		"fsync:error=EDQUOT:when=1":    "make room with 'sealift cache clean', or " + move,
		"linkat:error=EROFS":           move,
		"mkdirat:error=EROFS:when=1":   move,
		"mkdirat:error=ENOSPC:when=2+": "make room with 'sealift cache clean', or " + move,
	} {
		top := t.TempDir()
		cmd := command("put", top+"/cache", top+"/log", traced(t, fault)...)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "hint: "+want) {
			t.Errorf("%s: %v\n%s", fault, err, out)
		}
		if _, err := os.Stat(top + "/cache"); err == nil && list(t, top+"/cache") != "" {
			t.Errorf("%s: left over: %q", fault, list(t, top+"/cache"))
		}
	}
}

// Whichever opening of a file in the cache fails, or kills the process, there
// is a whole entry or none, and the next process has it. ESTALE, which a
// server gives for what it no longer knows, and a file system without
// O_TMPFILE fail nothing where there is a way around.
func TestOpenFaults(t *testing.T) {
	for fault, want := range map[string]int{"error=ESTALE": 3, "error=EOPNOTSUPP": 3, "error=EACCES": 4, "signal=KILL": 0} {
		worked := 0
		const calls = 6 // lock, entry, directory, to be swept, unnamed file, to be synced
		for n := 1; n <= calls; n++ {
			top := t.TempDir()
			dir := top + "/cache"
			must(t, os.MkdirAll(dir+"/test", 0o700))
			wrapper := append(traced(t, fmt.Sprintf("openat:%s:when=%d", fault, n)), "-P", dir+"/test")
			out, err := command("put", dir, top+"/log", wrapper...).CombinedOutput()
			if err == nil {
				worked++
			}
			if got, id := list(t, dir), testID(1).String(); !strings.Contains(fault, "KILL") &&
				(err == nil && got != id || got != "" && got != id) {
				t.Errorf("%s at %d: there is %q (%v)\n%s", fault, n, got, err, out)
			}
			next, err := command("put", dir, top+"/log", "env").CombinedOutput()
			if err != nil || !strings.HasPrefix(string(next), "made by ") || list(t, dir) != testID(1).String() {
				t.Errorf("%s at %d: then %v, %q\n%s", fault, n, err, list(t, dir), next)
			}
		}
		if worked != want {
			t.Errorf("%s: the process goes on in %d of %d places, want %d", fault, worked, calls, want)
		}
	}
}

// A process killed at the moment of publication leaves the entry whole or not
// at all.
func TestKilledWhilePublishing(t *testing.T) {
	for _, fault := range []string{"linkat:signal=KILL", "fsync:signal=KILL:when=1", "fsync:signal=KILL:when=2"} {
		top := t.TempDir()
		cmd := command("put", top+"/cache", top+"/log", traced(t, fault)...)
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("%s: not killed\n%s", fault, out)
		}
		c := open(t, top+"/cache", Options{Warn: func(err error) { t.Errorf("%s: %v", fault, err) }})
		if e, err := c.Get(testID(1)); err == nil {
			must(t, e.Close())
		} else if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", fault, err)
		}
		put(t, c, testID(2), "another")
		e, err := c.Put(context.Background(), testID(1), "", fill("made"))
		must(t, err)
		must(t, e.Close())
		if got, want := list(t, top+"/cache"), testID(1).String()+" "+testID(2).String(); got != want {
			t.Errorf("%s: %q, want %q", fault, got, want)
		}
	}
}

// A full file system is an error with a remedy that leaves nothing, and room
// for what is smaller.
func TestFullDisk(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		for _, options := range []string{"size=256k,mode=0700", "size=1m,nr_inodes=4,mode=0700"} {
			dir := apart.Tmpfs(t, options)
			c := open(t, dir, Options{})
			put(t, c, testID(1), "small")
			_, err := c.Put(context.Background(), testID(2), "", fill(strings.Repeat("x", 1<<20)))
			wantError(t, err, dir, "make room with 'sealift cache clean', or set SEALIFT_CACHEDIR to a directory on another file system")
			if !errors.Is(err, unix.ENOSPC) || errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: it is %v", options, err)
			}
			if got := list(t, dir); got != "" { // what was there had to make room
				t.Errorf("%s: left over: %q", options, got)
			}
			put(t, c, testID(3), "small again")
		}
	})
}

// A cache on a read-only file system is read; what it lacks it cannot have.
func TestReadOnly(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		dir := apart.Tmpfs(t, "mode=0700")
		put(t, open(t, dir, Options{}), testID(1), "there")
		must(t, os.WriteFile(dir+"/test/"+testID(3).Key, nil, 0o600))
		must(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		c := open(t, dir, Options{MaxBytes: 1})
		e, err := c.Get(testID(1))
		must(t, err)
		wantContent(t, e, "there")
		put(t, c, testID(1), "there") // no need to make it
		for _, id := range []ID{testID(2), {"other", testID(1).Key}} {
			_, err = c.Put(context.Background(), id, "", fill("new"))
			wantError(t, err, "read-only file system", "set SEALIFT_CACHEDIR")
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("Put: %v", err)
			}
		}
		if _, err := c.Get(testID(3)); !errors.Is(err, os.ErrNotExist) || !errors.Is(err, unix.EROFS) {
			t.Errorf("a damaged entry that must stay: %v", err)
		}
		if _, err := Open(dir+"/new", Options{}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("Open: %v", err)
		}
	})
}
