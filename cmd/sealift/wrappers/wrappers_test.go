package wrappers

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift/runtime/wrapper"
)

// TestWrite: of several scripts all are made, or none.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	text, err := wrapper.Wrapper{Program: "/p", Image: "/i", Command: "c"}.Script()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "taken"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := write(dir, map[string][]byte{"a": text, "taken": text, "z": text}); err == nil {
		t.Error("no error")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v %v", entries, err)
	}
	if err := write(dir, map[string][]byte{"a": text, "z": text}); err != nil {
		t.Error(err)
	}
	all, err := list(dir)
	if err != nil || len(all) != 2 || all[0].Name != "a" || all[1].Command != "c" {
		t.Errorf("%+v %v", all, err)
	}
	if err := remove(dir, []string{"a", "taken"}); err == nil {
		t.Error("a directory is a script")
	}
	if err := remove(dir, []string{"a", "z"}); err != nil {
		t.Error(err)
	}
	if all, err := list(dir); err != nil || len(all) != 0 {
		t.Errorf("%+v %v", all, err)
	}
}

// TestProgram: scripts call the program by its own place, not that of the whole program.
func TestProgram(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"bin/sealift", "libexec/sealift/sealift-full"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for executable, want := range map[string]string{
		"libexec/sealift/sealift-full": "bin/sealift", "bin/sealift": "bin/sealift", "none/sealift-full": "none/sealift-full",
	} {
		if got := program(filepath.Join(dir, executable)); got != filepath.Join(dir, want) {
			t.Errorf("%s: %s", executable, got)
		}
	}
}
