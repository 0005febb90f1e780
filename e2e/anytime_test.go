package e2e

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestEndsAnyTimeT111 ends starts of containers by signals at random times: whatever has been made
// by then goes, and the status says which signal it was.
func TestEndsAnyTimeT111(t *testing.T) {
	asUser(t, "^TestEndsAnyTimeT111$")
	sealift, image := busyboxImage(t)
	const payload = "86399.5" // seconds, by which it is found
	temp := t.TempDir()
	rng := rand.New(rand.NewPCG(111, 1))
	signals := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
	for i := range 51 {
		sig := signals[i%len(signals)]
		cmd := exec.Command(sealift, "exec", image, "sleep", payload)
		cmd.Dir, cmd.Env = "/", append(os.Environ(), "TMPDIR="+temp)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		after := time.Duration(rng.Int64N(int64(40 * time.Millisecond)))
		time.Sleep(after)
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // its state says it
		late.Stop()
		// Until the program has taken signals for the payload's, it ends by one itself.
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if status.ExitStatus() != 128+int(sig) && (!status.Signaled() || status.Signal() != sig) {
			t.Errorf("%v after %v: %v: %s", sig, after, cmd.ProcessState, said.String())
		}
		if strings.Contains(said.String(), "goroutine") {
			t.Errorf("%v after %v: %s", sig, after, said.String())
		}
	}
	wait(t, "the end of all payloads", func() bool { return !running(t, payload) })
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("in TMPDIR is %v; %v", left, err)
	}
}
