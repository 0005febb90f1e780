package wrapper

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestScript: a real shell gets every word as it is, and the script says what it runs.
func TestScript(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "a program's")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nprintf '[%s]' \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	w := Wrapper{Program: program, Flags: []string{"--nv=true", "--env=A='x' $(y) `z` \\ \"\n#", "--bind="}, Image: "/i m/é.sif", Command: "tool~"}
	text, err := w.Script()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, text, 0o755); err != nil {
		t.Fatal(err)
	}
	want := "[exec][--nv=true][--env=A='x' $(y) `z` \\ \"\n#][--bind=][--][/i m/é.sif][tool~][a  b][][*]"
	if out, err := exec.Command(script, "a  b", "", "*").CombinedOutput(); err != nil || string(out) != want {
		t.Errorf("%v\n%s\n%s\n%s", err, out, want, text)
	}
	if got, err := Parse(text); err != nil || !reflect.DeepEqual(got, w) {
		t.Errorf("%v %+v", err, got)
	}
	plain, err := Wrapper{Program: "/usr/bin/sealift", Image: "/a.sif", Command: "python3"}.Script()
	if lines := strings.Split(string(plain), "\n"); err != nil || len(lines) != 5 || lines[3] != `exec /usr/bin/sealift exec -- /a.sif python3 "$@"` {
		t.Errorf("%v %s", err, plain)
	}
}

func TestParseForeign(t *testing.T) {
	text, err := Wrapper{Program: "/p", Image: "/i", Command: "c"}.Script()
	if err != nil {
		t.Fatal(err)
	}
	for _, foreign := range []string{
		"", "#!/bin/sh\n", "#!/bin/sh\n" + mark + "\n", "#!/bin/sh\n" + mark + "\n# {}", string(text) + "echo more\n",
		strings.Replace(string(text), "/i", "/j", 1), strings.Replace(string(text), "wrapper 1", "wrapper 2", 1),
	} {
		if w, err := Parse([]byte(foreign)); !errors.Is(err, ErrForeign) {
			t.Errorf("%q: %+v %v", foreign, w, err)
		}
	}
}
