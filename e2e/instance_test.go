package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// manyInstances is how many run at once on one node in TestManyInstances, and
// startsAtOnce how many are started and stopped at a time.
const (
	manyInstances = 384
	startsAtOnce  = 16
)

// maxAnonymous bounds the memory in KiB that an instance has for itself: of its
// supervisor, which serves the image, and of the starter. The rest is the programs, of
// which the kernel has one copy for all.
const maxAnonymous = 16 << 10

// instances runs the instance commands of a private runtime directory.
type instances struct {
	sealift, image, dir string
	env                 []string
}

func newInstances(t *testing.T) *instances {
	t.Helper()
	sealift, image := busyboxImage(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return &instances{sealift, image, dir, append(os.Environ(), "XDG_RUNTIME_DIR="+dir, "SLURM_JOB_ID=77")}
}

func (x *instances) command(args ...string) *exec.Cmd {
	cmd := exec.Command(x.sealift, args...)
	cmd.Dir, cmd.Env = "/", x.env
	return cmd
}

func (x *instances) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := x.command(args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

// listed is what instance list --json has of an instance.
type listed struct {
	Instance string
	PID      int
	Status   string
	Health   string
	Restarts int
	Exit     int
}

func (x *instances) list(t *testing.T) []listed {
	t.Helper()
	out, err := x.command("instance", "list", "--json", "--all").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Instances []listed }
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return all.Instances
}

// supervisor is the parent of the container's first process.
func (l listed) supervisor(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.PID))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	pid, err := strconv.Atoi(f[1])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// running says whether a process has something of the stage on its command line.
func (x *instances) running(t *testing.T) bool {
	return running(t, filepath.Dir(filepath.Dir(x.sealift)))
}

// empty waits until nothing of the instances is left: no process, no file.
func (x *instances) empty(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); x.running(t); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("processes are left")
		}
	}
	var left []string
	err := filepath.WalkDir(filepath.Join(x.dir, "sealift/instances"), func(path string, _ os.DirEntry, err error) error {
		left = append(left, path)
		return err
	})
	if err != nil || len(left) > 1 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// TestManyInstances has as many instances at once on a node as there are processors on
// the largest ones.
func TestManyInstances(t *testing.T) {
	asUser(t, "^TestManyInstances$")
	if os.Geteuid() == 0 {
		return // once is enough
	}
	x := newInstances(t)
	mounts := leftovers(t)
	began := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range startsAtOnce {
		wg.Go(func() {
			for n := next.Add(1); n <= manyInstances; n = next.Add(1) {
				if out, err := x.command("-q", "instance", "run", "--restart", "always", x.image, fmt.Sprint("many-", n), "sleep", "1000").CombinedOutput(); err != nil {
					t.Errorf("instance %d: %v: %s", n, err, out)
				}
			}
		})
	}
	wg.Wait()
	started := time.Since(began)
	all := x.list(t)
	if len(all) != manyInstances {
		t.Fatalf("%d instances", len(all))
	}
	var rss, own, most int
	for _, l := range all {
		if l.Status != "running" {
			t.Errorf("%s is %s", l.Instance, l.Status)
		}
		one := 0
		for _, pid := range []int{l.PID, l.supervisor(t)} {
			rss += memory(t, pid, "VmRSS")
			one += memory(t, pid, "RssAnon")
		}
		own, most = own+one, max(most, one)
	}
	if most > maxAnonymous {
		t.Errorf("an instance has %d KiB for itself", most)
	}
	if out := x.run(t, "exec", "instance://many-200", "sh", "-c", "echo $SEALIFT_INSTANCE"); out != "many-200\n" {
		t.Errorf("joined: %q", out)
	}
	began = time.Now()
	x.run(t, "-q", "instance", "stop", "--all")
	t.Logf("%d instances: started in %v, stopped in %v; each has %d KiB, of which %d KiB are its own", manyInstances,
		started.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), rss/manyInstances, own/manyInstances)
	x.empty(t)
	if now := leftovers(t); now != mounts {
		t.Errorf("mounts are left: %s", now)
	}
}

// memory returns a line of /proc/PID/status, in KiB.
func memory(t *testing.T, pid int, key string) (kib int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			fmt.Sscan(rest, &kib)
		}
	}
	return kib
}

// TestInstanceKilledT114 kills each process of an instance: all others end with it, and
// what is left is removed by the next command.
func TestInstanceKilledT114(t *testing.T) {
	asUser(t, "^TestInstanceKilledT114$")
	x := newInstances(t)
	for _, victim := range []string{"supervisor", "init", "payload"} {
		x.run(t, "-q", "instance", "run", x.image, "victim", "sleep", "1000")
		l := x.list(t)[0]
		pid := map[string]func() int{
			"supervisor": func() int { return l.supervisor(t) },
			"init":       func() int { return l.PID },
			"payload":    func() int { return childOf(l.PID) },
		}[victim]()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatalf("%s: process %d: %v", victim, pid, err)
		}
		for deadline := time.Now().Add(2 * time.Second); x.running(t); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: others go on", victim)
			}
		}
		switch all := x.list(t); {
		case victim == "supervisor" && len(all) > 0:
			t.Errorf("%s: %+v", victim, all)
		case victim != "supervisor" && (len(all) != 1 || all[0].Exit != 137 || all[0].Status != "ended"):
			t.Errorf("%s: %+v", victim, all)
		}
		if out, err := x.command("exec", "instance://victim", "true").CombinedOutput(); err == nil || !strings.Contains(string(out), "no instance found with name victim") {
			t.Errorf("%s: %v, %s", victim, err, out)
		}
	}
	x.run(t, "-q", "instance", "stop", "victim")
	x.empty(t)
}

// TestInstanceStartInterrupted ends the command that starts an instance, and the instance
// itself, at times of chance.
func TestInstanceStartInterrupted(t *testing.T) {
	asUser(t, "^TestInstanceStartInterrupted$")
	x := newInstances(t)
	for n := range 40 {
		cmd := x.command("-q", "instance", "run", x.image, "brief", "sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(n) * 3 * time.Millisecond)
		if n%2 == 0 {
			cmd.Process.Kill()
			cmd.Wait()
		}
		x.command("-q", "instance", "stop", "--all").Run() // there may be none any more, or none yet
		if n%2 == 1 {
			if err := cmd.Wait(); err == nil {
				x.command("-q", "instance", "stop", "--all").Run()
			}
		}
	}
	x.empty(t)
}

// TestInstanceJobStep has an instance end with its job step, and another one not.
func TestInstanceJobStep(t *testing.T) {
	asUser(t, "^TestInstanceJobStep$")
	x := newInstances(t)
	daemon := filepath.Join(t.TempDir(), "slurmstepd")
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(shell)
	if err != nil || os.WriteFile(daemon, data, 0o755) != nil {
		t.Fatal("copy the shell", err)
	}
	cmd := exec.Command(daemon, "-c", `"$1" -q instance run "$2" follows sleep 1000; "$1" -q instance run --detach "$2" goes-on sleep 1000; "$1" instance list; exit 0`, "sh", x.sealift, x.image)
	cmd.Dir, cmd.Env = "/", x.env
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "\n") != 3 {
		t.Fatalf("%v\n%s", err, out)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		all := x.list(t)
		if len(all) == 1 && all[0].Instance == "goes-on" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", all)
		}
	}
	x.run(t, "-q", "instance", "stop", "--all")
	x.empty(t)
}

// TestInstanceTerminal starts an instance on a terminal, has an interactive shell in it,
// and loses the terminal: the instance goes on.
func TestInstanceTerminal(t *testing.T) {
	asUser(t, "^TestInstanceTerminal$")
	x := newInstances(t)
	term := startTerminal(t, "env", "XDG_RUNTIME_DIR="+x.dir, "SLURM_JOB_ID=77", "sh", "-c",
		`"$1" instance run "$2" tty sh -c 'trap "" INT; sleep 1000 & wait' && exec "$1" shell instance://tty`, "sh", x.sealift, x.image)
	term.expect(t, "Sealift> ", 1)
	term.send(t, "stty size; test -t 0 && echo is-a-$((1+1))ty\n")
	term.expect(t, "33 77", 1)
	term.expect(t, "is-a-2ty", 1)
	term.send(t, "sleep 100\n")
	time.Sleep(200 * time.Millisecond)
	term.send(t, "\x03")
	term.send(t, "echo $((40+2)) in $SEALIFT_INSTANCE\n")
	term.expect(t, "42 in tty", 1)
	if err := term.tty.Close(); err != nil {
		t.Fatal(err)
	}
	if err := term.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	term.Wait()
	time.Sleep(200 * time.Millisecond)
	if all := x.list(t); len(all) != 1 || all[0].Status != "running" {
		t.Fatalf("%+v", all)
	}
	x.run(t, "-q", "instance", "stop", "--all")
	x.empty(t)
}

// TestInstanceOfUser has root look at the instances of a user, and stop them. What the
// user writes into their states has root do nothing to other processes.
func TestInstanceOfUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("root alone may do that")
	}
	x := newInstances(t)
	base := fmt.Sprintf("/tmp/sealift-%d", testUID)
	x.env = append(os.Environ(), "XDG_RUNTIME_DIR=", "HOME="+testHome, "SLURM_JOB_ID=e2e-of-user")
	of := func(args ...string) (string, error) {
		out, err := x.command(append([]string{"instance"}, append(args, "--user", "sealift-test", "of-user")...)...).CombinedOutput()
		return string(out), err
	}
	start := func() {
		t.Helper()
		cmd := x.command("-q", "instance", "run", x.image, "of-user", "sleep", "1000")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: testUID, Gid: testUID}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	start()
	if out, err := of("list"); err != nil || !strings.Contains(out, "\nof-user ") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := of("stats", "--no-stream"); err != nil || !strings.Contains(out, "\nof-user ") {
		t.Errorf("%v: %s", err, out)
	}
	if out := x.run(t, "instance", "list"); strings.Contains(out, "of-user") {
		t.Errorf("among root's own: %s", out)
	}
	if out, err := of("stop"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	start()
	victim := exec.Command("sleep", "1000")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { victim.Process.Kill(); victim.Wait() }()
	state := filepath.Join(base, "instances/e2e-of-user/of-user/state")
	good, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", victim.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(text))
	_, rest, _ := strings.Cut(string(good), `"init"`)
	forged := fmt.Sprintf(`{"name":"of-user","status":"running","host":%s,"supervisor":{"pid":%d,"start":%s},"init"%s`,
		field(t, good, "host"), victim.Process.Pid, f[21], rest)
	if err := os.WriteFile(state, []byte(forged), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := of("stop", "--force"); err == nil || !strings.Contains(out, "warning: instance of-user") {
		t.Errorf("%v: %s", err, out)
	}
	if err := victim.Process.Signal(syscall.Signal(0)); err != nil {
		t.Error("a process of root was ended")
	}
	if err := os.WriteFile(state, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := of("stop"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(base, "instances/e2e-of-user")); err == nil {
		t.Error("files are left")
	}
}

// field returns a member of a JSON object.
func field(t *testing.T, text []byte, name string) string {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return string(all[name])
}
