package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTrees proves that trees are as large as they were to be.
func TestTrees(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(files(dir, 1001), noise(dir, 2)); err != nil {
		t.Fatal(err)
	}
	for path, size := range map[string]int64{"data/0/999": 100, "data/1/1000": 100, "noise": 2e6} {
		if st, err := os.Stat(filepath.Join(dir, path)); err != nil || st.Size() != size {
			t.Error(path, st, err)
		}
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
	if err != nil || got.Wall < 200*time.Millisecond || got.CPU == 0 || got.CPU > got.Wall {
		t.Errorf("%+v, %v", got, err)
	}
	if next, err := s.run(":"); err != nil || next.CPU != 0 {
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
	if err != nil || got.Wall <= 0 || got.peak < 100<<10 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := execute(exec.Command("sh", "-c", "echo the reason; exit 3")); err == nil || !strings.Contains(err.Error(), "the reason") {
		t.Error(err)
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
