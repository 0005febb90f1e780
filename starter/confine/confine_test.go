package confine

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSets changes the sets of a thread that ends then. What the payload gets of
// them is tested by runtime/launch.
func TestSets(t *testing.T) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := Drop("chown,kill", "setuid"); err != nil {
			done <- err
			return
		}
		var got sets
		err := change(func(s *sets) { got = *s })
		const most = 1<<unix.CAP_CHOWN | 1<<unix.CAP_KILL | 1<<unix.CAP_SETUID
		if got.permitted&^most != 0 || got.effective&^most != 0 || got.inheritable != 0 {
			t.Errorf("%x", got)
		}
		if os.Geteuid() == 0 && got.permitted != most {
			t.Errorf("root: %x", got)
		}
		if raised := Raise("net_raw"); raised != unix.EPERM {
			t.Errorf("raised what is not permitted: %v", raised)
		}
		done <- err
	}()
	if err := <-done; err != nil && !(os.Geteuid() != 0 && errors.Is(err, unix.EPERM)) {
		t.Fatal(err)
	}
	for _, err := range []error{Drop("nosuch", ""), Drop("", "nosuch"), Raise("nosuch")} {
		if err != unix.EINVAL {
			t.Errorf("an unknown capability: %v", err)
		}
	}
}

// TestLabelT80 asks for labels where they cannot be had: no kernel of the tests
// enforces this profile.
func TestLabelT80(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, lsm := range []string{"apparmor", "selinux"} {
		if err := Label(lsm, "sealift-no-such-profile"); err == nil {
			t.Errorf("%s: no error", lsm)
		}
	}
	if err := Label("smack", "x"); err != unix.EINVAL {
		t.Errorf("unknown module: %v", err)
	}
}

// TestLabelIsNoFileT80 writes to what only looks like procfs.
func TestLabelIsNoFileT80(t *testing.T) {
	file := filepath.Join(t.TempDir(), "exec")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeLabel(file, "exec x", "x"); err != unix.ENOENT {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(file); err != nil || len(text) > 0 {
		t.Errorf("it was written to: %q, %v", text, err)
	}
	// This one is procfs, takes everything, and says something else.
	if err := writeLabel("/proc/thread-self/comm", "other", "x"); err != unix.EPERM {
		t.Errorf("%v", err)
	}
}

func TestLabelled(t *testing.T) {
	for text, want := range map[string]bool{
		"p (enforce)\n": true, "p\n": true, "p\x00": true, "p": true, "": false, "pp": false, "unconfined\n": false, "p:x": false,
	} {
		if got := labelled(text, "p"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if labelled(strings.Repeat("x", 9), "p") {
		t.Error("another label")
	}
}
