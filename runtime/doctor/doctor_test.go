package doctor

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the expected checks in testdata")

// TestChecks runs testdata/*.txtar. A case "CHECK: NAME" holds findings, in JSON,
// that differ from those of testdata/base.json; "CHECK: NAME.want" is what the check
// has to say of them.
func TestChecks(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no test cases", err)
	}
	states := map[string][]State{}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out := &txtar.Archive{Comment: archive.Comment}
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, ".want") {
				continue
			}
			var got string
			t.Run(f.Name, func(t *testing.T) {
				c := runCase(t, f)
				states[c.Name] = append(states[c.Name], c.State)
				if got = format(c); got != want(archive, f.Name) && !*update {
					t.Errorf("got:\n%swant:\n%s", got, want(archive, f.Name))
				}
			})
			out.Files = append(out.Files, f, txtar.File{Name: f.Name + ".want", Data: []byte(got)})
		}
		if text := txtar.Format(out); *update && !bytes.Equal(text, txtar.Format(archive)) {
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range Names() {
		if !slices.Contains(states[name], OK) || !slices.ContainsFunc(states[name], func(s State) bool { return s != OK }) {
			t.Errorf("%s: the cases have the states %v only", name, states[name])
		}
	}
}

func want(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name+".want" {
			return string(f.Data)
		}
	}
	return ""
}

// runCase returns the check that the case is for.
func runCase(t *testing.T, c txtar.File) Check {
	t.Helper()
	text := regexp.MustCompile(`"E[A-Z]+"`).ReplaceAllFunc(c.Data, func(name []byte) []byte {
		n, known := errnos[strings.Trim(string(name), `"`)]
		if !known {
			t.Fatalf("unknown %s", name)
		}
		return fmt.Append(nil, int(n))
	})
	f := findings(t, text)
	name, _, _ := strings.Cut(c.Name, ":")
	for _, check := range Examine(f) {
		if check.Name == name {
			wellFormed(t, check)
			return check
		}
	}
	t.Fatalf("no check %q", name)
	return Check{}
}

// findings are those of testdata/base.json with changes.
func findings(t *testing.T, changes []byte) (f Findings) {
	t.Helper()
	base, err := os.ReadFile("testdata/base.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(merged(object(t, base), object(t, changes)))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		t.Fatal(err)
	}
	return f
}

func base(t *testing.T) Findings { return findings(t, []byte("{}")) }

func object(t *testing.T, text []byte) (o map[string]any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&o); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return o
}

// merged puts the fields of changes into o; lists are replaced as a whole.
func merged(o, changes map[string]any) map[string]any {
	for name, value := range changes {
		inner, isObject := value.(map[string]any)
		if old, ok := o[name].(map[string]any); ok && isObject {
			value = merged(old, inner)
		}
		o[name] = value
	}
	return o
}

var errnos = map[string]syscall.Errno{
	"EACCES": syscall.EACCES, "EPERM": syscall.EPERM, "ENOSPC": syscall.ENOSPC, "EINVAL": syscall.EINVAL, "ENODEV": syscall.ENODEV,
	"EIO": syscall.EIO, "EROFS": syscall.EROFS, "ENOLCK": syscall.ENOLCK, "ENOSYS": syscall.ENOSYS, "ENOENT": syscall.ENOENT,
}

// wellFormed checks what the documentation of Check promises.
func wellFormed(t *testing.T, c Check) {
	t.Helper()
	if c.Found == "" || strings.Contains(c.Found+c.Effect, "\n") {
		t.Errorf("%s: found %q, effect %q", c.Name, c.Found, c.Effect)
	}
	if fine := c.State == OK; fine != (c.Effect == "") || fine != (c.Fix == "") {
		t.Errorf("%s is %s, with the effect %q and the fix %q", c.Name, c.State, c.Effect, c.Fix)
	}
	if strings.HasPrefix(c.Fix, "\n") || strings.HasSuffix(c.Fix, "\n") || strings.Contains(c.Fix+c.Found+c.Effect, "%!") {
		t.Errorf("%s: fix %q", c.Name, c.Fix)
	}
}

func format(c Check) string {
	text := fmt.Sprintf("%s: %s\n", c.State, c.Found)
	if c.State != OK {
		text += "effect: " + c.Effect + "\nfix: " + strings.ReplaceAll(c.Fix, "\n", "\n     ") + "\n"
	}
	return text
}

// TestGoodMachine has nothing to complain of on the machine that all cases start
// from.
func TestGoodMachine(t *testing.T) {
	checks := Examine(base(t))
	if len(checks) != len(Names()) {
		t.Errorf("%d checks, %d names", len(checks), len(Names()))
	}
	for i, c := range checks {
		wellFormed(t, c)
		if c.Name != Names()[i] || c.State != OK && c.Name != "pmi" {
			t.Errorf("%+v", c)
		}
		if About(c.Name) == "" {
			t.Errorf("nothing about %s", c.Name)
		}
	}
	if About("nonsense") != "" {
		t.Error("something about nonsense")
	}
}

// TestNothingFound examines a machine of which nothing is known, and one where
// nothing answers.
func TestNothingFound(t *testing.T) {
	f := Findings{Host: base(t).Host, Patience: 7}
	for _, c := range Examine(f) {
		wellFormed(t, c)
	}
	f.Late = Names()
	for _, c := range Examine(f) {
		wellFormed(t, c)
		essential := c.Name == "userns" || c.Name == "fuse"
		if c.Found != "no answer within 7 s" || essential != (c.State == Failed) || c.State == OK {
			t.Errorf("%+v", c)
		}
	}
}

// TestJSON holds the interface for programs.
func TestJSON(t *testing.T) {
	b, err := json.Marshal(Check{"fuse", Failed, "a", "b", "c\nd"})
	if want := `{"name":"fuse","state":"failed","found":"a","effect":"b","fix":"c\nd"}`; err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
	if b, err = json.Marshal(Check{Name: "fuse", State: OK}); err != nil || string(b) != `{"name":"fuse","state":"ok","found":"","effect":"","fix":""}` {
		t.Errorf("%s, %v", b, err)
	}
}

func TestTasksOf(t *testing.T) {
	for _, c := range []struct {
		list string
		node int
		want int
		ok   bool
	}{
		{"2(x3),1", 0, 2, true}, {"2(x3),1", 2, 2, true}, {"2(x3),1", 3, 1, true}, {"2(x3),1", 4, 0, false},
		{"16", 0, 16, true}, {"", 0, 0, false}, {"x", 0, 0, false}, {"1,2", 1, 2, true},
	} {
		if n, ok := tasksOf(c.list, c.node); n != c.want || ok != c.ok {
			t.Errorf("%q, node %d: %d, %v", c.list, c.node, n, ok)
		}
	}
}

// TestLauncherOf reads what launchers print for --version.
func TestLauncherOf(t *testing.T) {
	for text, want := range map[string]string{
		"mpirun (Open MPI) 4.1.2\n\nReport bugs to http://www.open-mpi.org/community/help/":              "Open MPI|4.1.2",
		"mpirun.openmpi (OpenRTE) 4.1.4\n\nReport bugs":                                                  "Open MPI|4.1.4",
		"mpirun (IBM Spectrum MPI) 10.4.0.03rtm4":                                                        "IBM Spectrum MPI|10.4.0.03rtm4",
		"Intel(R) MPI Library for Linux* OS, Version 2021.10 Build 20230619 (id: c2e19c2f3e)\nCopyright": "Intel MPI|2021.10",
		"HYDRA build details:\n    Version:                                 4.0.2\n":                     "MPICH|4.0.2",
		"mpiexec version 1.3.2": "mpiexec version 1.3.2|",
		"mpirun (Open MPI)":     "Open MPI|",
		"":                      "a launcher of an unknown kind|",
	} {
		if family, version := launcherOf(text); family+"|"+version != want {
			t.Errorf("%q: %q %q", text, family, version)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1 << 30: "1.0 GiB", 1<<64 - 1: "16384.0 PiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
