package launch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// unified returns the directory of a hierarchy of version 2 of control groups.
func unified(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(dir, "cgroup.controllers")); err == nil {
			return dir
		}
	}
	need(t, false, "no control groups of version 2")
	return ""
}

// TestGroup starts in a control group that it may start in, and else outside; who joins
// the starter to groups is told.
func TestGroup(t *testing.T) {
	top := unified(t)
	dir, mine := top, os.Geteuid() == 0
	if mine {
		dir = filepath.Join(top, "sealift-launch-test")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		}()
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	joined := 0
	r := startJob(t, container(t, sh("grep ^0:: /proc/self/cgroup")), Job{Group: f, Enroll: func(pid int, inside bool) error {
		joined++
		if _, err := os.Stat("/proc/" + itoa(pid)); err != nil || inside != mine {
			t.Errorf("inside %t, %v", inside, err)
		}
		return nil
	}})
	if r.err != nil || joined != 1 || strings.Contains(r.out, "sealift-launch-test") != mine {
		t.Errorf("%+v, joined %d times", r, joined)
	}
}

// TestJoinFails ends the starter before it gets its plan.
func TestJoinFails(t *testing.T) {
	full, pid := errors.New("the group is full"), 0
	startJob(t, container(t, sh("echo it runs")), Job{Enroll: func(n int, inside bool) error {
		if pid = n; inside {
			t.Error("in a group that was not given")
		}
		return full
	}}).fails(t, 125, "the group is full")
	if _, err := os.Stat("/proc/" + itoa(pid)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the starter is there still: %v", err)
	}
}
