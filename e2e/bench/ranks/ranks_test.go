package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/e2e/bench/proc"
)

// TestStep proves that tasks see the variables of one step, that failures are told, and
// that what is left of a step is waited for.
func TestStep(t *testing.T) {
	b := &bench{work: t.TempDir(), options: options{uid: uint32(os.Getuid())}}
	sh := contender{"sh", fixed("sh", "-c")}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := b.begin(sh, 3, w, "echo $SLURM_STEP_ID $SLURM_STEP_TASKS_PER_NODE")
	w.Close()
	if err != nil || s.wait() != nil || readAll(r, len("1 3\n1 3\n1 3\n")) != nil {
		t.Error(err)
	}
	took, err := b.time(sh, 2, "sleep 0.3")
	if err != nil || took < 300*time.Millisecond || took > 10*time.Second {
		t.Error(took, err)
	}
	if _, err := b.time(sh, 2, "echo why >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "why") {
		t.Error(err)
	}
	if rounds := b.rounds(7); rounds != 7 {
		t.Error(rounds)
	}
}

// TestMeasure proves that payloads are told from what serves them.
func TestMeasure(t *testing.T) {
	cmd := exec.Command("sh", "-c", `for i in $(seq 64); do sleep 60 & done; echo; wait`)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for pid := range below(os.Getpid()) {
			p, err := os.FindProcess(pid)
			if err == nil {
				err = p.Kill()
			}
			if err != nil {
				t.Error(err)
			}
		}
		_ = cmd.Wait() // it was killed
	}()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	u, err := measure(os.Getpid())
	if err != nil || u.processes != 1 || u.namespaces != 1 || u.pss == 0 || u.rss < u.pss {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := proc.Field("/proc/self/status", "None:"); err == nil {
		t.Error("no error")
	}
}
