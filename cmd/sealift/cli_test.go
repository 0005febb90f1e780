package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/spec"
)

// TestVersion is about what workflow programs read.
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
		p.name, p.args = c.name, []string{c.arg}
		if code := p.run(); code != 0 || !strings.HasPrefix(out.String(), c.want) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%s %s: code %d, %q", c.name, c.arg, code, out)
		}
		if c.name == "apptainer" && !strings.HasSuffix(out.String(), "+sealift."+buildcfg.Version+"\n") {
			t.Errorf("the version hides the program: %q", out)
		}
	}
}

// TestFlagValues parses flags into a request.
func TestFlagValues(t *testing.T) {
	for _, c := range []struct {
		args, environ []string
		ok            func(r *spec.Request) bool
	}{
		{[]string{"--env", `A=b,C="d"`, "--env", "E=1\n2"}, nil, func(r *spec.Request) bool {
			return slices.Equal(r.Env, []string{`A=b,C="d"`, "E=1\n2"})
		}},
		{nil, nil, func(r *spec.Request) bool { return !r.NoPID }},
		{[]string{"--pid"}, nil, func(r *spec.Request) bool { return !r.NoPID }},
		{[]string{"--pid=false"}, nil, func(r *spec.Request) bool { return r.NoPID }},
		{[]string{"--no-pid"}, nil, func(r *spec.Request) bool { return r.NoPID }},
		{nil, []string{"APPTAINER_NO_PID=1"}, func(r *spec.Request) bool { return r.NoPID }},
		{[]string{"--no-mount", "sys"}, []string{"SEALIFT_NO_MOUNT=tmp,home"}, func(r *spec.Request) bool {
			return slices.Equal(r.NoMount, []string{"tmp", "home", "sys"})
		}},
		{nil, []string{"SINGULARITY_SCRATCHDIR=/a,/b"}, func(r *spec.Request) bool {
			return slices.Equal(r.Scratch, []string{"/a", "/b"})
		}},
		{[]string{"--bind", "/c,/d"}, []string{"SEALIFT_BIND=/a,/b"}, func(r *spec.Request) bool {
			return slices.Equal(r.Binds, []string{"/a,/b", "/c,/d"})
		}},
		{[]string{"--pwd", "/a", "--env-file", "x,y"}, nil, func(r *spec.Request) bool {
			return r.Pwd == "/a" && slices.Equal(r.EnvFiles, []string{"x", "y"})
		}},
	} {
		p, _, _ := fake(c.environ...)
		var r spec.Request
		flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
		mountFlags(flags, &r)
		environmentFlags(flags, &r)
		isolationFlags(flags, &r)
		if err := flags.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		if err := p.fromEnvironment(flags); err != nil || !c.ok(&r) {
			t.Errorf("%q, %q: %v, %+v", c.args, c.environ, err, r)
		}
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
		p.args = strings.Fields(args)
		if code := p.run(); code != 125 || !strings.Contains(msg.String(), want) || !strings.Contains(msg.String(), "hint: ") {
			t.Errorf("%s: code %d, %q", args, code, msg)
		}
	}
}

// TestLauncher is an image that is executed itself.
func TestLauncher(t *testing.T) {
	p, _, msg := fake()
	p.name, p.args = launcher, []string{"--help"}
	out := new(strings.Builder)
	p.out = out
	if code := p.run(); code != 0 || !strings.Contains(out.String(), "sealift run [flags] IMAGE") {
		t.Errorf("code %d, %q, %q", code, out, msg)
	}
}

func TestArrives(t *testing.T) {
	signals := make(chan os.Signal, 1)
	if arrives(signals) {
		t.Error("a signal that nobody sent")
	}
	signals <- os.Interrupt
	if !arrives(signals) {
		t.Error("a signal is lost")
	}
}

func TestSilent(t *testing.T) {
	p, _, msg := fake()
	p.silent = true
	p.info("a step")
	p.warn("careful")
	if p.fail(os.ErrExist); msg.String() != "sealift: error: file already exists\n" {
		t.Errorf("%q", msg)
	}
}

func TestOpenImage(t *testing.T) {
	for path, want := range map[string]string{
		"/no/such/image": "spelling", "oci:/no/layout:tag": "sealift build image.sif oci:/no/layout:tag",
		"docker://alpine": "only files and directories", "no:such": "spelling",
		"/dev/null/x": "check the path",
	} {
		if _, err := openImage(path, image.Options{}); err == nil || !strings.Contains(hint.Of(err), want) {
			t.Errorf("%s: %v, hint %q", path, err, hint.Of(err))
		}
	}
}
