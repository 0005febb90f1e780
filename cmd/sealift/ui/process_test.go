package ui

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestConceal: the process cannot be dumped or looked into. The tests can be again.
func TestConceal(t *testing.T) {
	defer unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	if err := new(Process).Conceal(); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); n != 0 || err != nil {
		t.Errorf("dumpable %d, %v", n, err)
	}
}

func TestSetting(t *testing.T) {
	p := &Process{Environ: []string{"SINGULARITY_X=3", "APPTAINER_X=2", "SEALIFT_X="}}
	if name, value := p.Setting("X"); name != "APPTAINER_X" || value != "2" {
		t.Errorf("%s is %q", name, value)
	}
	if name, value := p.Setting("Y"); name != "" || value != "" {
		t.Errorf("%s is %q", name, value)
	}
}
