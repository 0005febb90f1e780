package discover

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestLocal(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "sealift")
	h := Local(os.DirFS("/"), nil, "amd64", program)
	if h.Helper != "" || h.Access("/dev/null") != nil || !errors.Is(h.Access(filepath.Join(dir, "none")), syscall.ENOENT) {
		t.Errorf("%+v", h)
	}
	for name, mode := range map[string]os.FileMode{"sealift": 0o755, "sealift-gpu-helper": 0o755, "text": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if h = Local(os.DirFS("/"), nil, "amd64", program); h.Helper != filepath.Join(dir, "sealift-gpu-helper") {
		t.Error(h.Helper)
	}
	if got := first(dir, filepath.Join(dir, "text"), program); got != program {
		t.Error(got)
	}
}
