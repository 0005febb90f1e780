package environ

import (
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestBadInput(t *testing.T) {
	for _, in := range []Inputs{
		{Set: []string{"A"}}, {Set: []string{"=x"}}, {Set: []string{"A-B=x"}},
		{Files: []File{{"e", "echo hi"}}}, {Files: []File{{"e", "A=$(id)"}}}, {Files: []File{{"e", "A='"}}},
		{Drop: []string{"A["}}, {Keep: []string{"[]"}},
		{Files: []File{{"e", "[ -f /etc/passwd ] && A=1"}}}, {Files: []File{{"e", ". /etc/profile"}}},
	} {
		_, err := New(in)
		if err == nil || hint.Of(err) == "" {
			t.Errorf("%+v: %v, hint %q", in, err, hint.Of(err))
		}
	}
}

func TestNotes(t *testing.T) {
	e, err := New(Inputs{Set: []string{"HOME=/x", "A=1"}})
	if err != nil {
		t.Fatal(err)
	}
	if n := e.Notes(); len(n) != 1 || !strings.Contains(n[0], "HOME") || !strings.Contains(n[0], "--home") {
		t.Errorf("notes %q", n)
	}
}

func TestEscapeDouble(t *testing.T) {
	for value, want := range map[string]string{
		`plain`: `plain`, `$X`: `$X`, `\$X`: `\$X`, `a"b`: `a\"b`, `a\"b`: `a\\\"b`, `end\`: `end\\`, `\\`: `\\`,
		`\n`: `\\n`, "a\\\nb": "a\\\\\nb", "`x`": "`x`",
	} {
		if got := escapeDouble(value); got != want {
			t.Errorf("escapeDouble(%q) = %q, want %q", value, got, want)
		}
	}
}

func TestAssignments(t *testing.T) {
	for list, want := range map[string][]string{
		"A=b": {"A=b"}, "A=b,C=d": {"A=b", "C=d"}, "A=b,c": {"A=b,c"}, "A=b,c,D=e,": {"A=b,c", "D=e,"}, "": {""},
		`A="x"`: {`A="x"`}, `A="b,c"`: {`A="b,c"`}, "A=b\nc,D=e": {"A=b\nc", "D=e"}, "A=--x=1,--y=2": {"A=--x=1,--y=2"},
		`"A=b,C=d",E=f`: {"A=b,C=d", "E=f"}, `E=f,"A=""b"",C=d"`: {"E=f", `A="b",C=d`}, `"A=b`: {`"A=b`}, `"A=b"c`: {`"A=b"c`},
		`""`: {`""`}, `"A=b",`: {"A=b", ""}, "A=b,1C=d": {"A=b,1C=d"},
	} {
		if got := assignments(list); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", list, got, want)
		}
	}
}

func TestPathEdit(t *testing.T) {
	for _, c := range []struct {
		edit          pathEdit
		current, want string
	}{
		{pathEdit{}, "/a", "/a"},
		{pathEdit{prepend: "/p"}, "/a", "/p:/a"},
		{pathEdit{append: "/z"}, "/a", "/a:/z"},
		{pathEdit{replace: "/r", prepend: "/p", append: "/z"}, "/a", "/r"},
		{pathEdit{prepend: "/p", append: "/z"}, "", "/p:/z"},
	} {
		if got := c.edit.apply(c.current); got != c.want {
			t.Errorf("%+v on %q = %q, want %q", c.edit, c.current, got, c.want)
		}
	}
}

// FuzzInjected (F12): a value arrives as it was given, and sets no other variable.
func FuzzInjected(f *testing.F) {
	for _, v := range []string{"x", "$HOME", `\`, `"`, `"; id; "`, "$(id)", "a\nb", `\\"`, "${X:-\"}", "`"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		quoted := `"V=` + strings.ReplaceAll(value, `"`, `""`) + `"`
		e, err := New(Inputs{Home: "/h", Dir: "/", Set: []string{quoted}, NoEval: true})
		if err != nil {
			t.Fatal(err)
		}
		env, err := e.Evaluate(dirFiles{})
		if err == nil && !slices.Contains(env, "V="+value) && strings.IndexByte(value, 0) < 0 {
			t.Errorf("%q became %q", value, env)
		}
		e, err = New(Inputs{Home: "/h", Dir: "/", Set: []string{quoted}})
		if err != nil {
			t.Fatal(err)
		}
		if env, err = e.Evaluate(dirFiles{}); err == nil && len(env) != 3+1+6 {
			t.Errorf("%q set other variables: %q", value, env)
		}
	})
}
