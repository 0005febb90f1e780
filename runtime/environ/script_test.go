package environ

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestPayloadArguments(t *testing.T) {
	e, err := New(inputs(write(t, complex["arguments"])))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"printf", "<%s>", "a b", "", "it's", "$HOME", "`x`", "new\nline", "-n", "*", "\\"}
	command, env := e.Script(args)
	for name, sh := range shells(t) {
		cmd := exec.Command(sh[0], append(slices.Clone(sh[1:]), command[1:]...)...)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		if want := "<" + strings.Join(args[2:], "><") + ">"; err != nil || string(out) != want {
			t.Errorf("%s: %q, %v; want %q", name, out, err, want)
		}
	}
}

func TestSecretsStayOutOfTheCommandLine(t *testing.T) {
	in := inputs(write(t, complex["function"]))
	in.Caller = append(in.Caller, "TOKEN=s3cret-a", "SEALIFTENV_KEY=s3cret-b")
	in.Set = []string{"PASS=s3cret-c", "PREPEND_PATH=/s3cret-d"}
	e, err := New(in)
	if err != nil {
		t.Fatal(err)
	}
	command, _ := e.Script([]string{"true"})
	if strings.Contains(strings.Join(command, " "), "s3cret") {
		t.Errorf("a value is visible to every user: %q", command)
	}
}

// TestMissingCommand is about a command that only the image's shell can miss.
func TestMissingCommand(t *testing.T) {
	e, err := New(inputs(write(t, complex["substitution"])))
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{
		"no-such-program": "executable file not found in $PATH: no such file or directory\nsealift: hint: check its name, and PATH inside the container\n",
		"/no/such/file":   "no such file or directory\nsealift: hint: check the path, which is one inside the container\n",
	}
	for args, code := range map[string]int{"no-such-program": 127, "/no/such/file": 127, "/etc/passwd": 126, "true": 0} {
		command, env := e.Script([]string{args})
		for name, sh := range shells(t) {
			cmd := exec.Command(sh[0], append(slices.Clone(sh[1:]), command[1:]...)...)
			cmd.Env = env
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != code {
				t.Errorf("%s, %s: %v %s", name, args, err, out)
			}
			if want := "sealift: error: " + args + ": " + said[args]; code == 127 && string(out) != want {
				t.Errorf("%s, %s: %q", name, args, out)
			}
		}
	}
}
