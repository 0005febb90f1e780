package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// onTerminal starts a build of a definition on a terminal, in a directory of
// its own, with temporary files in another one.
func onTerminal(t *testing.T, script string, flags ...string) (x *terminal, dirs [2]string) {
	t.Helper()
	sealift, image := busyboxImage(t)
	dirs = [2]string{t.TempDir(), t.TempDir()}
	def := filepath.Join(dirs[0], "x.def")
	write(t, def, "Bootstrap: localimage\nFrom: "+image+"\n"+script)
	t.Setenv("TERM", "xterm")
	args := append([]string{sealift, "build", "--disable-cache", "--tmpdir", dirs[1]}, flags...)
	return startTerminal(t, append(args, filepath.Join(dirs[0], "x.sif"), def)...), dirs
}

// TestBuildInterruptedOnTerminal presses Ctrl-C in each script of a build:
// nothing is left, and nothing is kept to look at.
func TestBuildInterruptedOnTerminal(t *testing.T) {
	asUser(t, "^TestBuildInterruptedOnTerminal$")
	for _, section := range []string{"pre", "setup", "post", "test"} {
		mark := "7" + time.Now().Format("150405.000000")
		x, dirs := onTerminal(t, "%"+section+"\n    echo ready-$((40+2))\n    sleep "+mark+"\n")
		x.expect(t, "ready-42", 1)
		x.send(t, "\x03")
		x.exit(t, 130)
		wait(t, "%"+section+" to end", func() bool { return !running(t, mark) })
		for i, want := range []int{1, 0} {
			if left, err := os.ReadDir(dirs[i]); err != nil || len(left) != want {
				t.Errorf("%%%s: left %v, %v", section, left, err)
			}
		}
	}
}

// TestBuildOnTerminal has a live line, which follows the width of the terminal
// and leaves what scripts print alone.
func TestBuildOnTerminal(t *testing.T) {
	asUser(t, "^TestBuildOnTerminal$")
	// The script prints once, and goes on when the test says so.
	bound := t.TempDir()
	x, dirs := onTerminal(t, "%post\n    set +x\n    echo printed-$((40+2))\n    while [ ! -e /run/go/on ]; do sleep 0.05; done\n",
		"--bind", bound+":/run/go")
	live := "stage 1: %post: /bin/sh -ex (line 3)  "
	x.expect(t, "printed-42\r\n", 1)
	x.expect(t, live, 3)
	if err := pty.Setsize(x.tty, &pty.Winsize{Rows: 20, Cols: 30}); err != nil {
		t.Fatal(err)
	}
	x.expect(t, "stage 1: %post: …  ", 1)
	write(t, filepath.Join(bound, "on"), "")
	x.expect(t, "x.sif\r\n", 2)
	x.exit(t, 0)
	x.mu.Lock()
	defer x.mu.Unlock()
	seen := x.seen.String()
	if n := strings.Count(seen, "sealift: [3/6] stage 1: %post"); n != 1 {
		t.Errorf("the step is told of %d times: %q", n, seen)
	}
	if _, err := os.Stat(filepath.Join(dirs[0], "x.sif")); err != nil {
		t.Error(err)
	}
}

// TestBuildOnPlainTerminals: without a live line, no escape sequence is printed.
func TestBuildOnPlainTerminals(t *testing.T) {
	asUser(t, "^TestBuildOnPlainTerminals$")
	for _, c := range [][2]string{{"TERM", "dumb"}, {"NO_COLOR", "1"}} {
		sealift, image := busyboxImage(t)
		t.Setenv("TERM", "xterm")
		t.Setenv(c[0], c[1])
		out := filepath.Join(t.TempDir(), "x.sif")
		x := startTerminal(t, sealift, "build", "--disable-cache", out, image)
		x.expect(t, "total", 1)
		x.exit(t, 0)
		x.mu.Lock()
		if seen := x.seen.String(); strings.Contains(seen, "\x1b") {
			t.Errorf("%v: %q", c, seen)
		}
		x.mu.Unlock()
	}
}
