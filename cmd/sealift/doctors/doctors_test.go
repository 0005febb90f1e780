package doctors

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/doctor"
)

func fake() (*ui.Process, *bytes.Buffer) {
	out := new(bytes.Buffer)
	return &ui.Process{Terminal: ui.Terminal{Out: out, Err: out}, Name: "sealift"}, out
}

var bad = []doctor.Check{
	{Name: "kernel", State: doctor.OK, Found: "6.1"},
	{Name: "root-emulation", State: doctor.Warning, Found: "a\nb\tc\x1b[31m", Effect: "e", Fix: "one\ntwo"},
	{Name: "fuse", State: doctor.Failed, Found: "f", Effect: "g", Fix: "h"},
}

func TestTable(t *testing.T) {
	p, out := fake()
	if err := show(p, bad, false); err != ui.ExitStatus(1) {
		t.Error(err)
	}
	want := `CHECK           STATE    FOUND
kernel          ok       6.1
root-emulation  warning  a; b c` + "\uFFFD" + `[31m
                effect:  e
                   fix:  one
                         two
fuse            failed   f
                effect:  g
                   fix:  h
`
	if out.String() != want {
		t.Errorf("%s", out)
	}
}

func TestJSON(t *testing.T) {
	p, out := fake()
	if err := show(p, bad[:1], true); err != nil {
		t.Error(err)
	}
	want := `{
  "run": true,
  "checks": [
    {
      "name": "kernel",
      "state": "ok",
      "found": "6.1",
      "effect": "",
      "fix": ""
    }
  ]
}
`
	if out.String() != want {
		t.Errorf("%s", out)
	}
	out.Reset()
	if err := show(p, bad, true); err != ui.ExitStatus(1) || !strings.HasPrefix(out.String(), "{\n  \"run\": false,") {
		t.Errorf("%v %s", err, out)
	}
}

// TestReaderLeaves: what cannot be printed is told, and the status is not that of
// a check.
func TestReaderLeaves(t *testing.T) {
	p, _ := fake()
	p.Out = failing{}
	if err := show(p, bad, false); err == nil || err == ui.ExitStatus(1) {
		t.Error(err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no") }

func TestColours(t *testing.T) {
	got := table(bad, func(c ui.Colour, text string) string { return string(rune('0'+c%10)) + strings.TrimSpace(text) })
	for _, want := range []string{"kernel          2ok  6.1\n", "  3warning  a", "fuse            1failed  f\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestUnknownName(t *testing.T) {
	p, _ := fake()
	c := Command(p)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs([]string{"fuse", "fuze"})
	err := c.Execute()
	if err == nil || !strings.Contains(err.Error(), `"fuze"`) || !strings.Contains(hint.Of(err), "fuse, overlay") {
		t.Errorf("%v; %s", err, hint.Of(err))
	}
}

// TestHelpNamesAll: the help describes every check, and every field of JSON.
func TestHelpNamesAll(t *testing.T) {
	text := help()
	for _, name := range append(doctor.Names(), "run", "checks", "name", "state", "found", "effect", "fix") {
		if !strings.Contains(text, "\n  "+name+" ") && !strings.Contains(text, "\n    "+name+" ") {
			t.Errorf("no %s", name)
		}
	}
}
