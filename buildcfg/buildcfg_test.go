package buildcfg

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestDirs(t *testing.T) {
	dir := t.TempDir()
	link, program := filepath.Join(dir, "link"), filepath.Join(dir, "usr/bin/sealift")
	for _, err := range []error{os.MkdirAll(filepath.Dir(program), 0o755), os.WriteFile(program, nil, 0o755), os.Symlink(program, link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]string{
		filepath.Join(dir, "link"): {dir, dir + "/usr/bin", filepath.Join(dir, "../libexec/sealift"), dir + "/usr/libexec/sealift"},
		dir + "/usr/bin/sealift":   {dir + "/usr/bin", dir + "/usr/libexec/sealift"},
		"/no/where/sealift":        {"/no/where", "/no/libexec/sealift"},
	} {
		if got := Dirs(path); !slices.Equal(got, want) {
			t.Errorf("%s: %q", path, got)
		}
	}
}
