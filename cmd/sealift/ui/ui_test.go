package ui

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
)

// fake returns a process that prints into buffers.
func fake(environ ...string) (p *Process, out, msg *bytes.Buffer) {
	out, msg = new(bytes.Buffer), new(bytes.Buffer)
	return &Process{Terminal: Terminal{Out: out, Err: msg}, Name: "sealift", Environ: environ, Cwd: "/w"}, out, msg
}

func TestFlagsFromEnvironment(t *testing.T) {
	for _, c := range []struct {
		name    string
		environ []string
		args    []string
		binds   string
		home    bool
		noMount string
		warning string
		err     string
	}{
		{name: "nothing"},
		{name: "own prefix first", environ: []string{"APPTAINER_BIND=a", "SEALIFT_BIND=s", "SINGULARITY_BIND=s"}, binds: "s",
			warning: "SEALIFT_BIND and APPTAINER_BIND have"},
		{name: "second key", environ: []string{"SINGULARITY_BINDPATH=g"}, binds: "g"},
		{name: "collects, variable first", environ: []string{"SEALIFT_BIND=s"}, args: []string{"--bind", "f"}, binds: "s f"},
		{name: "empty is unset", environ: []string{"SEALIFT_BIND=", "APPTAINER_BIND=a"}, binds: "a"},
		{name: "boolean", environ: []string{"APPTAINER_NO_HOME=t"}, home: true},
		{name: "flag beats variable", environ: []string{"SEALIFT_NO_HOME=1"}, args: []string{"--no-home=false"}},
		{name: "not a boolean", environ: []string{"SEALIFT_NO_HOME=yes"}, err: "SEALIFT_NO_HOME=yes"},
		{name: "nor on", environ: []string{"SINGULARITY_NO_HOME=on"}, err: "SINGULARITY_NO_HOME=on"},
		{name: "blanks are unset", environ: []string{"SEALIFT_NO_HOME= ", "APPTAINER_NO_HOME=\t"}},
		{name: "blanks around", environ: []string{"SEALIFT_NO_HOME= true "}, home: true},
		{name: "false", environ: []string{"SEALIFT_NO_HOME=F", "APPTAINER_NO_HOME=F"}},
		{name: "a stronger false", environ: []string{"SEALIFT_NO_HOME=0", "APPTAINER_NO_HOME=1"},
			warning: "SEALIFT_NO_HOME and APPTAINER_NO_HOME have different values: that of SEALIFT_NO_HOME counts"},
		{name: "every variable is collected", environ: []string{"APPTAINER_BINDPATH=site", "SINGULARITY_BIND=user"}, binds: "user site"},
		{name: "each key once", environ: []string{"APPTAINER_BIND=a", "SINGULARITY_BIND=a", "SINGULARITY_BINDPATH=p"}, binds: "a p"},
		{name: "items without blanks", environ: []string{"SEALIFT_NO_MOUNT=tmp , home"}, noMount: "tmp home"},
		{name: "flag beats a list", environ: []string{"SEALIFT_NO_MOUNT=tmp"}, args: []string{"--no-mount", "home"}, noMount: "home"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _, msg := fake(c.environ...)
			p.Verbose = true
			flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
			binds := flags.StringArray("bind", nil, "")
			home := flags.Bool("no-home", false, "")
			noMount := flags.StringSlice("no-mount", nil, "")
			Collect(flags, "bind", "BIND", "BINDPATH")
			Bind(flags, "no-mount", "NO_MOUNT")
			Bind(flags, "no-home", "NO_HOME")
			if err := flags.Parse(c.args); err != nil {
				t.Fatal(err)
			}
			err := p.FromEnvironment(flags)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || hint.Of(err) == "" {
					t.Errorf("error %v, hint %q", err, hint.Of(err))
				}
				return
			}
			if got := strings.Join(*binds, " "); err != nil || got != c.binds || *home != c.home || strings.Join(*noMount, " ") != c.noMount {
				t.Errorf("binds %q, home %v, no mount %q, error %v", got, *home, *noMount, err)
			}
			told := strings.Contains(msg.String(), "sealift: --bind is set by ")
			if told != (strings.Contains(strings.Join(c.environ, " "), "_BIND") && c.binds != "") || strings.Contains(msg.String(), "=") {
				t.Errorf("told %q", msg)
			}
			if warned := strings.Contains(msg.String(), "warning: "); warned != (c.warning != "") || !strings.Contains(msg.String(), c.warning) {
				t.Errorf("warned %q", msg)
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
		{ExitStatus(37), 37, ""},
		{errors.New("broken \x1b[31m\u202eimage"), 125, "sealift: error: broken \ufffd[31m\ufffdimage\n"},
		{hint.New("no", "do %s", "this"), 125, "sealift: error: no\nsealift: hint: do this\n"},
		{coded{}, 127, "sealift: error: gone\n"},
	} {
		p, _, msg := fake()
		if code := p.Fail(c.err); code != c.code || msg.String() != c.text {
			t.Errorf("%v: code %d, text %q", c.err, code, msg.String())
		}
	}
}

type coded struct{}

func (coded) Error() string { return "gone" }

func (coded) ExitCode() int { return 127 }

func TestQuiet(t *testing.T) {
	p, _, msg := fake()
	p.Quiet = true
	p.Info("a step")
	if p.Warn("w %d", 1); msg.String() != "sealift: warning: w 1\n" {
		t.Errorf("%q", msg.String())
	}
}

func TestSilent(t *testing.T) {
	p, _, msg := fake()
	p.Silent = true
	p.Info("a step")
	p.Warn("careful")
	if p.Fail(os.ErrExist); msg.String() != "sealift: error: file already exists\n" {
		t.Errorf("%q", msg)
	}
}

func TestVerbose(t *testing.T) {
	for _, c := range []struct {
		verbose, debug bool
		want           string
	}{
		{false, false, ""},
		{true, false, "sealift: image x\n"},
		{false, true, "sealift: image x\nsealift: debug: one\nsealift: debug: t\ufffdwo\n"},
	} {
		p, _, msg := fake()
		p.Verbose, p.Debug = c.verbose, c.debug
		p.Detail("image %s", "x")
		if p.Trace("one\nt\x1bwo\n"); msg.String() != c.want {
			t.Errorf("%+v: %q", c, msg)
		}
	}
}

func TestBuildTime(t *testing.T) {
	p, _, _ := fake("SOURCE_DATE_EPOCH=1600000000")
	if now, fixed, err := p.BuildTime(); !fixed || err != nil || !now.Equal(time.Unix(1600000000, 0)) {
		t.Error(now, fixed, err)
	}
	p, _, _ = fake("SOURCE_DATE_EPOCH=soon")
	if _, _, err := p.BuildTime(); hint.Of(err) == "" {
		t.Error("no hint:", err)
	}
	p, _, _ = fake()
	if _, fixed, err := p.BuildTime(); fixed || err != nil {
		t.Error(fixed, err)
	}
}

// TestFlagsFromSite has what the site says count where no variable sets the same.
func TestFlagsFromSite(t *testing.T) {
	for environ, want := range map[string]bool{"": true, "SINGULARITY_NO_HOME=0": false, "SEALIFT_OTHER=0": true} {
		p, _, _ := fake(environ)
		p.Site = []string{"SEALIFT_X=1", "SEALIFT_NO_HOME=1"}
		flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
		home := flags.Bool("no-home", false, "")
		Bind(flags, "no-home", "NO_HOME")
		if err := p.FromEnvironment(flags); err != nil || *home != want {
			t.Errorf("%q: %v, %v", environ, *home, err)
		}
	}
}
