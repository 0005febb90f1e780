package enter

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build builds the program in testdata, which begins with this package's code if the linker
// is told so.
func build(t *testing.T, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), "./testdata/program")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// container starts a process in namespaces of its own and returns the directory of their
// files.
func container(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--ipc", "--uts", "--mount", "sh", "-c", "echo; cat")
	in, err := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/proc/%d/ns/", cmd.Process.Pid)
}

// enter runs the program with namespaces as its descriptors from 3 on.
func enterAll(t *testing.T, program, dir string, kinds ...Kind) []string {
	t.Helper()
	var list []Namespace
	cmd := exec.Command(program, "first", "second")
	for _, kind := range kinds {
		f, err := os.Open(dir + kind.String())
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		list = append(list, Namespace{kind, 3 + len(cmd.ExtraFiles)})
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	cmd.Args = append(cmd.Args, Word(list))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// TestEnter enters namespaces, of which that of mounts is copied.
func TestEnter(t *testing.T) {
	program, dir := build(t, "-ldflags", "-E "+Symbol), container(t)
	want := map[string]string{}
	for _, name := range []string{"user", "ipc", "uts", "mnt"} {
		link, err := os.Readlink(dir + name)
		if err != nil {
			t.Fatal(err)
		}
		want[name] = link + " <nil>"
	}
	got := enterAll(t, program, dir, User, IPC, UTS, Copied)
	if len(got) != 6 || got[0] != `<nil> unknown 0` || got[1] != want["user"] || got[2] != want["ipc"] || got[3] != want["uts"] || got[5] != "<nil> true 4 first" {
		t.Errorf("%q, want %v", got, want)
	}
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil || got[4] == want["mnt"] || got[4] == own+" <nil>" {
		t.Errorf("the mount namespace is %s; that of the container %s, of this process %s, %v", got[4], want["mnt"], own, err)
	}
	if got := enterAll(t, program, dir, User, Mount); got[4] != want["mnt"] {
		t.Errorf("the mount namespace is %s, not %s", got[4], want["mnt"])
	}
}

// TestEnterFails has namespaces that cannot be entered, and a program that is none of this
// package's.
func TestEnterFails(t *testing.T) {
	program, dir := build(t, "-ldflags", "-E "+Symbol), container(t)
	for word, want := range map[string]string{
		prefix + "u99":                   `bad file descriptor user 0`,
		prefix + "x3":                    `invalid argument unknown 0`,
		prefix + "m3":                    `bad file descriptor mnt 0`,
		prefix:                           `<nil> unknown 0`,
		"enter":                          `invalid argument unknown 0`,
		prefix + "u99999999999999999999": `bad file descriptor user 0`,
	} {
		out, err := exec.Command(program, "first", "second", word).CombinedOutput()
		if got, _, _ := strings.Cut(string(out), "\n"); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", word, got, err, want)
		}
	}
	// A word in another place is somebody else's: it is not acted on.
	for _, args := range [][]string{{prefix + "x3"}, {"first", prefix + "x3"}, {"first", "second", "third", prefix + "x3"}} {
		out, err := exec.Command(program, args...).CombinedOutput()
		if got, _, _ := strings.Cut(string(out), "\n"); err != nil || got != `function not implemented unknown 0` {
			t.Errorf("%q: %q, %v", args, got, err)
		}
	}
	if got := enterAll(t, build(t), dir, User); got[0] != `function not implemented unknown 0` {
		t.Errorf("%q", got)
	}
}
