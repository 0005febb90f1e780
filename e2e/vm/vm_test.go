package vm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestScript runs the script of a machine by this machine's shell, and reads its results.
func TestScript(t *testing.T) {
	m := Machine{Setup: "cd /\n", As: "exec sh -c ", Cases: []Case{
		{Name: "plain", Command: `echo "it's"; echo 'a b' >&2; exit 3`},
		{Name: "as a user", Command: `echo 'x y'; pwd`, As: true},
		{Name: "no group", Command: "echo never", Group: "no/such"},
		{Name: "no output", Command: "true"},
	}}
	text := strings.ReplaceAll(m.script(), "cd /home/tester", "cd /")
	out, err := exec.Command("sh", "-c", text).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	found, err := m.results(strings.ReplaceAll(string(out), "\n", "\r\n") + "[ 1.0] a message of the kernel\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Result{"plain": {"it's\na b", 3}, "as a user": {"x y\n/", 0}, "no output": {"", 0}} {
		if found[name] != want {
			t.Errorf("%s: %+v", name, found[name])
		}
	}
	if found["no group"].Status != 99 {
		t.Errorf("%+v", found["no group"])
	}
	if _, err := m.results(string(out[:len(out)/2])); err == nil {
		t.Error("a console that ends early is taken")
	}
}

// TestArchive unpacks an archive by Busybox.
func TestArchive(t *testing.T) {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("no busybox")
	}
	var b bytes.Buffer
	a := archive{w: &b, made: map[string]bool{}}
	a.text("a/b/c", 0o600, "text")
	a.link("a/l", "b/c")
	a.text("empty", 0o755, "")
	a.file("copy", "vm_test.go")
	a.text("TRAILER!!!", 0, "")
	if a.err != nil {
		t.Fatal(a.err)
	}
	dir := t.TempDir()
	cmd := exec.Command(busybox, "cpio", "-id")
	cmd.Dir, cmd.Stdin = dir, &b
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want, err := os.ReadFile("vm_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"a/l": "text", "empty": "", "copy": string(want)} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != text {
			t.Errorf("%s: %v, %d bytes", name, err, len(got))
		}
	}
	a.file("x", "/none")
	if a.text("y", 0, ""); a.err == nil {
		t.Error("a file that is not there")
	}
}
