package instance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// testStore is the store of a private runtime directory, with the directory of its job.
func testStore(t *testing.T) (s *Store, dir string) {
	t.Helper()
	run := t.TempDir()
	if err := os.Chmod(run, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := New(Inputs{UID: uint32(os.Getuid()), RuntimeDir: run, Job: "5"})
	if err != nil {
		t.Fatal(err)
	}
	s.bases = s.bases[:1] // those of who runs the tests are no matter of theirs
	return s, filepath.Join(run, "sealift/instances/5")
}

// claimed takes a name for this process and records it.
func claimed(t *testing.T, s *Store, name string) (*Claim, *State) {
	t.Helper()
	c, err := s.Claim(name)
	if err != nil {
		t.Fatal(err)
	}
	self, err := Find(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	st := &State{Name: name, Image: "/i.sif", Status: Running, Host: s.host, Supervisor: self, Since: time.Now()}
	if err := c.Write(st); err != nil {
		t.Fatal(err)
	}
	return c, st
}

// listed returns the names that a pattern matches.
func listed(t *testing.T, s *Store, pattern string, ended bool) (names []string, problems []error) {
	t.Helper()
	list, problems, err := s.List(pattern, ended)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		names = append(names, i.Name)
		i.Close()
	}
	return names, problems
}

func TestClaim(t *testing.T) {
	s, dir := testStore(t)
	if names, _ := listed(t, s, "*", true); names != nil {
		t.Errorf("%q", names)
	}
	c, st := claimed(t, s, "a")
	if _, err := s.Claim("a"); err == nil || err.Error() != "instance a already exists" {
		t.Errorf("claimed twice: %v", err)
	}
	b, _ := claimed(t, s, "b")
	defer b.Close()
	if names, problems := listed(t, s, "*", false); fmt.Sprint(names) != "[a b]" || problems != nil {
		t.Errorf("%q, %v", names, problems)
	}
	i, err := s.Find("a", false)
	if err != nil || i.Image != "/i.sif" || i.Job != "5" || !i.Alive() {
		t.Fatalf("%+v, %v", i, err)
	}
	defer i.Close()
	if _, err := i.Enter(); err == nil {
		t.Error("entered what has no container")
	}
	st.Init = st.Supervisor // not a child of it
	if err := c.Write(st); err != nil {
		t.Fatal(err)
	}
	i.Init = st.Init
	if _, err := i.Enter(); err == nil || !strings.Contains(err.Error(), "not of its container") {
		t.Errorf("entered: %v", err)
	}
	if err := c.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "a")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
	for _, name := range []string{"", ".", "..", "a/b", "a b", "ä", strings.Repeat("x", 201), "a\n"} {
		if _, err := s.Claim(name); err == nil {
			t.Errorf("%q is a name", name)
		}
		if _, err := s.Find(name, false); err == nil {
			t.Errorf("%q is found", name)
		}
	}
	if _, err := s.Find("zz", false); err == nil || err.Error() != "no instance found with name zz" {
		t.Error(err)
	}
	if _, _, err := s.List("[", false); err == nil {
		t.Error("a broken pattern")
	}
}

// TestClaimRace has many take and remove one name: no two have it at once, and nothing is
// left.
func TestClaimRace(t *testing.T) {
	s, dir := testStore(t)
	var mu sync.Mutex
	got := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				c, err := s.Claim("one")
				if err != nil {
					if !strings.Contains(err.Error(), "already exists") {
						t.Error(err)
					}
					listed(t, s, "*", false) // which removes what nobody has
					continue
				}
				if !mu.TryLock() {
					t.Error("two have it")
				} else {
					got++
					mu.Unlock()
				}
				if err := c.Remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got == 0 {
		t.Error("nobody ever had it")
	}
	listed(t, s, "*", false)
	if entries, err := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// TestStale: what nobody holds is removed, but for what tells why it has failed.
func TestStale(t *testing.T) {
	s, dir := testStore(t)
	c, _ := claimed(t, s, "killed")
	c.Close()
	c, st := claimed(t, s, "failed")
	st.Status, st.Exit = Ended, 3
	if err := c.Write(st); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	names, problems := listed(t, s, "*", true)
	if fmt.Sprint(names) != "[failed]" || problems != nil {
		t.Errorf("%q, %v", names, problems)
	}
	if names, _ := listed(t, s, "*", false); names != nil {
		t.Errorf("%q run", names)
	}
	entries, err := os.ReadDir(dir)
	if len(entries) != 1 || err != nil {
		t.Errorf("left: %v, %v", entries, err)
	}
	again, _ := claimed(t, s, "failed") // its name is free
	again.Close()
	if err := s.Forget("f*"); err != nil {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("left: %v", entries)
	}
}

// TestForged: states that somebody has changed are one problem each, and no instance.
func TestForged(t *testing.T) {
	s, dir := testStore(t)
	c, st := claimed(t, s, "x")
	defer c.Close()
	file := filepath.Join(dir, "x/state")
	sleep := exec.Command("sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { sleep.Process.Kill(); sleep.Wait() }()
	other, err := Find(sleep.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	write := func(change func(*State)) func() error {
		return func() error {
			forged := *st
			change(&forged)
			return c.Write(&forged)
		}
	}
	for name, forge := range map[string]func() error{
		"another process":     write(func(s *State) { s.Supervisor = other }),
		"another start":       write(func(s *State) { s.Supervisor.Start++ }),
		"init as supervisor":  write(func(s *State) { s.Supervisor = Process{1, 1} }),
		"process group":       write(func(s *State) { s.Supervisor.PID = -1 }),
		"number too high":     write(func(s *State) { s.Supervisor.PID = 1 << 40 }),
		"first process":       write(func(s *State) { s.Init = Process{-5, 3} }),
		"name":                write(func(s *State) { s.Name = "y" }),
		"no JSON":             func() error { return os.WriteFile(file, []byte("{"), 0o600) },
		"huge":                func() error { return os.WriteFile(file, bytes.Repeat([]byte{' '}, maxState+1), 0o600) },
		"open to others":      func() error { return os.Chmod(file, 0o640) },
		"link":                func() error { return errors.Join(os.Remove(file), os.Symlink("/etc/passwd", file)) },
		"pipe":                func() error { return errors.Join(os.Remove(file), unix.Mkfifo(file, 0o600)) },
		"directory":           func() error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o700)) },
		"lock open to others": func() error { return os.Chmod(filepath.Join(dir, "x/lock"), 0o666) },
		"directory to others": func() error { return os.Chmod(filepath.Join(dir, "x"), 0o755) },
	} {
		if err := forge(); err != nil {
			t.Fatal(err)
		}
		names, problems := listed(t, s, "*", true)
		if names != nil || len(problems) != 1 || strings.Contains(problems[0].Error(), "\n") {
			t.Errorf("%s: %q, %q", name, names, problems)
		}
		if _, err := s.Find("x", true); err == nil {
			t.Errorf("%s: found", name)
		}
		err := errors.Join(os.Chmod(filepath.Join(dir, "x"), 0o700), os.Chmod(filepath.Join(dir, "x/lock"), 0o600), os.RemoveAll(file), c.Write(st))
		if err != nil {
			t.Fatal(err)
		}
	}
	if names, problems := listed(t, s, "*", true); len(names) != 1 {
		t.Errorf("%q, %v", names, problems)
	}
	// As a container sees it that shares the directory, and has other numbers.
	st.Host += " elsewhere"
	if err := c.Write(st); err != nil {
		t.Fatal(err)
	}
	if names, problems := listed(t, s, "*", true); names != nil || problems != nil {
		t.Errorf("%q, %v", names, problems)
	}
}

// TestPlaces: directories of others, or open to them, are not used.
func TestPlaces(t *testing.T) {
	dir := t.TempDir()
	uid := uint32(os.Getuid())
	for _, c := range []struct {
		in   Inputs
		want string
	}{
		{Inputs{UID: uid, RuntimeDir: dir}, "/tmp"},                               // its mode is 0755
		{Inputs{UID: uid, RuntimeDir: filepath.Join(dir, "no")}, "/tmp"},          //
		{Inputs{UID: uid, RuntimeDir: "relative"}, "/tmp"},                        //
		{Inputs{UID: uid + 1, RuntimeDir: filepath.Join(dir, "private")}, "/tmp"}, // another user's
		{Inputs{UID: uid, RuntimeDir: filepath.Join(dir, "private")}, filepath.Join(dir, "private")},
		{Inputs{UID: uid, RuntimeDir: filepath.Join(dir, "link")}, "/tmp"},
	} {
		err := errors.Join(os.RemoveAll(filepath.Join(dir, "private")), os.RemoveAll(filepath.Join(dir, "link")), os.Chmod(dir, 0o755),
			os.Mkdir(filepath.Join(dir, "private"), 0o700), os.Symlink("private", filepath.Join(dir, "link")))
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(c.in)
		if err != nil || s.bases[0].Parent != c.want {
			t.Errorf("%+v: %+v, %v", c.in, s, err)
		}
	}
	for _, job := range []string{"..", "a/b", "/etc", "."} {
		if _, err := New(Inputs{UID: uid, Job: job}); err == nil {
			t.Errorf("job %q", job)
		}
	}
	s, _ := testStore(t)
	base := filepath.Join(s.bases[0].Parent, "sealift")
	if err := os.Mkdir(base, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claim("a"); err == nil || !strings.Contains(err.Error(), "cannot be trusted") {
		t.Errorf("%v", err)
	}
	if err := errors.Join(os.Remove(base), os.Symlink(t.TempDir(), base)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claim("a"); err == nil || !strings.Contains(err.Error(), "cannot be trusted") {
		t.Errorf("%v", err)
	}
}

// TestStop signals a supervisor, kills it after a while, and nobody in its place.
func TestStop(t *testing.T) {
	s, _ := testStore(t)
	c, _ := claimed(t, s, "x")
	defer c.Close()
	start := func(script string) (*Instance, *exec.Cmd) {
		t.Helper()
		cmd := exec.Command("sh", "-c", script)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		out.Read(make([]byte, 1))
		i, err := s.Find("x", false)
		if err != nil {
			t.Fatal(err)
		}
		if i.Supervisor, err = Find(cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(i.Close)
		go cmd.Wait()
		return i, cmd
	}
	i, _ := start("echo; exec sleep 60")
	if killed, err := i.Stop(unix.SIGTERM, 5*time.Second); killed || err != nil {
		t.Errorf("%t, %v", killed, err)
	}
	if !c.Stopping() {
		t.Error("it would be started again")
	}
	i, _ = start("trap '' TERM; echo; while :; do sleep 0.1; done")
	if killed, err := i.Stop(unix.SIGTERM, 50*time.Millisecond); !killed || err != nil {
		t.Errorf("%t, %v", killed, err)
	}
	if killed, err := i.Stop(unix.SIGTERM, 0); killed || err != nil {
		t.Errorf("one that has ended: %t, %v", killed, err)
	}
	// The number is another process's now.
	i, cmd := start("echo; exec sleep 60")
	i.Supervisor.Start--
	if _, err := i.Stop(unix.SIGKILL, 0); err != nil {
		t.Error(err)
	}
	if h, err := Find(cmd.Process.Pid); err != nil || h.PID != cmd.Process.Pid {
		t.Error("another process was killed")
	}
	cmd.Process.Kill()
	if os.Getuid() == 0 {
		if _, err := (Process{PID: os.Getpid(), Start: 1}).Open(0); err == nil {
			t.Error("a wrong start time")
		}
		self, _ := Find(os.Getpid())
		if _, err := self.Open(4242); err == nil {
			t.Error("a process of another user")
		}
	}
}

func TestProcess(t *testing.T) {
	self, err := Find(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	h, err := self.Open(uint32(os.Getuid()))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Alive(); err != nil || h.Wait(0) {
		t.Errorf("%v", err)
	}
	if bounding, _, err := h.Rights(); err != nil || bounding == 0 {
		t.Errorf("%x, %v", bounding, err)
	}
	// As on kernels that have no descriptors of processes.
	old := &Handle{self, -1}
	if old.Alive() != nil || old.Wait(time.Millisecond) || old.Signal(0) != nil {
		t.Error("by its number")
	}
	gone := &Handle{Process{self.PID, self.Start - 1}, -1}
	if !gone.Wait(time.Hour) || gone.Alive() == nil || gone.Signal(unix.SIGKILL) != nil {
		t.Error("another process with its number")
	}
	for _, p := range []Process{{}, {0, 1}, {1, 1}, {-1, 5}, {maxPID + 1, 5}, {self.PID, 0}} {
		if _, err := p.Open(uint32(os.Getuid())); !errors.Is(err, errGone) {
			t.Errorf("%v: %v", p, err)
		}
	}
	parent, err := readStat(os.Getppid())
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := Ancestor(parent.comm); !ok || p.PID != os.Getppid() || p.Start != parent.start {
		t.Errorf("%v, %t", p, ok)
	}
	if _, ok := Ancestor("no such process"); ok {
		t.Error("found")
	}
}

func TestUsage(t *testing.T) {
	self, err := Find(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; {
	}
	u, err := Processes{Init: self, Limit: 7}.Usage()
	if err != nil || u.PIDs < 1 || u.Memory < 1<<20 || u.Limit != 7 || u.CPU < 20*time.Millisecond {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := (Processes{Init: Process{maxPID, 1}}).Usage(); err == nil {
		t.Error("of no process")
	}
}
