package e2e

import (
	"debug/elf"
	"path/filepath"
	"testing"
)

// TestProgramsAreStatic: whatever they were built with, they run in any root
// file system and load nothing of the host's.
func TestProgramsAreStatic(t *testing.T) {
	dir, err := stage()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sealift", "sealift-full", "sealift-starter"} {
		f, err := elf.Open(filepath.Join(dir, "bin", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s has a %v segment", name, p.Type)
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
