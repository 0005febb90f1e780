package host

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sealift/sealift/runtime/cgroup"
)

// TestLookAt looks at directories that look like groups.
func TestLookAt(t *testing.T) {
	top := t.TempDir()
	job := filepath.Join(top, "a.scope/job")
	if err := os.MkdirAll(job, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a.scope/job/cgroup.procs": "1\n0\n", "a.scope/job/cgroup.controllers": "cpu memory\n", "a.scope/job/cgroup.subtree_control": "cpu\n",
		"a.scope/job/cgroup.type": "domain\n", "a.scope/cgroup.procs": "", "a.scope/cgroup.type": "domain\n", "cgroup.procs": "",
	} {
		if err := os.WriteFile(filepath.Join(top, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	g := cgroup.Group{Version: 2, Path: "/x/a.scope/job"}
	lookAt(&g, job, top)
	foreign := 2
	if os.Geteuid() == 0 {
		foreign = 1 // process 1 is root's
	}
	if g.Dir != job || g.Child != 0 || g.Enter != 0 || g.Enable != 0 || g.Procs != 2 || g.Foreign != foreign || g.Top || g.Unit ||
		len(g.Controllers) != 2 || len(g.Enabled) != 1 {
		t.Errorf("%+v", g)
	}
	p := g.Parent
	if p == nil || p.Path != "/x/a.scope" || !p.Unit || p.Top || p.Enable != syscall.ENOENT || p.Procs != 0 {
		t.Fatalf("%+v", p)
	}
	if p.Parent == nil || !p.Parent.Top || p.Parent.Parent != nil || p.Parent.Path != "/x" {
		t.Errorf("%+v", p.Parent)
	}
}

// TestGroups finds the groups of this machine, and makes nothing.
func TestGroups(t *testing.T) {
	list := Groups("self")
	seen := 0
	for _, g := range list {
		if g.Dir == "" {
			continue
		}
		seen++
		if _, err := os.Stat(filepath.Join(g.Dir, "cgroup.procs")); err != nil {
			t.Error(err)
		}
	}
	if seen == 0 {
		t.Errorf("none can be seen: %+v", list)
	}
	if Groups("0") != nil {
		t.Error("groups of no process")
	}
}

func TestDelegates(t *testing.T) {
	for text, want := range map[string]bool{
		"[Scope]\nDelegate=yes\n": true, "[Scope]\nDelegate=cpu memory\n": true, "Delegate=no\n": false, "": false,
		"Delegate=yes\nDelegate=\n": false, "# Delegate=yes\nSlice=x\n": false,
	} {
		if got := delegates(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

func TestManager(t *testing.T) {
	dir := t.TempDir()
	of := func(environ ...string) string { return (&Facts{UID: 4000000, Environ: environ}).manager() }
	if got := of("XDG_RUNTIME_DIR="+dir) + of("XDG_RUNTIME_DIR=.") + of(); got != "" {
		t.Errorf("a manager where there is none: %s", got)
	}
	if err := os.MkdirAll(dir+"/systemd/private", 0o755); err != nil {
		t.Fatal(err)
	}
	if got := of("A=b", "XDG_RUNTIME_DIR="+dir); got != dir+"/systemd/private" {
		t.Errorf("%q", got)
	}
}
