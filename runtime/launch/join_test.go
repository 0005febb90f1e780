package launch

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/runtime/join"
	"github.com/sealift/sealift/starter/enter"
	"github.com/sealift/sealift/starter/plan"
)

// background is a container that runs while the test does.
type background struct {
	pid   int
	ended chan Status
	stop  context.CancelFunc
}

// inBackground starts p and waits until its payload runs.
func inBackground(t *testing.T, p *plan.Plan, j Job) *background {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	b := &background{ended: make(chan Status, 1), stop: cancel}
	pids, failed := make(chan int, 1), make(chan error, 1)
	j.Starter = starterPath()
	j.Started = func(pid int) error { pids <- pid; return nil }
	go func() {
		st, err := Run(ctx, p, j)
		failed <- err
		b.ended <- st
	}()
	t.Cleanup(func() { cancel(); <-b.ended })
	select {
	case b.pid = <-pids:
	case err := <-failed:
		t.Fatal(err)
	}
	return b
}

// wait returns the status of a container that ends, and leaves it for the cleanup.
func (b *background) wait(t *testing.T) int {
	t.Helper()
	select {
	case st := <-b.ended:
		b.ended <- st
		return st.Code
	case <-time.After(10 * time.Second):
		t.Fatal("the container goes on")
		return 0
	}
}

// namespaces opens those of b.
func (b *background) namespaces(t *testing.T) *join.Namespaces {
	t.Helper()
	fd, err := unix.PidfdOpen(b.pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	n, err := join.Open(b.pid, func() error { return unix.PidfdSendSignal(fd, 0, nil, 0) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// joiner is the plan of a command in a running container.
func joiner(args []string) *plan.Plan {
	return &plan.Plan{
		Ops:     []plan.Op{plan.Do(plan.Dropcaps, "")},
		Process: plan.Process{Args: args, Env: []string{"PATH=/bin", "A=b"}, Dirs: []string{"/data"}, Umask: 0o027},
	}
}

// idle returns a container that runs nothing.
func idle(t *testing.T) *plan.Plan {
	p := container(t, nil)
	p.Process.Stay = true
	p.Clone.UTS, p.Clone.IPC = true, true
	return p
}

const kinds = "user mnt pid ipc uts net"

// TestJoin runs a command in a container: it is in the container's namespaces, with
// what its own plan says, and its status and signals are this process's matter.
func TestJoin(t *testing.T) {
	for name, p := range map[string]*plan.Plan{"caller": idle(t), "root-mapped": rootMapped(idle(t))} {
		t.Run(name, func(t *testing.T) {
			b := inBackground(t, p, Job{})
			n := b.namespaces(t)
			if user := n.List[0].Kind == enter.User; user != p.Clone.User {
				t.Errorf("user namespace: %t", user)
			}
			r := startJob(t, joiner(sh("for k in "+kinds+"; do readlink /proc/self/ns/$k; done; pwd; umask; echo $A; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status | tr -d '0\\n'; cat /proc/1/comm")), Job{Enter: n.List})
			want := ""
			for k := range strings.FieldsSeq(kinds) {
				link, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(b.pid), "ns", k))
				if err != nil {
					t.Fatal(err)
				}
				want += link + "\n"
			}
			r.want(t, want+"/data\n0027\nb\nCapEff:\tCapBnd:\tNoNewPrivs:\t1sealift-starter\n")
			if r := startJob(t, joiner(sh("exit 3")), Job{Enter: n.List}); r.code != 3 || r.err != nil {
				t.Errorf("status %d, %v", r.code, r.err)
			}
			if r := startJob(t, joiner(sh("kill -TERM $$")), Job{Enter: n.List}); r.code != 143 || r.err != nil {
				t.Errorf("status %d, %v", r.code, r.err)
			}
			startJob(t, joiner([]string{"no-such"}), Job{Enter: n.List}).fails(t, 127, "no-such")
			var st unix.WaitStatus
			if pid, err := unix.Wait4(-1, &st, unix.WNOHANG|unix.WNOTHREAD, nil); err == nil && pid > 0 {
				t.Errorf("process %d was left", pid)
			}
		})
	}
}

// TestJoinHidden has a container look at a process that is about to join it: of the
// same user, with capabilities that the container does not have.
func TestJoinHidden(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := container(t, sh("while :; do for d in /proc/[0-9]*; do n=${d#/proc/}; [ $n = 1 ] || [ $n = $$ ] || [ ! -d $d ] || "+
		"{ read c < $d/comm; [ $c = sealift-starter ] && { readlink $d/fd/3 || readlink $d/exe || ls $d/root/ || cat $d/environ || echo refused; exec sleep 60; }; }; done; done 2>/dev/null"))
	b := inBackground(t, p, Job{Stdout: w})
	w.Close()
	n := b.namespaces(t)
	child, err := Start(plan.Clone{}, Job{Starter: starterPath(), Enter: n.List})
	if err != nil {
		t.Fatal(err)
	}
	defer child.Close()
	line := make([]byte, 4096)
	count, err := r.Read(line)
	if got := string(line[:max(count, 0)]); got != "refused\n" {
		t.Errorf("the container sees %q, %v", got, err)
	}
}

// TestJoinEnds has a container end while a command runs in it.
func TestJoinEnds(t *testing.T) {
	b := inBackground(t, idle(t), Job{})
	n := b.namespaces(t)
	done := make(chan result, 1)
	started := make(chan int, 1)
	go func() {
		st, err := Run(t.Context(), joiner([]string{"sleep", "60"}), Job{Starter: starterPath(), Enter: n.List, Started: func(pid int) error { started <- pid; return nil }})
		done <- result{code: st.Code, err: err}
	}()
	<-started
	b.stop()
	select {
	case r := <-done:
		if r.code != 137 || r.err != nil {
			t.Errorf("%+v", r)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the command goes on")
	}
	_, err := Run(t.Context(), joiner([]string{"true"}), Job{Starter: starterPath(), Enter: n.List})
	if err == nil || !strings.Contains(err.Error(), "container") {
		t.Errorf("entered a container that has ended: %v", err)
	}
}

// TestStay has containers outlive their payloads.
func TestStay(t *testing.T) {
	for _, c := range []struct {
		name, script string
		signal       syscall.Signal
		want         int
	}{
		{"nothing", "", syscall.SIGTERM, 143},
		{"ended", "exit 0", syscall.SIGINT, 130},
		{"failed", "exit 7", 0, 7},
		{"failed later", "sleep 0.3 & exit 7", 0, 7},
		{"trapped", "trap 'exit 5' TERM; while :; do sleep 0.05; done", syscall.SIGTERM, 5},
		{"daemon", "setsid sleep 60 & exit 0", syscall.SIGTERM, 143},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := idle(t)
			if c.script != "" {
				p.Process.Args = sh(c.script)
			}
			signals := make(chan os.Signal, 1)
			b := inBackground(t, p, Job{Signals: signals})
			if c.signal != 0 {
				time.Sleep(200 * time.Millisecond)
				select {
				case st := <-b.ended:
					t.Fatalf("ended by itself: %d", st.Code)
				default:
				}
				signals <- c.signal
			}
			if got := b.wait(t); got != c.want {
				t.Errorf("status %d; want %d", got, c.want)
			}
		})
	}
}

// TestJoinOfNobody opens the namespaces of this process, which are all its own, and of
// none.
func TestJoinOfNobody(t *testing.T) {
	gone := false
	alive := func() error {
		if gone {
			return unix.ESRCH
		}
		return nil
	}
	n, err := join.Open(os.Getpid(), alive)
	if err != nil || len(n.List) > 0 {
		t.Fatalf("%v, %v", n, err)
	}
	n.Close()
	if _, err := join.Open(1<<22+1, alive); err == nil || !strings.Contains(err.Error(), "4194305") {
		t.Errorf("%v", err)
	}
	gone = true
	if _, err := join.Open(os.Getpid(), alive); err == nil {
		t.Error("a process that has ended meanwhile")
	}
}
