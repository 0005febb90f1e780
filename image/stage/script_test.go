package stage

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWriteScript(t *testing.T) {
	dir := t.TempDir()
	if err := WriteScript(dir, "x", "text"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "x")); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
	for _, name := range []string{"x", "../y", "no/z"} {
		if err := WriteScript(dir, name, "other"); err == nil {
			t.Errorf("%s is written", name)
		}
	}
	if err := WriteScript(dir+"/no", "x", ""); err == nil {
		t.Error("a missing directory is no error")
	}
}
