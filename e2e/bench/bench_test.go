package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/e2e/bench/proc"
)

func TestSpread(t *testing.T) {
	r := &row{}
	for _, n := range []time.Duration{5, 1, 9, 3, 7} {
		r.add(sample{wall: n, cpu: 10 * n})
	}
	if low, median, high := r.spread(wall); low != 1 || median != 5 || high != 9 {
		t.Error(low, median, high)
	}
	if _, median, _ := r.spread(cpu); median != 50 {
		t.Error(median)
	}
}

func TestRatios(t *testing.T) {
	r, peer := &row{samples: []sample{{2, 3}}}, &row{samples: []sample{{4, 4}}}
	if got := r.ratios(peer); got != "0.50 (0.75)" {
		t.Error(got)
	}
	peer.samples[0].cpu = 0
	if got := r.ratios(peer); got != "0.50" {
		t.Error(got)
	}
}

// TestTurns proves that each contender is first as often as it is last.
func TestTurns(t *testing.T) {
	var order []string
	err := takeTurns(3, []string{"a", "b", "c"}, func(s string) error {
		order = append(order, s)
		return nil
	})
	if want := strings.Split("abccbaabc", ""); err != nil || !slices.Equal(order, want) {
		t.Errorf("%v, %v", order, err)
	}
	if takeTurns(1, []string{"a"}, func(string) error { return os.ErrInvalid }) == nil {
		t.Error("no error")
	}
}

// TestSession proves that a session tells time and failure of what it runs.
func TestSession(t *testing.T) {
	ended := false
	s, err := begin(exec.Command("/bin/sh"), func() error { ended = true; return nil })
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.run("sleep 0.2; sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; echo noise")
	if err != nil || got.wall < 200*time.Millisecond || got.cpu == 0 || got.cpu > got.wall {
		t.Errorf("%+v, %v", got, err)
	}
	if next, err := s.run(":"); err != nil || next.cpu != 0 {
		t.Errorf("%+v, %v", next, err)
	}
	if _, err := s.run("echo why >&2; false"); err == nil {
		t.Error("a failure passes")
	}
	if err := s.close(); err != nil || !ended {
		t.Error(err, ended)
	}
}

func TestExecute(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	got, err := execute(exec.Command("dd", "if=/dev/zero", "of="+out, "bs=1M", "count=3"))
	if err != nil || got.wall <= 0 || got.peak < 100<<10 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := execute(exec.Command("sh", "-c", "echo the reason; exit 3")); err == nil || !strings.Contains(err.Error(), "the reason") {
		t.Error(err)
	}
}

func TestProcess(t *testing.T) {
	for begun := time.Now(); ; { // on a busy machine it takes a while to have used something
		used, err := processorTime(os.Getpid())
		if err != nil || time.Since(begun) > time.Minute {
			t.Fatal(used, err)
		}
		if used >= 10*time.Millisecond {
			break
		}
	}
	if pss, peak, err := memory(os.Getpid()); err != nil || pss < 1<<20 || peak < pss/2 {
		t.Error(pss, peak, err)
	}
	if _, err := proc.Field("/proc/self/status", "None:"); err == nil {
		t.Error("no error")
	}
}

func TestLargest(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"a": 1, "b": 30, "c": 20, "d": 5} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := largest(dir, 2); err != nil || !slices.Equal(got, []string{"/b", "/c"}) {
		t.Error(got, err)
	}
	if _, err := largest(dir, 5); err == nil {
		t.Error("no error")
	}
}
