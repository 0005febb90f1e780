package output

import (
	"errors"
	"io/fs"
	"testing"
)

// TestUnnamed makes a file that no name leads to.
func TestUnnamed(t *testing.T) {
	dir := t.TempDir()
	asUser(t, dir, func() {
		f, err := Unnamed(dir)
		must(t, err)
		if _, err := f.WriteString("text"); err != nil {
			t.Error(err)
		}
		b := make([]byte, 4)
		if _, err := f.ReadAt(b, 0); err != nil || string(b) != "text" {
			t.Errorf("%q, %v", b, err)
		}
		if got := list(t, dir); got != "" {
			t.Errorf("there is %q", got)
		}
		must(t, f.Close())
	})
	if _, err := Unnamed(dir + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Unnamed(""); err == nil {
		t.Error("made a file nowhere")
	}
}
