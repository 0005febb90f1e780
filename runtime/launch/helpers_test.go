package launch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
)

// tellsEnviron writes a program that notes its environment in the file log.
func tellsEnviron(t *testing.T, log, then string) string {
	t.Helper()
	script := filepath.Join(filepath.Dir(log), "helper")
	text := "#!/bin/sh\ntr '\\0' '\\n' < /proc/$$/environ >> " + log + "; echo called >> " + log + "\n" + then + "\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return script
}

// TestHelperVariablesT86: programs of the host that serve a container get no variable
// of the image's, which are those of its payload, nor of the caller's.
func TestHelperVariablesT86(t *testing.T) {
	hostile := []string{"LD_PRELOAD=/evil.so", "LD_LIBRARY_PATH=/evil", "PATH=/evil", "BASH_ENV=/evil", "ENV=/evil", "IFS=/"}
	t.Setenv("CALLERS", "own")
	dir := tempDir(t)
	log := filepath.Join(dir, "log")
	heard := func(what string, want ...string) {
		t.Helper()
		text, err := os.ReadFile(log)
		if got := strings.Fields(string(text)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s got %q (%v), want %q", what, got, err, want)
		}
		if err := os.Remove(log); err != nil {
			t.Fatal(err)
		}
	}
	c := plan.Clone{User: true, UIDs: []plan.IDMap{{Size: 1}}, GIDs: []plan.IDMap{{Size: 1}}}
	script := tellsEnviron(t, log, "")
	if err := mapIDs(1, c, Job{NewUIDMap: script, NewGIDMap: script}); err != nil {
		t.Fatal(err)
	}
	heard("newuidmap and newgidmap", "called", "called")

	fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	m := &Mounter{Args: []string{script}, Env: []string{"LC_ALL=C"}}
	if err := m.Serve(fd); err != nil {
		t.Fatal(err)
	}
	heard("a program that mounts", "LC_ALL=C", "called")

	p := ownNet(t, `echo "$BASH_ENV"`)
	p.Process.Env = append(slices.Clone(p.Process.Env), hostile...)
	p.Helper = []string{tellsEnviron(t, log, "echo 1 >&3; exec cat <&4")}
	if r := start(t, p); r.out != "/evil\n" || r.err != nil {
		t.Errorf("the payload: %q, %v", r.out, r.err)
	}
	heard("what connects the network", "called")
}
