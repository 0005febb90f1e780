package control

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/cgroup"
)

// pretended is a directory with files like a group's, which a test can make wrong.
func pretended(t *testing.T, files map[string]string) *group {
	t.Helper()
	dir := t.TempDir()
	files["cgroup.procs"] = ""
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	g, err := openGroup(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.dir.Close() })
	return g
}

func TestSet(t *testing.T) {
	g := pretended(t, map[string]string{"pids.max": "", "closed": ""})
	if err := os.Symlink(os.DevNull, filepath.Join(g.path, "memory.max")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		writes []cgroup.Write
		want   string // of the error
		hint   string
	}{
		{"limit of processes", []cgroup.Write{{File: "pids.max", Text: "5", Read: "pids.max"}}, "", ""},
		{"second of two", []cgroup.Write{{File: "a", Text: "5", Read: "a"}, {File: "pids.max", Text: "6", Read: "pids.max"}}, "", ""},
		{"rule", []cgroup.Write{{File: "memory.max", Text: "5"}}, "", ""},
		{"memory limit", []cgroup.Write{{File: "memory.max", Text: "4096", Read: "memory.max"}},
			`the memory limit cannot be set: ` + g.path + `/memory.max: the kernel took "4096" and shows ""`, "give another value"},
		{"limit of swap space", []cgroup.Write{{File: "memory.swap.max", Text: "0", Read: "memory.swap.max"}},
			"the limit of swap space cannot be set: this kernel has no memory.swap.max in " + g.path, "swapaccount=1"},
		{"set of processors", []cgroup.Write{{File: "pids.max", Text: "0-3", Read: "cpuset.cpus.effective"}}, "and shows", "Cpus_allowed_list"},
		{"weight of device 8:0", []cgroup.Write{{File: "io.weight", Text: "8:0 9", Read: "io.weight"}}, "no io.weight", "scheduler"},
	} {
		err := g.set(c.name, c.writes)
		if c.want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || c.want == "" || !strings.Contains(hint.Of(err), c.hint) {
			t.Errorf("%s: %v, hint %q", c.name, err, hint.Of(err))
		}
	}
	if got := g.read("pids.max"); got != "0-3" { // the last that was taken
		t.Errorf("%q", got)
	}
}

func TestInherit(t *testing.T) {
	parent := pretended(t, map[string]string{"cpuset.cpus": "0-1\n", "cpuset.mems": "0\n"})
	g := pretended(t, map[string]string{"cpuset.cpus": "\n", "cpuset.mems": "1\n"})
	if err := g.inherit(parent.path); err != nil || g.read("cpuset.cpus") != "0-1" || g.read("cpuset.mems") != "1\n" {
		t.Errorf("%v, %q, %q", err, g.read("cpuset.cpus"), g.read("cpuset.mems"))
	}
}

func TestEnable(t *testing.T) {
	g := pretended(t, map[string]string{"cgroup.subtree_control": ""})
	err := enable(cgroup.Enabling{Dir: g.path, Controllers: []string{"cpu", "memory"}}, false)
	if err == nil || !strings.Contains(err.Error(), "the kernel took +cpu and shows") { // as +cpu +memory is what a plain file shows
		t.Errorf("%v", err)
	}
	if got := g.read("cgroup.subtree_control"); got != "+cpu +memory" {
		t.Errorf("%q", got)
	}
	if err := enable(cgroup.Enabling{Dir: g.path + "/none", Controllers: []string{"cpu"}}, false); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "controllers cpu") {
		t.Errorf("%v", err)
	}
}

func TestEvacuate(t *testing.T) {
	from, to := pretended(t, map[string]string{}), pretended(t, map[string]string{})
	for text, want := range map[string]string{"0\n": "cannot be seen", "": ""} {
		if err := os.WriteFile(filepath.Join(from.path, "cgroup.procs"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := evacuate(from.path, to.path); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if got := to.read("cgroup.procs"); got != "" {
		t.Errorf("%q was moved", got)
	}
}

// TestNames makes groups beside others, and sweeps away what nobody holds.
func TestNames(t *testing.T) {
	parent, procs := t.TempDir(), "cgroup.procs"
	name := filepath.Join(parent, cgroup.Prefix+"7")
	held := filepath.Join(parent, cgroup.Prefix+"8")
	for _, dir := range []string{name, held} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := os.Open(held)
	if err != nil || unix.Flock(int(lock.Fd()), unix.LOCK_EX) != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	_, err = makeGroup(filepath.Join(parent, "none", "x"))
	if err == nil || hint.Of(err) == "" {
		t.Errorf("%v", err)
	}
	// A plain directory is no group, and taken for one that was swept: all names.
	if _, err := makeGroup(name); err == nil || !strings.Contains(err.Error(), "taken") {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(parent, procs), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	sweep(parent) // what is no group stays
	if _, err := os.Stat(held); err != nil {
		t.Error(err)
	}
}

// real returns a nest in a group of version 1 of this machine that can be written,
// which takes root here.
func real(t *testing.T, controller string) cgroup.Nest {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("no group of version 1 is this user's")
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range cgroup.Own(string(text)) {
		if dir := filepath.Join("/sys/fs/cgroup", controller, g.Path); len(g.Controllers) == 1 && g.Controllers[0] == controller && unix.Access(dir, unix.W_OK) == nil {
			return cgroup.Nest{Version: 1, Parent: dir, Name: cgroup.Prefix + "1", Controllers: g.Controllers}
		}
	}
	t.Skip("version 1 is not mounted here: e2e/vm tests version 2")
	return cgroup.Nest{}
}

// TestRemove kills what is left in a group, and in those in it, and removes all.
func TestRemove(t *testing.T) {
	n := real(t, "pids")
	n.Settings = []cgroup.Setting{{Name: "limit", Controller: "pids", V1: []cgroup.Write{{File: "pids.max", Text: "20", Read: "pids.max"}}}}
	g, err := Make(&cgroup.Plan{Nests: []cgroup.Nest{n}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := g.nests[0]
	if g.File() != nil || m.read("pids.max") != "20\n" {
		t.Errorf("%v, %q", g.File(), m.read("pids.max"))
	}
	sub := filepath.Join(m.path, "inner")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{m.path, sub} {
		sleeper := exec.Command("sleep", "60")
		if err := sleeper.Start(); err != nil {
			t.Fatal(err)
		}
		go sleeper.Wait()
		if err := (&group{path: dir}).join(sleeper.Process.Pid); err != nil {
			t.Fatal(err)
		}
	}
	other, err := Make(&cgroup.Plan{Nests: []cgroup.Nest{n}}, nil)
	if err != nil || other.nests[0].path != m.path+".1" {
		t.Errorf("%v, %+v", err, other)
	}
	start := time.Now()
	for _, g := range []*Groups{g, other, g} {
		if err := g.Remove(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(m.path); !errors.Is(err, os.ErrNotExist) || time.Since(start) > 3*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// TestSweep removes what a killed process has left, and no group that is held.
func TestSweep(t *testing.T) {
	n := real(t, "freezer")
	left := filepath.Join(n.Parent, cgroup.Prefix+"2")
	if err := os.Mkdir(left, 0o755); err != nil {
		t.Fatal(err)
	}
	g, err := Make(&cgroup.Plan{Nests: []cgroup.Nest{n}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	sweep(n.Parent)
	if !g.nests[0].has("cgroup.procs") {
		t.Error("it was swept away")
	}
	if err := g.Remove(); err != nil {
		t.Error(err)
	}
}

// TestRefused leaves nothing of a plan that the kernel does not take.
func TestRefused(t *testing.T) {
	n := real(t, "pids")
	n.Settings = []cgroup.Setting{{Name: "limit of processes", Controller: "pids", V1: []cgroup.Write{{File: "pids.max", Text: "many", Read: "pids.max"}}}}
	if _, err := Make(&cgroup.Plan{Nests: []cgroup.Nest{n}}, nil); !errors.Is(err, unix.EINVAL) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(n.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
}

func TestChildren(t *testing.T) {
	if err := exec.Command("true").Run(); err != nil {
		t.Fatal(err)
	}
	u, err := Children()
	if err != nil || *u.MemoryPeak <= 0 || u.User == nil || u.PidsPeak != nil || u.Missing == "" {
		t.Errorf("%v, %+v", err, u)
	}
}
