package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

// fake returns a process that prints into buffers.
func fake(environ ...string) (p *ui.Process, out, msg *bytes.Buffer) {
	out, msg = new(bytes.Buffer), new(bytes.Buffer)
	return &ui.Process{Terminal: ui.Terminal{Out: out, Err: msg}, Name: "sealift", Environ: environ, Cwd: "/w"}, out, msg
}

func TestVersionByName(t *testing.T) {
	for _, c := range []struct{ name, arg, want string }{
		{"sealift", "--version", "sealift version " + buildcfg.Version},
		{"sealift", "version", buildcfg.Version},
		{"renamed", "--version", "sealift version " + buildcfg.Version},
		{"apptainer", "--version", "apptainer version 1."},
		{"apptainer", "version", "1."},
		{"singularity", "--version", "singularity-ce version 4."},
		{"singularity", "version", "4."},
	} {
		p, out, _ := fake()
		p.Name, p.Args = c.name, []string{c.arg}
		if code := run(p); code != 0 || !strings.HasPrefix(out.String(), c.want) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%s %s: code %d, %q", c.name, c.arg, code, out)
		}
		if c.name == "apptainer" && !strings.HasSuffix(out.String(), "+sealift."+buildcfg.Version+"\n") {
			t.Errorf("the version hides the program: %q", out)
		}
	}
}

func TestVersion(t *testing.T) {
	p, out, _ := fake()
	p.Args = []string{"--version"}
	if code := run(p); code != 0 || !strings.HasPrefix(out.String(), "sealift version ") {
		t.Errorf("%d %q", code, out.String())
	}
}

func TestMistakes(t *testing.T) {
	for args, want := range map[string]string{
		"exce":             `unknown command "exce"` + "\nsealift: hint: did you mean exec? See 'sealift --help'\n",
		"nonsense":         "hint: see 'sealift --help'",
		"inspect a b":      `unexpected operand "b"`,
		"build a b c":      `unexpected operand "c"`,
		"-v":               "unknown shorthand flag: 'v'",
		"exec --pid=x a b": `invalid argument "x"`,
	} {
		p, _, msg := fake()
		p.Args = strings.Fields(args)
		if code := run(p); code != 125 || !strings.Contains(msg.String(), want) || !strings.Contains(msg.String(), "hint: ") {
			t.Errorf("%s: code %d, %q", args, code, msg)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range []string{"exec", "exec x", "run", "build x", "inspect", "run-help", "run-help a b", "nonsense", "exec --nonsense x y",
		"image nonsense", "sif nonsense", "sif list", "sif info 1", "image ls", "image cat x", "image pack x", "image pack x y z", "image unpack x", "image pack --block-size 5Q x y"} {
		p, _, msg := fake()
		p.Args = strings.Fields(args)
		if code := run(p); code != 125 || !strings.HasPrefix(msg.String(), "sealift: error: ") || strings.Count(msg.String(), "error:") != 1 {
			t.Errorf("%s: code %d, %q", args, code, msg.String())
		}
	}
}

func TestLauncher(t *testing.T) {
	p, _, msg := fake()
	p.Name, p.Args = launcher, []string{"--help"}
	out := new(strings.Builder)
	p.Out = out
	if code := run(p); code != 0 || !strings.Contains(out.String(), "sealift run [flags] IMAGE") {
		t.Errorf("code %d, %q, %q", code, out, msg)
	}
}

func TestHelp(t *testing.T) {
	p, _, _ := fake()
	describes(t, command(p).Commands())
}

func describes(t *testing.T, commands []*cobra.Command) {
	t.Helper()
	for _, c := range commands {
		if c.Short == "" {
			t.Errorf("%s has no description", c.CommandPath())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s has no description", c.CommandPath(), f.Name)
			}
		})
		for line := range strings.Lines(c.Long) {
			if len(line) > 81 {
				t.Errorf("%s: a line of its help has %d characters: %s", c.CommandPath(), len(line)-1, line)
			}
		}
		describes(t, c.Commands())
	}
}
