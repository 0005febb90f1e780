package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestBuildInterrupted ends builds in the middle of %post: the status is the
// signal's, and neither an output, a temporary file nor a process is left.
func TestBuildInterrupted(t *testing.T) {
	asUser(t, "^TestBuildInterrupted$")
	sealift, image := busyboxImage(t)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		dir := t.TempDir()
		mark := "8" + time.Now().Format("150405.000000")
		write(t, filepath.Join(dir, "x.def"), "Bootstrap: localimage\nFrom: "+image+"\n%post\n    sleep "+mark+"\n")
		cmd := exec.Command(sealift, "build", "x.sif", "x.def")
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill() })
		wait(t, "%post to start", func() bool { return running(t, mark) })
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		cmd.Wait()
		if took := time.Since(start); cmd.ProcessState.ExitCode() != 128+int(s) || took > 2*time.Second {
			t.Errorf("%v: %v after %v", s, cmd.ProcessState, took)
		}
		wait(t, "%post to end", func() bool { return !running(t, mark) })
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 1 {
			t.Errorf("%v: left %v, %v", s, left, err)
		}
	}
}

// wait returns when done is true.
func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
