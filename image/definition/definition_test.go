package definition

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// dump prints all that Parse found.
func dump(r *Recipe) string {
	var b strings.Builder
	for _, s := range r.Stages {
		fmt.Fprintf(&b, "stage %q line %d\n", s.Name, s.Line)
		for _, h := range s.Headers {
			fmt.Fprintf(&b, "  %d: %s = %q\n", h.Line, h.Key, h.Value)
		}
		for _, x := range s.Sections {
			fmt.Fprintf(&b, "  %d: %%%s args %q\n", x.Line, x.Name, x.Args)
			for line := range strings.Lines(x.Body) {
				fmt.Fprintf(&b, "    %q\n", line)
			}
		}
	}
	return b.String()
}

func mustParse(t *testing.T, text string) *Recipe {
	t.Helper()
	r, err := Parse("x.def", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParseGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/whole.def")
	if err != nil {
		t.Fatal(err)
	}
	got := dump(mustParse(t, string(text)))
	const golden = "testdata/whole.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestParseIgnoresLineEndsAndByteOrderMark(t *testing.T) {
	unix := mustParse(t, "Bootstrap: scratch\n\n%post\n  a\n  b\n")
	for _, text := range []string{
		"Bootstrap: scratch\r\n\r\n%post\r\n  a\r\n  b\r\n",
		"\ufeffBootstrap: scratch\n\n%post\n  a\n  b",
	} {
		if got := mustParse(t, text); dump(got) != dump(unix) || got.Text != unix.Text {
			t.Errorf("%q parses as\n%s", text, dump(got))
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", `x.def:1: no Bootstrap header; expected "Bootstrap: agent" before the first section`},
		{"comment only", "# hello\n\n", "x.def:2: no Bootstrap header"},
		{"unknown keyword", "Bootstrap: oci\n  Frmo: x\n", `x.def:2:3: unknown keyword "Frmo"; expected a known one`},
		{"unknown section", "Bootstrap: oci\n%psot\n", `x.def:2:1: unknown section "%psot"; expected a known one`},
		{"bare percent", "Bootstrap: oci\n%\n", `x.def:2:1: unknown section "%"`},
		{"app section", "Bootstrap: oci\n%appinstall # foo\n", `x.def:2:12: section %appinstall without a name; expected "%appinstall NAME"`},
		{"no colon", "Bootstrap: oci\nhello\n", `x.def:2:1: "hello" is not a header; expected "Keyword: value", a %section or a # comment`},
		{"no value", "Bootstrap: oci\nFrom:   # what\n", `x.def:2:9: keyword "from" without a value`},
		{"twice", "Bootstrap: oci\nFrom: a\nfrom: b\n", `x.def:3:1: keyword "from" a second time, after line 2; expected each once per stage`},
		{"section first", "%post\n a\nBootstrap: oci\n", "x.def:1: no Bootstrap header"},
		{"other header first", "From: a\n%post\n", "x.def:1: no Bootstrap header"},
		{"includecmd", "Bootstrap: oci\nIncludeCmd: yes\n", "x.def:2:1: IncludeCmd has no effect"},
		{"open continuation", "Bootstrap: oci\nFrom: a \\\n", `x.def:2:9: end of file after a "\"`},
		{"NUL", "Bootstrap: oci\n%post\n a\x00b\n", "x.def:3:3: NUL byte; expected text"},
		{"other URL", "Bootstrap: oci\nOtherURL123: a\n", `unknown keyword "OtherURL123"`},
		{"too large", strings.Repeat("#", MaxSize+1), "x.def: definition of 1048577 bytes; expected at most 1048576"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("x.def", []byte(c.text))
			if err == nil || !strings.HasPrefix(err.Error()+"\n", c.want) && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v; want %s", err, c.want)
			}
		})
	}
}

func TestUnknownNamesListTheKnown(t *testing.T) {
	_, err := Parse("x", []byte("Bootstrap: oci\n%magic\n"))
	if h := hint.Of(err); !strings.Contains(h, "post, environment, runscript") || !strings.Contains(h, "apprun") {
		t.Errorf("hint %q", h)
	}
	_, err = Parse("x", []byte("Magic: oci\n"))
	if h := hint.Of(err); !strings.Contains(h, "Bootstrap, From, Stage") {
		t.Errorf("hint %q", h)
	}
	var at *Error
	if !errors.As(err, &at) || at.Line != 1 || at.Column != 1 {
		t.Errorf("place %+v", at)
	}
}

func TestNearest(t *testing.T) {
	for found, want := range map[string]string{
		"psot": "post", "pots": "post", "posst": "post", "pos": "post", "pst": "post", "lables": "labels",
		"enviroment": "environment", "env": "environment", "runscrpit": "runscript", "tst": "test", "file": "files",
		"": "", "x": "", "xy": "", "magic": "", "comment": "", strings.Repeat("post", 10): "",
	} {
		if got := nearest(found, sections); got != want {
			t.Errorf("%s: %q; want %q", found, got, want)
		}
	}
	if got := nearest("mirorurl", keywords); got != "MirrorURL" {
		t.Errorf("%q", got)
	}
}

// TestParseIsLinear takes the largest texts: work that grew with the square
// of their size would not end within the time of a test run.
func TestParseIsLinear(t *testing.T) {
	for _, text := range []string{
		"Bootstrap: x\nFrom: " + strings.Repeat("a\\\n", MaxSize/3-10) + "b\n",
		strings.Repeat("Bootstrap: x\n", MaxSize/13),
		"Bootstrap: x\n" + strings.Repeat("%post\n", MaxSize/6-10),
		"Bootstrap: x\n" + strings.Repeat("%post -e\n", MaxSize/9-10),
		"Bootstrap: x\n%arguments\na=\n%help\n" + strings.Repeat("x", MaxSize/2) + " # " + strings.Repeat("{{a}}{{b}}", MaxSize/20-10),
	} {
		if _, err := mustParse(t, text).Expand(nil, false); err != nil {
			t.Error(err)
		}
	}
}

func TestFiles(t *testing.T) {
	r := mustParse(t, "Bootstrap: oci\n%files from\tone two\n# c\n\n a b\n 'x y'*  \"d \\\"e\" # note\n \\*.c\n")
	from, copies, err := r.Files(r.Stages[0].Sections[0])
	if err != nil {
		t.Fatal(err)
	}
	want := []Copy{{"a", "b", 5, 2}, {"x y*", `d "e`, 6, 2}, {`\*.c`, "", 7, 2}}
	if from != "one two" || !slices.Equal(copies, want) {
		t.Errorf("from %q: %+v", from, copies)
	}
}

func TestFilesErrors(t *testing.T) {
	for text, want := range map[string]string{
		"%files frm x\n":       `x.def:2:8: arguments "frm x" of %files; expected nothing or "from STAGE"`,
		"%files from\n":        `arguments "from" of %files`,
		"%files\n a b c\n":     "x.def:3:6: 3 words; expected",
		"%files\n\n 'a b\n":    "x.def:4:2: unclosed quote",
		"%files\n a\\\n":       "x.def:3:3: backslash at the end",
		"%files\n \"\" /dst\n": "x.def:3:2: empty source",
	} {
		r := mustParse(t, "Bootstrap: oci\n"+text)
		_, _, err := r.Files(r.Stages[0].Sections[0])
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v; want %s", text, err, want)
		}
	}
}

func TestLabels(t *testing.T) {
	r := mustParse(t, "Bootstrap: oci\n%labels\n A\tb  c # d\n# no\n E \"f g\"\n H\n C \t#fff\tx\n U http://x/#y\n")
	got := r.Stages[0].Sections[0].Labels()
	want := []Label{{"A", "b  c # d", 3}, {"E", `"f g"`, 5}, {"H", "", 6}, {"C", "#fff\tx", 7}, {"U", "http://x/#y", 8}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestScript(t *testing.T) {
	for _, c := range []struct {
		text        string
		shell, args []string
		body        string
		line        int
	}{
		{"%post\n a\n%post\n b\n", nil, nil, " a\n b\n", 2},
		{"%post -e  -u # c\n a\n", nil, []string{"-e", "-u"}, " a\n", 2},
		{"%post -c /bin/bash -eux\n a\n", []string{"/bin/bash", "-eux"}, nil, " a\n", 2},
		{"%post /bin/bash -e # c\n a\n", []string{"/bin/bash", "-e"}, nil, " a\n", 2},
		{"%post\n a\n%post -u\n b\n", nil, []string{"-u"}, " a\n b\n", 4},
		{"%post\n\n  #!/usr/bin/env  python3 -u\nprint()\n", []string{"/usr/bin/env", "python3 -u"}, nil, "print()\n", 2},
		{"%post\n#! /bin/dash\n", []string{"/bin/dash"}, nil, "", 2},
	} {
		r := mustParse(t, "Bootstrap: oci\n"+c.text)
		s, ok, err := r.Script(&r.Stages[0], "post")
		if err != nil || !ok || !slices.Equal(s.Shell, c.shell) || !slices.Equal(s.Args, c.args) || s.Body != c.body || s.Line != c.line {
			t.Errorf("%q: %+v, %v, %v", c.text, s, ok, err)
		}
	}
}

func TestScriptErrors(t *testing.T) {
	for text, want := range map[string]string{
		"%post -c\n a\n":                      "x.def:2:7: -c without a shell",
		"%post -c /bin/bash\n#!/bin/sh\n a\n": "x.def:3:1: a #! line, and %post names the shell /bin/bash",
		"%post\n\n%post\n  #!\n":              "x.def:5:3: #! without an interpreter",
		"%post\n#!\n a\n":                     "x.def:3:1: #! without an interpreter",
	} {
		r := mustParse(t, "Bootstrap: oci\n"+text)
		if _, _, err := r.Script(&r.Stages[0], "post"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v; want %s", text, err, want)
		}
	}
	r := mustParse(t, "Bootstrap: oci\n")
	if _, ok, err := r.Script(&r.Stages[0], "post"); ok || err != nil {
		t.Errorf("missing section: %v, %v", ok, err)
	}
}

func TestExecutable(t *testing.T) {
	for text, want := range map[string]string{
		"%test\n a\n":                        "#!/bin/sh\n a\n",
		"%test -e\n a\n":                     "#!/bin/sh -e\n a\n",
		"%test -c /bin/bash\n a\n":           "#!/bin/bash\n a\n",
		"%test\n\n  #!/usr/bin/env  x\n a\n": "#!/usr/bin/env x\n a\n",
		"%test -u\n#!/bin/bash\n a\n":        "#!/bin/bash -u\n a\n",
	} {
		r := mustParse(t, "Bootstrap: oci\n"+text)
		s, ok, err := r.Script(&r.Stages[0], "test")
		if err != nil || !ok || s.Executable() != want {
			t.Errorf("%q: %q, %v", text, s.Executable(), err)
		}
	}
}
