package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestInstanceLimits: what joins an instance is in its control groups, which tell what
// it uses.
func TestInstanceLimits(t *testing.T) {
	delegateGroups(t)
	asUser(t, "^TestInstanceLimits$")
	l := newLimited(t)
	name := "limited-" + strconv.Itoa(os.Getpid())
	if status, _, errs := l.run(t, "instance", "start", "--memory", "64M", "--pids-limit", "60", "IMAGE", name); status != 0 {
		t.Fatal(errs)
	}
	t.Cleanup(func() {
		if status, _, errs := l.run(t, "instance", "stop", name); status != 0 {
			t.Error(errs)
		}
	})
	status, out, errs := l.run(t, "exec", "instance://"+name, "sh", "-c", `grep -Ec ":(memory|pids):.*/sealift-[0-9]+$" /proc/self/cgroup; tail /dev/zero`)
	if status != 137 || out != "2\n" {
		t.Errorf("%d, %q, %s", status, out, errs)
	}
	status, out, errs = l.run(t, "instance", "stats", "--json", name)
	var u struct {
		Limit  uint64 `json:"memory_limit"`
		Memory uint64 `json:"memory"`
		PIDs   int    `json:"pids"`
	}
	if err := json.Unmarshal([]byte(out), &u); err != nil || status != 0 || u.Limit != 64<<20 || u.Memory == 0 || u.PIDs == 0 {
		t.Errorf("%d, %v, %s, %s", status, err, out, errs)
	}
}

// TestSlurmContainerLimits: a container's group is a child of its step's, which limits
// and accounts for it still, and goes with it.
func TestSlurmContainerLimits(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("control groups of Slurm's are made by root")
	}
	s := slurmSteps(t)
	script := `grep :memory: /proc/self/cgroup; x=$(head -c 100m /dev/zero | tr "\0" x); echo survived`
	out, code := s.srun("-n1 --mem=400", "--memory 64M", script)
	has := func(words ...string) bool {
		return slices.ContainsFunc(out, func(line string) bool {
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) })
		})
	}
	if code != 137 || !has("its memory limit of 64 MiB (peak 64 MiB)") || !has(":memory:/", "/step_0/task_0/sealift-") {
		t.Errorf("%d, %q", code, out)
	}
	// The step's own limit is the lower one.
	if out, code = s.srun("-n1 --mem=50", "--memory 300M", script); code == 0 || !has("memory ran out above it, in the job") {
		t.Errorf("%d, %q", code, out)
	}
	// The step's processor time has that of the container.
	file := filepath.Join(s.dir, "stats.json")
	account := `t=/sys/fs/cgroup/cpuacct$(sed -n s/.*:cpuacct://p /proc/self/cgroup); "$@"; echo account $(cat $t/cpuacct.usage)`
	text, err := s.command("srun", "-n1", "sh", "-c", account, "sh", s.sealift, "exec", "--stats=json:"+file, "--pids-limit=100", s.image,
		"sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done").CombinedOutput()
	if err != nil || !strings.Contains(string(text), "no limit of processes can be set") || !strings.Contains(string(text), "have the batch system limit the job step") {
		t.Errorf("a limit in a hierarchy where no group is the user's: %v, %s", err, text)
	}
	text, err = s.command("srun", "-n1", "sh", "-c", account, "sh", s.sealift, "exec", "--stats=json:"+file, s.image,
		"sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done").CombinedOutput()
	if err != nil {
		t.Fatalf("%v, %s", err, text)
	}
	_, number, _ := strings.Cut(string(text), "account ")
	account64, _ := strconv.ParseFloat(strings.TrimSpace(number), 64)
	var used struct {
		User   float64 `json:"cpu_user_seconds"`
		System float64 `json:"cpu_system_seconds"`
		Peak   int64   `json:"memory_peak_bytes"`
	}
	if data, err := os.ReadFile(file); err != nil || json.Unmarshal(data, &used) != nil {
		t.Fatalf("%v, %s", err, data)
	}
	if mine := used.User + used.System; mine < 0.01 || account64/1e9 < 0.9*mine || // the two are counted in different ways
		used.Peak == 0 {
		t.Errorf("the container used %v s, the step %v s; %+v", mine, account64/1e9, used)
	}
}
