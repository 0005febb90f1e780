package cgroup

import (
	"strings"
	"syscall"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

var all = []string{"cpu", "cpuset", "io", "memory", "pids"}

// delegated is a group of version 2 that belongs to the caller, who is alone in it,
// below one of root's that passes all on.
func delegated() Group {
	top := &Group{Version: 2, Path: "/", Dir: "/c", Controllers: all, Enabled: all, Top: true, Procs: 90, Foreign: 90,
		Child: syscall.EACCES, Enter: syscall.EACCES, Enable: syscall.EACCES}
	return Group{Version: 2, Path: "/job", Dir: "/c/job", Controllers: all, Procs: 2, Parent: top}
}

func limits(t *testing.T, text string) *Limits {
	t.Helper()
	l, err := Parse("x", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &l
}

const memory = "[memory]\nlimit = 4096\n"

// TestPlaceOfVersion2 finds the place of a group with a memory limit.
func TestPlaceOfVersion2(t *testing.T) {
	for name, c := range map[string]struct {
		change func(f *Facts, g *Group)
		want   string // the plan, or the error and its hint
	}{
		"delegated": {func(*Facts, *Group) {}, `
cgroup leaf /c/job/sealift-callers
cgroup enable /c/job +memory
cgroup make /c/job/sealift-5
cgroup write memory.max 4096`},
		"nobody inside": {func(_ *Facts, g *Group) { g.Procs = 0 }, `
cgroup enable /c/job +memory
cgroup make /c/job/sealift-5
cgroup write memory.max 4096`},
		"made room before": {func(_ *Facts, g *Group) {
			parent := *g
			parent.Procs, parent.Enabled = 0, all
			*g = Group{Version: 2, Path: "/job/" + Leaf, Dir: "/c/job/" + Leaf, Controllers: all, Procs: 2, Parent: &parent}
		}, `
cgroup make /c/job/sealift-5
cgroup write memory.max 4096`},
		"the top": {func(_ *Facts, g *Group) { *g = *g.Parent; g.Child, g.Enter, g.Enable = 0, 0, 0 }, `
cgroup make /c/sealift-5
cgroup write memory.max 4096`},
		"a leaf of a delegated one that passes nothing on": {func(_ *Facts, g *Group) {
			parent := *g
			parent.Procs = 0
			*g = Group{Version: 2, Path: "/job/shell", Dir: "/c/job/shell", Procs: 2, Parent: &parent}
		}, `
cgroup leaf /c/job/shell/sealift-callers
cgroup enable /c/job +memory
cgroup enable /c/job/shell +memory
cgroup make /c/job/shell/sealift-5
cgroup write memory.max 4096`},
		"shared with others, in a delegated one": {func(_ *Facts, g *Group) {
			parent := *g
			parent.Procs = 0
			*g = Group{Version: 2, Path: "/job/shell", Dir: "/c/job/shell", Controllers: all, Procs: 2, Foreign: 1, Parent: &parent}
		}, `
cgroup enable /c/job +memory
cgroup make /c/job/sealift-5
cgroup write memory.max 4096`},
		"shared with others": {func(_ *Facts, g *Group) { g.Foreign = 1 },
			"no memory limit can be set: /c/job can pass no memory on, as it has processes of others | Delegate=yes"},
		"closed": {func(_ *Facts, g *Group) { g.Child = syscall.EACCES },
			"no memory limit can be set: no group can be made in /c/job: permission denied | Delegate=yes"},
		"closed to processes": {func(_ *Facts, g *Group) { g.Enter = syscall.EACCES },
			"no memory limit can be set: no process can be put below /c/job: permission denied | chown"},
		"closed control": {func(_ *Facts, g *Group) { g.Enable = syscall.EACCES },
			"no memory limit can be set: /c/job passes no memory on, and that cannot be changed: permission denied | cgroup.subtree_control"},
		"closed in a job": {func(f *Facts, g *Group) { g.Child, f.Job = syscall.EACCES, true },
			"no memory limit can be set: no group can be made in /c/job: permission denied | ConstrainRAMSpace"},
		"no controller": {func(_ *Facts, g *Group) { g.Controllers = []string{"pids"}; g.Parent.Enabled = g.Controllers },
			"no memory limit can be set: /c/job has no memory | Delegate=yes"},
		"not to be seen": {func(_ *Facts, g *Group) { g.Dir, g.Parent = "", nil },
			"no memory limit can be set: it cannot be seen in /sys/fs/cgroup | Delegate=yes"},
		"not in the kernel": {func(_ *Facts, g *Group) { g.Controllers, g.Parent = nil, nil },
			"no memory limit can be set: no control groups with the controller memory are to be seen | mount /sys/fs/cgroup"},
		"systemd instead": {func(f *Facts, g *Group) { g.Child, f.Manager = syscall.EACCES, true }, `
cgroup scope +memory
cgroup make sealift-5
cgroup write memory.max 4096`},
		"systemd, but in a job": {func(f *Facts, g *Group) { g.Child, f.Manager, f.Job = syscall.EACCES, true, true },
			"no memory limit can be set: no group can be made in /c/job: permission denied | ConstrainRAMSpace"},
		"a delegated one above, but in a job": {func(f *Facts, g *Group) {
			parent := *g
			parent.Procs = 0
			*g = Group{Version: 2, Path: "/job/shell", Dir: "/c/job/shell", Controllers: all, Procs: 2, Foreign: 1, Parent: &parent}
			f.Job = true
		}, "no memory limit can be set: /c/job/shell can pass no memory on, as it has processes of others | ConstrainRAMSpace"},
		"a unit that was not delegated": {func(f *Facts, g *Group) { g.Unit, f.Manager = true, true }, `
cgroup scope +memory
cgroup make sealift-5
cgroup write memory.max 4096`},
		"such a unit where nobody can be asked": {func(_ *Facts, g *Group) { g.Unit = true }, `
cgroup leaf /c/job/sealift-callers
cgroup enable /c/job +memory
cgroup make /c/job/sealift-5
cgroup write memory.max 4096`},
		"delegated and systemd": {func(f *Facts, g *Group) { f.Manager, g.Procs, g.Enabled = true, 0, all }, `
cgroup make /c/job/sealift-5
cgroup write memory.max 4096`},
	} {
		f := Facts{Groups: []Group{delegated()}, PID: 5}
		c.change(&f, &f.Groups[0])
		if name == "not in the kernel" {
			f.Groups[0].Parent = nil
		}
		plan, err := Compute(limits(t, memory), false, &f)
		if want, advice, bad := strings.Cut(c.want, " | "); bad {
			if err == nil || err.Error() != want || !strings.Contains(hint.Of(err), advice) {
				t.Errorf("%s: %v, hint %q", name, err, hint.Of(err))
			}
		} else if err != nil || "\n"+plan.String() != c.want+"\n" {
			t.Errorf("%s: %v\n%s", name, err, plan)
		}
	}
}

// old is the groups of a machine of version 1.
func old() []Group {
	return []Group{
		{Version: 1, Path: "/", Dir: "/c/cpu", Controllers: []string{"cpu", "cpuacct"}},
		{Version: 1, Path: "/j", Dir: "/c/memory/j", Controllers: []string{"memory"}},
		{Version: 1, Path: "/", Dir: "/c/pids", Controllers: []string{"pids"}, Child: syscall.EACCES},
		{Version: 2, Path: "/", Dir: "/c/unified", Controllers: []string{"hugetlb"}, Top: true},
	}
}

func TestPlaceOfVersion1(t *testing.T) {
	for name, c := range map[string]struct {
		limits string
		stats  bool
		want   string
	}{
		"memory and processors": {memory + "[cpu]\nquota = 1000\n", false, `
cgroup make /c/memory/j/sealift-5
cgroup write memory.limit_in_bytes 4096
cgroup make /c/cpu/sealift-5
cgroup write cpu.cfs_quota_us 1000`},
		"both versions": {memory + "[[hugepageLimits]]\npageSize = \"2MB\"\nlimit = 0\n", false, `
cgroup enable /c/unified +hugetlb
cgroup make /c/unified/sealift-5
cgroup write hugetlb.2MB.max 0
cgroup make /c/memory/j/sealift-5
cgroup write memory.limit_in_bytes 4096`},
		"processes":                  {"[pids]\nlimit = 16\n", false, "no limit of processes can be set: no group can be made in /c/pids: permission denied | group of your own"},
		"a controller of neither":    {"[cpu]\ncpus = \"0\"\n", false, "no set of processors can be set: no control groups with the controller cpuset are to be seen | mount"},
		"a file of the other":        {"[unified]\n\"memory.high\" = \"1\"\n", false, "no memory.high can be set: the controller memory is in version 1 of control groups here, which knows none | leave it out"},
		"nothing":                    {"", false, "\n"},
		"statistics":                 {"", true, "\ncgroup make /c/memory/j/sealift-5\ncgroup make /c/cpu/sealift-5"},
		"statistics and a limit too": {memory, true, "\ncgroup make /c/memory/j/sealift-5\ncgroup write memory.limit_in_bytes 4096\ncgroup make /c/cpu/sealift-5"},
	} {
		plan, err := Compute(limits(t, c.limits), c.stats, &Facts{Groups: old(), PID: 5})
		if want, advice, bad := strings.Cut(c.want, " | "); bad {
			if err == nil || err.Error() != want || !strings.Contains(hint.Of(err), advice) {
				t.Errorf("%s: %v, hint %q", name, err, hint.Of(err))
			}
			continue
		}
		if c.want == "\n" {
			if plan != nil || err != nil {
				t.Errorf("%s: %v, %v", name, plan, err)
			}
			continue
		}
		if err != nil || "\n"+plan.String() != c.want+"\n" {
			t.Errorf("%s: %v\n%s", name, err, plan)
		} else if c.stats != strings.Contains(plan.Missing, "pids") {
			t.Errorf("%s: missing %q", name, plan.Missing)
		}
	}
}

// TestStatistics takes what can be had of version 2.
func TestStatistics(t *testing.T) {
	g := delegated()
	plan, err := Compute(&Limits{}, true, &Facts{Groups: []Group{g}, PID: 5})
	want := "cgroup leaf /c/job/sealift-callers\ncgroup enable /c/job +memory +pids +io\ncgroup make /c/job/sealift-5\n"
	if err != nil || plan.String() != want || plan.Missing != "" {
		t.Errorf("%v, %q\n%s", err, plan.Missing, plan)
	}
	g.Enable = syscall.EACCES
	plan, err = Compute(&Limits{}, true, &Facts{Groups: []Group{g}, PID: 5})
	if err != nil || plan.String() != "cgroup make /c/job/sealift-5\n" || !strings.Contains(plan.Missing, "memory, pids, io") {
		t.Errorf("%v, %q\n%s", err, plan.Missing, plan)
	}
	g.Child = syscall.EACCES
	plan, err = Compute(&Limits{}, true, &Facts{Groups: []Group{g}, PID: 5, Manager: true})
	if err != nil || plan.String() != "" || plan.Missing == "" || plan.Group() != nil {
		t.Errorf("%v, %q\n%s", err, plan.Missing, plan)
	}
	plan, err = Compute(limits(t, memory), true, &Facts{Groups: []Group{g}, PID: 5, Manager: true})
	if err != nil || !plan.Scope || plan.Memory != 4096 || !strings.HasPrefix(plan.String(), "cgroup scope +memory +pids +io\n") {
		t.Errorf("%v\n%s", err, plan)
	}
}

func TestUsable(t *testing.T) {
	f := Facts{Groups: old()}
	if got, _ := f.Usable(); strings.Join(got, " ") != "cpu hugetlb memory" {
		t.Errorf("%q", got)
	}
	g := delegated()
	g.Child = syscall.EROFS
	f = Facts{Groups: []Group{g}}
	if got, errno := f.Usable(); got != nil || errno != syscall.EROFS || f.Askable() != nil {
		t.Errorf("%q, %v", got, errno)
	}
	if f.Manager = true; strings.Join(f.Askable(), " ") != "cpu cpuset io memory pids" {
		t.Errorf("%q", f.Askable())
	}
}
