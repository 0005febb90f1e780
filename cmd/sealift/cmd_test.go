package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
)

// fake returns a process that prints into buffers.
func fake(environ ...string) (p *process, out, msg *bytes.Buffer) {
	out, msg = new(bytes.Buffer), new(bytes.Buffer)
	return &process{tui: tui{out: out, err: msg}, name: "sealift", environ: environ, cwd: "/w"}, out, msg
}

func TestFlagsFromEnvironment(t *testing.T) {
	for _, c := range []struct {
		name    string
		environ []string
		args    []string
		binds   string
		home    bool
		err     string
	}{
		{name: "nothing"},
		{name: "own prefix first", environ: []string{"APPTAINER_BIND=a", "SEALIFT_BIND=s", "SINGULARITY_BIND=g"}, binds: "s"},
		{name: "second key", environ: []string{"SINGULARITY_BINDPATH=g"}, binds: "g"},
		{name: "collects, variable first", environ: []string{"SEALIFT_BIND=s"}, args: []string{"--bind", "f"}, binds: "s f"},
		{name: "empty is unset", environ: []string{"SEALIFT_BIND=", "APPTAINER_BIND=a"}, binds: "a"},
		{name: "boolean", environ: []string{"APPTAINER_NO_HOME=t"}, home: true},
		{name: "flag beats variable", environ: []string{"SEALIFT_NO_HOME=1"}, args: []string{"--no-home=false"}},
		{name: "not a boolean", environ: []string{"SEALIFT_NO_HOME=yes"}, err: "SEALIFT_NO_HOME=yes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _, _ := fake(c.environ...)
			flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
			binds := flags.StringArray("bind", nil, "")
			home := flags.Bool("no-home", false, "")
			bind(flags, "bind", "BIND", "BINDPATH")
			bind(flags, "no-home", "NO_HOME")
			if err := flags.Parse(c.args); err != nil {
				t.Fatal(err)
			}
			err := p.fromEnvironment(flags)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || hint.Of(err) == "" {
					t.Errorf("error %v, hint %q", err, hint.Of(err))
				}
				return
			}
			if got := strings.Join(*binds, " "); err != nil || got != c.binds || *home != c.home {
				t.Errorf("binds %q, home %v, error %v", got, *home, err)
			}
		})
	}
}

func TestFail(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{exitStatus(37), 37, ""},
		{errors.New("broken \x1b[31m\u202eimage"), 125, "sealift: error: broken \ufffd[31m\ufffdimage\n"},
		{hint.New("no", "do %s", "this"), 125, "sealift: error: no\nsealift: hint: do this\n"},
		{coded{}, 127, "sealift: error: gone\n"},
	} {
		p, _, msg := fake()
		if code := p.fail(c.err); code != c.code || msg.String() != c.text {
			t.Errorf("%v: code %d, text %q", c.err, code, msg.String())
		}
	}
}

type coded struct{}

func (coded) Error() string { return "gone" }
func (coded) ExitCode() int { return 127 }

func TestQuiet(t *testing.T) {
	p, _, msg := fake()
	p.quiet = true
	p.info("a step")
	if p.warn("w %d", 1); msg.String() != "sealift: warning: w 1\n" {
		t.Errorf("%q", msg.String())
	}
}

// TestHelp proves that every command and flag describes itself.
func TestHelp(t *testing.T) {
	p, _, _ := fake()
	describes(t, p.command().Commands())
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

func TestUsageErrors(t *testing.T) {
	for _, args := range []string{"exec", "exec x", "run", "build x", "inspect", "nonsense", "exec --nonsense x y",
		"image nonsense", "image ls", "image cat x", "image pack x", "image pack x y z", "image unpack x", "image pack --block-size 5Q x y"} {
		p, _, msg := fake()
		p.args = strings.Fields(args)
		if code := p.run(); code != 125 || !strings.HasPrefix(msg.String(), "sealift: error: ") || strings.Count(msg.String(), "error:") != 1 {
			t.Errorf("%s: code %d, %q", args, code, msg.String())
		}
	}
}

func TestVersion(t *testing.T) {
	p, out, _ := fake()
	p.args = []string{"--version"}
	if code := p.run(); code != 0 || !strings.HasPrefix(out.String(), "sealift version ") {
		t.Errorf("%d %q", code, out.String())
	}
}

func TestBuildArguments(t *testing.T) {
	file := filepath.Join(t.TempDir(), "args")
	if err := os.WriteFile(file, []byte("# comment\n\nA = 1\nB=x=y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := buildArguments([]string{file}, []string{"A=2"})
	if err != nil || got["A"] != "2" || got["B"] != "x=y" || len(got) != 2 {
		t.Errorf("%v %v", got, err)
	}
	if _, err := buildArguments(nil, []string{"novalue"}); hint.Of(err) == "" {
		t.Errorf("no hint: %v", err)
	}
}

func TestIsImage(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for source, want := range map[string]bool{
		"oci:dir": true, "docker-archive:x.tar:a:b": true, dir: true, filepath.Join(dir, "missing"): false,
		write("x.def", "Bootstrap: scratch\n"): false, write("a:b.def", "Bootstrap: scratch\n"): false,
		write("x.sqfs", "hsqs...."): true, write("x.sif", strings.Repeat("#", 32)+"SIF_MAGIC\x0001"): true,
	} {
		if got := isImage(source); got != want {
			t.Errorf("%s: %v", source, got)
		}
	}
}

func TestBuildTime(t *testing.T) {
	p, _, _ := fake("SOURCE_DATE_EPOCH=1600000000")
	if now, fixed, err := p.buildTime(); !fixed || err != nil || !now.Equal(time.Unix(1600000000, 0)) {
		t.Error(now, fixed, err)
	}
	p, _, _ = fake("SOURCE_DATE_EPOCH=soon")
	if _, _, err := p.buildTime(); hint.Of(err) == "" {
		t.Error("no hint:", err)
	}
	p, _, _ = fake()
	if _, fixed, err := p.buildTime(); fixed || err != nil {
		t.Error(fixed, err)
	}
}
