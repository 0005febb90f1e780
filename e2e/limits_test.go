package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

// limitControllers are those of version 1 that the tests of limits use.
var limitControllers = []string{"memory", "pids", "cpu", "cpuacct", "cpuset", "blkio"}

// ownGroups returns groups of version 1 in which this process may make others, which
// root makes for the test user; a shell that is to be limited puts itself there first.
func ownGroups(t *testing.T) (dirs []string) {
	t.Helper()
	root, err := stage()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for _, c := range limitControllers {
			if f[1] != c {
				continue
			}
			top := filepath.Join("/sys/fs/cgroup", c, f[2])
			if os.Geteuid() != 0 {
				// The caller of this process made it there, in the same group.
				dirs = append(dirs, filepath.Join(top, filepath.Base(root)+"-user"))
			} else if unix.Access(top, unix.W_OK) == nil {
				dirs = append(dirs, top)
			}
		}
	}
	if len(dirs) != len(limitControllers) {
		apart.Skip(t, "no control groups of version 1; e2e/vm tests version 2")
	}
	return dirs
}

// delegateGroups makes the test user's groups, as an administrator does.
func delegateGroups(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	root, err := stage()
	if err != nil {
		t.Fatal(err)
	}
	for _, top := range ownGroups(t) {
		dir := filepath.Join(top, filepath.Base(root)+"-user")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		})
		names, err := filepath.Glob(dir + "/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range append(names, dir) {
			if err := os.Chown(name, testUID, testUID); err != nil {
				t.Fatal(err)
			}
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if text, err := os.ReadFile(filepath.Join(top, file)); err == nil && filepath.Base(filepath.Dir(top+"/x")) == "cpuset" {
				if err := os.WriteFile(filepath.Join(dir, file), bytes.TrimSpace(text), 0); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// limited is how tests start containers in groups of their own.
type limited struct {
	sealift, image string
	groups         []string // of the test user
	dir            string
}

func newLimited(t *testing.T) *limited {
	t.Helper()
	l := &limited{dir: t.TempDir()}
	groups := ownGroups(t)
	if os.Geteuid() != 0 {
		l.groups = groups
	}
	l.sealift, l.image = busyboxImage(t)
	t.Cleanup(func() {
		for _, dir := range groups {
			left, err := filepath.Glob(dir + "/sealift-[0-9]*")
			if err != nil || os.Geteuid() != 0 && len(left) > 0 { // root's group is others', too
				t.Errorf("left: %q, %v", left, err)
			}
		}
	})
	return l
}

// command is sealift with these arguments, in the groups; IMAGE stands for the image.
func (l *limited) command(args ...string) *exec.Cmd {
	for i := range args {
		if args[i] == "IMAGE" {
			args[i] = l.image
		}
	}
	script := `for g in $GROUPS_OF_TEST; do echo $$ >$g/cgroup.procs || exit 99; done; exec "$@"`
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "sh", l.sealift}, args...)...)
	cmd.Dir, cmd.Env = l.dir, append(os.Environ(), "GROUPS_OF_TEST="+strings.Join(l.groups, " "), "TMPDIR="+l.dir)
	return cmd
}

func (l *limited) run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := l.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// statistics runs a container and returns what it has used.
func (l *limited) statistics(t *testing.T, want int, args ...string) (u map[string]any) {
	t.Helper()
	name := filepath.Join(l.dir, "stats.json")
	status, _, errs := l.run(t, append([]string{"exec", "--stats=json:" + name}, args...)...)
	text, err := os.ReadFile(name)
	if status != want || err != nil || json.Unmarshal(text, &u) != nil {
		t.Fatalf("status %d, %v: %s%s", status, err, text, errs)
	}
	return u
}

// TestLimits holds containers to limits of version 1 of control groups, as root and as a
// user whom a group was given.
func TestLimits(t *testing.T) {
	delegateGroups(t)
	asUser(t, "^TestLimits$")
	l := newLimited(t)
	for _, c := range []struct {
		name, args string
		status     int
		stdout     string // contained, or empty
		stderr     string
	}{
		{"memory hog T118", `exec --memory 64M IMAGE sh -c 'x=$(head -c 200m /dev/zero | tr "\0" x); echo survived'`, 137, "",
			"sealift: the container was killed: it used up its memory limit of 64 MiB (peak 64 MiB)"},
		{"files in memory", `exec --contain --memory 32M IMAGE dd if=/dev/zero of=/tmp/x bs=1M count=100`, 137, "", "its memory limit of 32 MiB (peak 32 MiB)"},
		{"files of an overlay", `exec --writable-tmpfs --memory 32M IMAGE dd if=/dev/zero of=/x bs=1M count=60`, 137, "", "its memory limit of 32 MiB (peak 32 MiB)"},
		{"a child", `exec --memory 32M IMAGE sh -c '(tail /dev/zero); echo status $?'`, 0, "status 137", "sealift: a process of the container was killed: it used up its memory limit"},
		{"enough memory", `exec --memory 64M --memory-swap 64M --memory-reservation 32M IMAGE echo fine`, 0, "fine", ""},
		{"hardly any", `exec --memory 128K IMAGE echo fine`, 137, "", "memory limit of 128 KiB"},
		{"processes", `exec --pids-limit 30 IMAGE sh -c 'for i in $(seq 40); do sleep 1 & done; wait'`, 2, "", "can't fork: Resource temporarily unavailable"},
		{"fork bomb T117", `exec --pids-limit 64 IMAGE timeout -s KILL 120 sh -c 'b() { b | b & }; (b) & i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exit 7'`, 7, "", "can't fork"},
		{"too few processes", `exec --pids-limit 9 IMAGE true`, 125, "", "a limit of 9 processes is too low"},
		{"processors", `exec --cpuset-cpus 0 --cpuset-mems 0 IMAGE grep Cpus_allowed_list /proc/self/status`, 0, "\t0\n", ""},
		{"weights", `exec --cpu-shares 512 --blkio-weight 100 --no-pid IMAGE echo fine`, 0, "fine", ""},
		{"no OOM killer", `exec --oom-kill-disable --memory 64M IMAGE echo fine`, 0, "fine", ""},
		{"status", `exec --pids-limit 64 IMAGE sh -c 'exit 41'`, 41, "", ""},
		{"left behind", `exec --no-pid --pids-limit 64 IMAGE sh -c 'sleep 77 & exit 5'`, 5, "", ""},
		{"run", `run --memory 16M IMAGE tail /dev/zero`, 137, "", "memory limit of 16 MiB"},
		{"statistics", `exec --stats IMAGE true`, 0, "", "sealift: peak memory "},

		{"a processor that there is not", `exec --cpuset-cpus 900 IMAGE true`, 125, "", "the set of processors cannot be set"},
		{"too many processors", `exec --cpus 900 IMAGE true`, 125, "", "900 processors are not between 0.01 and"},
		{"a file of a disk", `exec --blkio-weight-device /dev/null/x:100 IMAGE true`, 125, "", "not a directory"},
		{"no device", `exec --blkio-weight-device /etc/passwd:100 IMAGE true`, 125, "", "it is no device"},
		{"swap alone", `exec --memory-swap 64M IMAGE true`, 125, "", "needs a limit of memory"},
		{"no such file", `exec --apply-cgroups none IMAGE true`, 125, "", "open none: no such file"},
		{"forged", `exec --apply-cgroups forged.toml IMAGE true`, 125, "", "forged.toml:2:1: memory.limitt is not a setting"},
		{"both", `exec --apply-cgroups pids.toml --memory 1G IMAGE true`, 125, "", "--apply-cgroups and --memory exclude each other"},
		{"a file", `exec --apply-cgroups pids.toml IMAGE sh -c 'for i in $(seq 40); do sleep 1 & done; wait'`, 2, "", "can't fork"},
		{"version 2 only", `exec --apply-cgroups high.toml IMAGE true`, 125, "", "version 1 of control groups here, which knows none"},
		{"a form", `exec --stats=xml IMAGE true`, 125, "", "neither text nor json:FILE"},
		{"a place for statistics", `exec --stats=json:/none/x IMAGE touch /tmp/started-too-early`, 125, "", "/none"},
		{"dry run", `exec --dry-run --memory 64M IMAGE true`, 0, "cgroup write memory.limit_in_bytes 67108864\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, text := range map[string]string{
				"forged.toml": "[memory]\nlimitt = 5\n", "pids.toml": "[pids]\nlimit = 30\n", "high.toml": "[unified]\n\"memory.high\" = \"1M\"\n",
			} {
				if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			status, stdout, stderr := l.run(t, words(c.args)...)
			if status != c.status || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
				t.Errorf("status %d, %q, %q", status, stdout, stderr)
			}
			if strings.Contains(stderr, "warning:") || status == 125 && !strings.Contains(stderr, "sealift: hint: ") && c.name != "a place for statistics" {
				t.Errorf("%q", stderr)
			}
		})
	}
	if out, _ := exec.Command("pgrep", "-f", "^sleep 77$").Output(); len(out) > 0 {
		t.Errorf("a process is left: %s", out)
	}
}

// words splits at blanks outside of single quotes.
func words(line string) (list []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			list = append(list, part)
		} else {
			list = append(list, strings.Fields(part)...)
		}
	}
	return list
}

// TestStatistics compares numbers with what a payload is known to use, and a quota with
// the time that went by: on a busy machine it may get less.
func TestStatistics(t *testing.T) {
	delegateGroups(t)
	asUser(t, "^TestStatistics$")
	l := newLimited(t)
	var shares []float64
	for range 3 { // without a limit it would be 1; the kernel takes time back late where others want the processors
		u := l.statistics(t, 0, "--cpus", "0.3", "IMAGE", "sh", "-c", "timeout 4 sh -c 'while :; do :; done'; true")
		used := u["cpu_user_seconds"].(float64) + u["cpu_system_seconds"].(float64)
		if shares = append(shares, used/u["wall_seconds"].(float64)); shares[len(shares)-1] <= 0.4 {
			break
		}
	}
	if share := shares[len(shares)-1]; share > 0.4 || share < 0.1 {
		t.Errorf("%.3f processors of 0.3", shares)
	}
	u := l.statistics(t, 3, "IMAGE", "sh", "-c", `x=$(head -c 20m /dev/zero | tr "\0" x); for i in 1 2 3 4 5; do sleep 0.3 & done; wait; exit 3`)
	if peak := u["memory_peak_bytes"].(float64); peak < 20<<20 || peak > 200<<20 {
		t.Errorf("%v", u)
	}
	if u["exit_status"] != 3.0 || u["pids_peak"].(float64) < 7 || u["io_read_bytes"] == nil || u["oom_kills"] != 0.0 || u["missing"] != nil {
		t.Errorf("%v", u)
	}
	u = l.statistics(t, 137, "--memory", "32M", "IMAGE", "tail", "/dev/zero")
	if u["oom_kills"].(float64) < 1 || u["memory_peak_bytes"].(float64) != 32<<20 {
		t.Errorf("%v", u)
	}
	if entries, err := filepath.Glob(l.dir + "/.*"); err != nil || len(entries) > 0 {
		t.Errorf("left: %q, %v", entries, err)
	}
}

// TestNotDelegated starts containers where no group is the user's: limits are refused,
// statistics are what the processes tell.
func TestNotDelegated(t *testing.T) {
	asUser(t, "^TestNotDelegated$")
	if os.Geteuid() == 0 {
		return // root has groups
	}
	l := &limited{dir: t.TempDir()}
	l.sealift, l.image = busyboxImage(t)
	for _, args := range []string{"--memory 64M", "--pids-limit 90", "--cpus 0.5", "--cpuset-cpus 0", "--blkio-weight 100", "--cpu-shares 9"} {
		status, _, stderr := l.run(t, words("exec "+args+" IMAGE true")...)
		if status != 125 || !strings.Contains(stderr, " can be set: no group can be made in /sys/fs/cgroup/") || !strings.Contains(stderr, "sealift: hint: ask the administrator for a group") {
			t.Errorf("%s: status %d, %s", args, status, stderr)
		}
	}
	status, _, stderr := l.run(t, words("exec --stats IMAGE sh -c 'exit 4'")...)
	if status != 4 || !strings.Contains(stderr, "sealift: peak memory") || !strings.Contains(stderr, "peak processes  unknown") ||
		!strings.Contains(stderr, "these numbers are not of the whole: the control groups here cannot be used for memory, pids, blkio, cpuacct; counted by process") {
		t.Errorf("status %d, %s", status, stderr)
	}
	l.dir = t.TempDir()
	cmd := l.command(words("exec --memory 64M IMAGE true")...)
	cmd.Env = append(cmd.Env, "SLURM_JOB_ID=7")
	if out, _ := cmd.CombinedOutput(); !strings.Contains(string(out), "ConstrainRAMSpace") || !strings.Contains(string(out), "Delegate=yes") {
		t.Errorf("%s", out)
	}
}

// TestGroupsEndT114 kills processes of a limited container: nothing is left of it but an
// empty group, which the next start removes.
func TestGroupsEndT114(t *testing.T) {
	delegateGroups(t)
	asUser(t, "^TestGroupsEndT114$")
	l := newLimited(t)
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL} {
		cmd := l.command(words("exec --memory 64M --pids-limit 64 IMAGE sleep 78")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		group := ""
		for _, dir := range ownGroups(t) {
			if strings.Contains(dir, "/memory") {
				group = fmt.Sprintf("%s/sealift-%d", dir, cmd.Process.Pid)
			}
		}
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			if out, _ := exec.Command("pgrep", "-f", "^sleep 78$").Output(); len(out) > 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("it does not start")
			}
		}
		if text, err := os.ReadFile(group + "/memory.limit_in_bytes"); err != nil || string(text) != "67108864\n" {
			t.Errorf("%v, %q", err, text)
		}
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			text, err := os.ReadFile(group + "/cgroup.procs")
			if s == syscall.SIGKILL && err == nil && len(text) == 0 || errors.Is(err, os.ErrNotExist) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%v: left: %q, %v", s, text, err)
			}
		}
		if s == syscall.SIGKILL {
			l.run(t, words("exec --memory 64M --pids-limit 64 IMAGE true")...)
		}
		if _, err := os.Stat(group); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v: %v", s, err)
		}
	}
}
