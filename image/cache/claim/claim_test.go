package claim

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open makes a directory and opens it.
func open(t *testing.T) (dir string, d *os.File) {
	t.Helper()
	dir = t.TempDir()
	d, err := os.Open(dir)
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	return dir, d
}

// list returns what is in a directory.
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

const elsewhere = "abc node7 11111111-2222-3333-4444-555555555555 pid:[4026531836] 77 12345\n"

// leaseOf puts a lease in place that was touched some time ago.
func leaseOf(t *testing.T, dir, text string, age time.Duration) (path string) {
	t.Helper()
	path = dir + "/one" + leaseSuffix
	must(t, os.WriteFile(path, []byte(text), 0o600))
	at := time.Now().Add(-age)
	must(t, os.Chtimes(path, at, at))
	return path
}

// Who may have a lease that is there.
func TestLeaseThatIsThere(t *testing.T) {
	dir, d := open(t)
	me := self()
	mine := func(p process) string {
		return fmt.Sprintf("abc %s %s %s %d %s\n", p.host, p.boot, p.space, p.pid, p.start)
	}
	earlier, other := me, me
	earlier.start = "1"
	other.space = "pid:[1]"
	other.start = "1"
	for _, x := range []struct {
		name, text string
		age        time.Duration
		want       bool
	}{
		{"another host's", elsewhere, 0, false},
		{"another host's that has lapsed", elsewhere, time.Minute, true},
		{"one of a clock that was set back", elsewhere, -time.Minute, true},
		{"the caller's own", mine(me), 0, false},
		{"one of an earlier process with this number", mine(earlier), 0, true},
		{"one of a process of another namespace", mine(other), 0, false},
		{"one that is not written yet", "", 0, false},
		{"one that was never written", "", time.Minute, true},
		{"one with a path for a name", "../../x a b c 1 2\n", time.Minute, true},
	} {
		path := leaseOf(t, dir, x.text, x.age)
		l, busy := tryLease(d, "one", Usual())
		if (l != nil) != x.want || busy == x.want {
			t.Errorf("%s: busy %v, lease %v", x.name, busy, l)
		}
		l.release()
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) != x.want {
			t.Errorf("%s: afterwards %v", x.name, err)
		}
		_ = os.Remove(path) // may be gone
	}
	if got := list(t, dir); got != "" {
		t.Errorf("left over: %q", got)
	}
}

// Of many that take over one lease, one has it, each time.
func TestTakeOverOnce(t *testing.T) {
	dir, d := open(t)
	for range 50 {
		leaseOf(t, dir, elsewhere, time.Minute)
		var all sync.WaitGroup
		got := make(chan *lease, 16)
		for range cap(got) {
			all.Go(func() {
				l, busy := tryLease(d, "one", Usual())
				if (l == nil) != busy {
					t.Errorf("lease %v, busy %v", l, busy)
				}
				got <- l
			})
		}
		all.Wait()
		have := 0
		for range cap(got) {
			if l := <-got; l != nil {
				have++
				l.release()
			}
		}
		if have != 1 {
			t.Errorf("%d have the lease", have)
		}
	}
	if got := list(t, dir); got != "" {
		t.Errorf("left over: %q", got)
	}
}

// A lease that is held is touched; one that was lost is left alone.
func TestLeaseIsTouched(t *testing.T) {
	dir, d := open(t)
	l, _ := tryLease(d, "one", Pace{time.Millisecond, time.Hour})
	path := dir + "/one" + leaseSuffix
	must(t, os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)))
	for old := true; old; time.Sleep(time.Millisecond) {
		st, err := os.Stat(path)
		must(t, err)
		old = st.ModTime().Unix() == 1
	}
	must(t, os.Remove(path))
	must(t, os.WriteFile(path, []byte(elsewhere), 0o600))
	<-l.ended
	l.release()
	if b, err := os.ReadFile(path); string(b) != elsewhere {
		t.Errorf("the lease of another is %q (%v)", b, err)
	}
}

// A guard that was left behind lapses like a lease, and both are swept.
func TestLeaseIsSwept(t *testing.T) {
	dir, d := open(t)
	sweep := func() {
		for _, name := range strings.Fields(list(t, dir)) {
			New(Usual()).Sweep(d, name, func(key string) bool { return key == "one" })
		}
	}
	path := leaseOf(t, dir, elsewhere, time.Minute)
	guard := path + "-abc"
	must(t, os.WriteFile(guard, nil, 0o600))
	if l, busy := tryLease(d, "one", Usual()); l != nil || !busy {
		t.Errorf("beside a guard: %v, %v", l, busy)
	}
	sweep()
	if got := list(t, dir); !strings.Contains(got, "-abc") {
		t.Errorf("a guard in use was removed: %q", got)
	}
	must(t, os.Chtimes(guard, time.Unix(1, 0), time.Unix(1, 0)))
	sweep()
	sweep() // the lease, once its guard is gone
	if got := list(t, dir); got != "" {
		t.Errorf("left over: %q", got)
	}
	held, _ := tryLease(d, "one", Usual())
	sweep()
	if !held.named() {
		t.Error("a lease in use was removed")
	}
	held.release()
}

// A lock that has lost its name, or that is something else, does not lock.
func TestLock(t *testing.T) {
	dir, d := open(t)
	const key = "two"
	first, _, _ := tryLock(d, key)
	if l, busy, _ := tryLock(d, key); l != nil || !busy {
		t.Error("two have a lock")
	}
	must(t, os.Remove(dir+"/"+key+lockSuffix))
	if first.named() {
		t.Error("a lock without a file has its name")
	}
	second, busy, _ := tryLock(d, key)
	if second == nil || busy || first.named() || !second.named() {
		t.Error("a new lock file cannot be locked")
	}
	second.release()
	first.release() // removes nothing

	held, _, _ := tryLock(d, key)
	fd, err := Openat(d, key+lockSuffix, unix.O_RDWR, 0)
	must(t, err)
	held.release() // after the other has opened it
	if l, busy, _ := (&lock{d, fd, key + lockSuffix}).take(); l != nil || !busy {
		t.Error("a removed lock file locks")
	}

	must(t, os.Symlink(dir+"/victim", dir+"/"+key+lockSuffix))
	release, busy := New(Usual()).Take(d, key)
	if busy {
		t.Error("a link is a lock of someone")
	}
	release()
	if _, err := os.Lstat(dir + "/victim"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a lock file was made through a link: %v", err)
	}
}

// Whoever has a key keeps it from all others, with locks and without.
func TestTake(t *testing.T) {
	for _, locks := range []bool{true, false} {
		dir, d := open(t)
		one, two := New(Usual()), New(Usual())
		if !locks {
			one.WithoutLocks()
			two.WithoutLocks()
		}
		release, busy := one.Take(d, "one")
		if busy {
			t.Error("busy from the start")
		}
		for _, c := range []*Claims{one, two} {
			other, busy := c.Take(d, "one")
			if other(); !busy {
				t.Error("two have it")
			}
		}
		other, busy := two.Take(d, "two")
		if other(); busy {
			t.Error("another key is busy")
		}
		release()
		again, busy := two.Take(d, "one")
		if again(); busy || list(t, dir) != "" {
			t.Errorf("busy %v afterwards, left over: %q", busy, list(t, dir))
		}
	}
}

// TestDead: only what is known to be dead is.
func TestDead(t *testing.T) {
	me := self()
	if me.start == "" || me.boot == "" || me.space == "" {
		t.Fatalf("/proc does not tell of %+v", me)
	}
	cmd := exec.Command("sleep", "1000")
	must(t, cmd.Start())
	child := me
	child.pid = cmd.Process.Pid
	start, alive, err := startOf(child.pid)
	must(t, err)
	child.start = start
	if !alive || child.dead(me) {
		t.Error("a process that runs is dead")
	}
	must(t, cmd.Process.Kill())
	for !child.dead(me) { // a zombie at first
		time.Sleep(time.Millisecond)
	}
	_ = cmd.Wait() // it was killed
	if !child.dead(me) {
		t.Error("a process that is gone is not dead")
	}
	unknown := child
	unknown.boot = ""
	if unknown.dead(me) || child.dead(process{}) {
		t.Error("one that nobody knows of is dead")
	}
}
