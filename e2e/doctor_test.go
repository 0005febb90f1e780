package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestDoctorOnTerminal colours states on terminals that can show it.
func TestDoctorOnTerminal(t *testing.T) {
	asUser(t, "^TestDoctorOnTerminal$")
	dir, err := stage()
	if err != nil {
		t.Fatal(err)
	}
	sealift := filepath.Join(dir, "bin/sealift")
	t.Setenv("TERM", "xterm")
	x := startTerminal(t, sealift, "doctor", "fuse")
	x.expect(t, "fuse   \x1b[32mok     \x1b[0m  a container was started", 1)
	x.exit(t, 0)
	t.Setenv("NO_COLOR", "1")
	x = startTerminal(t, sealift, "doctor", "fuse")
	x.expect(t, "fuse   ok       a container was started", 1)
	x.exit(t, 0)
	x.mu.Lock()
	defer x.mu.Unlock()
	if seen := x.seen.String(); strings.Contains(seen, "\x1b") {
		t.Errorf("%q", seen)
	}
}
