package reaper

import (
	"os"
	"syscall"
	"testing"
)

// child starts a shell, which this process has to wait for itself.
func child(t *testing.T, script string) int {
	t.Helper()
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestReap(t *testing.T) {
	child(t, "exit 9") // no child that counts
	for script, want := range map[string]int{"exit 3": 3, "kill -9 $$": 137, "true": 0} {
		if got, err := Reap(child(t, script)); got != want || err != nil {
			t.Errorf("%s: %d, %v", script, got, err)
		}
	}
}

func TestForward(t *testing.T) {
	c := make(chan os.Signal, 1)
	pid := child(t, "sleep 100")
	go Forward(c, pid)
	c <- syscall.SIGTERM
	if got, err := Reap(pid); got != 143 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	close(c)
}

func TestOutliveFailure(t *testing.T) {
	c := make(chan os.Signal)
	if got, err := Outlive(child(t, "exit 4"), c); got != 4 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	close(c)
}

func TestDiscardKeys(t *testing.T) {
	c := make(chan os.Signal, 4)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGTSTP, syscall.SIGQUIT} {
		c <- s
	}
	if DiscardKeys(c); len(c) != 1 || <-c != syscall.SIGTERM {
		t.Error("other signals are kept, or this one is not")
	}
}
