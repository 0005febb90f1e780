package dockerfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sealift/sealift/image/dockerfile/steps"
)

// FuzzParse checks that nothing panics, that steps quote the text, that the
// environment stays within what may be put in, and that the same text twice
// gives the same recipe and the same steps.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatal("no test cases", err)
	}
	for _, file := range files {
		archive, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range txtar.Parse(archive).Files {
			text := string(c.Data)
			for strings.HasPrefix(text, "> ") {
				_, text, _ = strings.Cut(text, "\n")
			}
			if !strings.HasSuffix(c.Name, ".want") {
				f.Add(text, "value", "RUN a")
			}
		}
	}
	f.Fuzz(func(t *testing.T, text, value, trigger string) {
		opt := options()
		opt.Args = map[string]string{"A": value, "V": value, "http_proxy": value}
		r, err := Parse("f", []byte(text), opt)
		again, err2 := Parse("f", []byte(text), opt)
		if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			t.Fatalf("%v, then %v", err, err2)
		}
		if err != nil {
			return
		}
		if r.String() != again.String() {
			t.Fatalf("%s\nthen\n%s", r, again)
		}
		quoted(t, r, strings.ReplaceAll(text, "\r\n", "\n"))
		base := steps.Config{}
		base.Env, base.OnBuild = []string{"A=" + value, "=x", "B"}, []string{trigger}
		var one, two strings.Builder
		err, err2 = fold(&one, r, base), fold(&two, again, base)
		if one.String() != two.String() || (err == nil) != (err2 == nil) {
			t.Fatalf("%s: %v\nthen\n%s: %v", one.String(), err, two.String(), err2)
		}
		bounded(t, r, base, len(text)+16*len(value))
	})
}

func quoted(t *testing.T, r *Recipe, text string) {
	for _, stage := range r.Stages {
		for _, step := range stage.Steps {
			if !strings.Contains(text, step.Source) || step.Do == nil {
				t.Fatalf("line %d: %q", step.Line, step.Source)
			}
		}
	}
}

// bounded checks the environment of every stage by itself.
func bounded(t *testing.T, r *Recipe, base steps.Config, given int) {
	for _, stage := range r.Stages {
		state := r.Begin(base)
		for _, step := range stage.Steps {
			if _, err := state.Next(step); err != nil {
				break
			}
		}
		size := 0
		for _, variable := range state.Environ() {
			size += len(variable)
		}
		if size > 1024+4*given+steps.MaxExpansion {
			t.Fatalf("environment of %d bytes of %d given", size, given)
		}
	}
}
