package definition

import (
	"slices"
	"strings"
	"testing"
)

func TestHeaderValues(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"From: a", "a"},
		{"From:a", "a"},
		{"  from  :\ta b \t", "a b"},
		{"FROM: a # comment", "a"},
		{"From: a#b", "a#b"},
		{"From: http://x:80/y", "http://x:80/y"},
		{"From: a \\\n  b", "a b"},
		{"From: \\\n  a", "a"},
		{"From: a \\\n\n", "a"},
		{"From: a \\\n # comment\n", "a"},
		{"From: a # comment \\\n", "a"},
		{"From: a \\ # comment\n", `a \`},
		{"From: a \\\n%post", "a %post"},
		{"From: a \\\nBootstrap: b", "a Bootstrap: b"},
		{"From: a\\\\\n b", `a\b`},
		{"From: a\\\n  b", "ab"},
		{"From: a\\n\\\n\\n\\\n  b", "a\n\nb"},
		{"# From: b\n\nFrom: a", "a"},
	} {
		r := mustParse(t, "Bootstrap: x\n"+c.text)
		if h, ok := r.Stages[0].Header("from"); !ok || h.Value != c.want {
			t.Errorf("%q: %q", c.text, h.Value)
		}
	}
}

func TestMissingHeader(t *testing.T) {
	r := mustParse(t, "Bootstrap: x\n")
	if h, ok := r.Stages[0].Header("from"); ok {
		t.Errorf("%+v", h)
	}
	if s, ok := r.Stages[0].Section("post"); ok || s.Body != "" {
		t.Errorf("%+v", s)
	}
}

func TestEveryKeywordIsAccepted(t *testing.T) {
	for _, key := range append(slices.Clone(keywords), "otherurl1", "otherurl99") {
		key = strings.ToLower(key)
		text := "Bootstrap: x\n" + strings.ToUpper(key) + ": value\n"
		if key == "bootstrap" {
			text = "BOOTSTRAP: value\n"
		}
		r := mustParse(t, text)
		if h, ok := r.Stages[0].Header(key); !ok || h.Value != "value" {
			t.Errorf("%s: %+v", key, h)
		}
	}
}

func TestEverySectionIsAccepted(t *testing.T) {
	for _, name := range sections {
		r := mustParse(t, "Bootstrap: x\n%"+name+" args\nbody\n")
		if s, ok := r.Stages[0].Section(name); !ok || s.Args != "args" || s.Body != "body\n" {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for _, name := range appSections {
		r := mustParse(t, "Bootstrap: x\n%"+strings.ToUpper(name)+" foo\nbody\n")
		if s := r.Stages[0].Sections[0]; s.Name != name || s.Args != "foo" || s.Body != "body\n" {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestSectionLines(t *testing.T) {
	for _, c := range []struct{ text, name, args, body string }{
		{"%post", "post", "", ""},
		{"  %post\t-e # c\n", "post", "-e", ""},
		{"%post\n  echo %s\n", "post", "", "  echo %s\n"},
		{"%post\n# %test\n", "post", "", "# %test\n"},
		{"%post\n bootstrap: x\n", "post", "", " bootstrap: x\n"},
		{"%post\nFrom: x\n", "post", "", "From: x\n"},
		{"%post\na \\\nb\n", "post", "", "a \\\nb\n"},
		{"%post\na\rb\n", "post", "", "a\rb\n"},
		{"%help\n\n\n", "help", "", "\n\n"},
		{"%files\tfrom x\n", "files", "from x", ""},
	} {
		r := mustParse(t, "Bootstrap: x\n"+c.text)
		if len(r.Stages) != 1 || len(r.Stages[0].Sections) != 1 {
			t.Errorf("%q: %s", c.text, dump(r))
			continue
		}
		if s := r.Stages[0].Sections[0]; s.Name != c.name || s.Args != c.args || s.Body != c.body {
			t.Errorf("%q: %+v", c.text, s)
		}
	}
}

func TestStagesSplitAtBootstrap(t *testing.T) {
	r := mustParse(t, "# c\nStage: a\nBootstrap: x\n%post\nb\n# d\nbOOTSTRAP:y\nStage: b\nBootstrap: z\n")
	var got []string
	for _, s := range r.Stages {
		h, _ := s.Header("bootstrap")
		got = append(got, s.Name+"="+h.Value)
	}
	if !slices.Equal(got, []string{"a=x", "b=y", "=z"}) {
		t.Errorf("%q", got)
	}
	if r.Stages[1].Line != 7 || r.Stages[2].Line != 9 {
		t.Errorf("lines %d, %d", r.Stages[1].Line, r.Stages[2].Line)
	}
}

func TestSplitWords(t *testing.T) {
	for _, c := range []struct {
		line              string
		patterns, literal []string
	}{
		{`a b`, []string{"a", "b"}, []string{"a", "b"}},
		{"a\t  b  ", []string{"a", "b"}, []string{"a", "b"}},
		{`'a b'`, []string{"a b"}, []string{"a b"}},
		{`"a b"c`, []string{"a bc"}, []string{"a bc"}},
		{`'*'?`, []string{`\*?`}, []string{"*?"}},
		{`"[a] *?"`, []string{`[a] *?`}, []string{"[a] *?"}},
		{`"@(a) {b,c}"`, []string{`\@\(a\) \{b\,c\}`}, []string{"@(a) {b,c}"}},
		{`"a\*"`, []string{`a\*`}, []string{"a*"}},
		{`{a,b}`, []string{`{a,b}`}, []string{"{a,b}"}},
		{`a\*b`, []string{`a\*b`}, []string{"a*b"}},
		{`'a\b'`, []string{`a\\b`}, []string{`a\b`}},
		{`"it's" 'a"b'`, []string{"it's", `a"b`}, []string{"it's", `a"b`}},
		{`$HOME`, []string{"$HOME"}, []string{"$HOME"}},
		{`a # b`, []string{"a"}, []string{"a"}},
		{`a#b`, []string{"a#b"}, []string{"a#b"}},
		{`é "ü"`, []string{"é", "ü"}, []string{"é", "ü"}},
	} {
		words, open := splitWords(c.line)
		var patterns, literals []string
		for _, w := range words {
			patterns, literals = append(patterns, w.pattern), append(literals, w.literal)
		}
		if open != -1 || !slices.Equal(patterns, c.patterns) || !slices.Equal(literals, c.literal) {
			t.Errorf("%s: %q, %q, %v", c.line, patterns, literals, open)
		}
	}
	for line, want := range map[string]int{`"a`: 0, `b 'a`: 2, `a"`: 1, `a\`: 1, `"a\"`: 0, `'a'"b" "`: 7} {
		if words, open := splitWords(line); open != want {
			t.Errorf("%s: %v, open at %d", line, words, open)
		}
	}
}

func TestErrorsPointIntoTheText(t *testing.T) {
	const text = "Bootstrap: x\n\n   Frmo: y\n"
	_, err := Parse("dir/my.def", []byte(text))
	if err == nil || !strings.HasPrefix(err.Error(), "dir/my.def:3:4: ") {
		t.Errorf("error %v", err)
	}
	long := "Bootstrap: x\n" + strings.Repeat("y", 1000) + "\n"
	if _, err := Parse("d", []byte(long)); err == nil || len(err.Error()) > 250 {
		t.Errorf("error %v", err)
	}
}
