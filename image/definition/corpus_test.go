package definition

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sealift/sealift/buildcfg/hint"
)

// The corpus is definitions with what becomes of them. In its archives,
// NAME.def is a definition as it is, or NAME.quoted one as Go strings, one a
// line, "text" or "text" *COUNT; NAME.args has build arguments, one name=value
// a line; NAME.want is the result, which -update writes.

// sample is one definition of the corpus.
type sample struct {
	name, text, want string
	args             map[string]string
}

// archives returns the paths of the corpus.
func archives(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/corpus/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// corpus returns the samples of an archive in order.
func corpus(t testing.TB, path string) []*sample {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var samples []*sample
	for _, f := range archive.Files {
		name, kind, _ := strings.Cut(f.Name, ".")
		if n := len(samples); n == 0 || samples[n-1].name != name {
			samples = append(samples, &sample{name: name, args: map[string]string{}})
		}
		s := samples[len(samples)-1]
		for line := range strings.Lines(string(f.Data)) {
			switch kind {
			case "def":
				s.text += line
			case "quoted":
				s.text += unquote(t, line)
			case "args":
				key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
				s.args[key] = value
			case "want":
				s.want += line
			default:
				t.Fatalf("%s: %s", path, f.Name)
			}
		}
	}
	return samples
}

func unquote(t testing.TB, line string) string {
	t.Helper()
	literal, count, repeated := strings.Cut(strings.TrimSpace(line), " *")
	text, err := strconv.Unquote(literal)
	n := 1
	if err == nil && repeated {
		n, err = strconv.Atoi(count)
	}
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return strings.Repeat(text, n)
}

// updated returns an archive with the results in got, by name.
func updated(t *testing.T, path string, got map[string]string) []byte {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var files []txtar.File
	for i, f := range archive.Files {
		name, kind, _ := strings.Cut(f.Name, ".")
		if kind != "want" {
			files = append(files, f)
		}
		if i+1 == len(archive.Files) || !strings.HasPrefix(archive.Files[i+1].Name, name+".") {
			files = append(files, txtar.File{Name: name + ".want", Data: []byte(got[name])})
		}
	}
	archive.Files = files
	return txtar.Format(archive)
}

func TestCorpus(t *testing.T) {
	count := 0
	for _, path := range archives(t) {
		got := map[string]string{}
		for _, s := range corpus(t, path) {
			if _, twice := got[s.name]; twice {
				t.Errorf("%s has %s twice", path, s.name)
			}
			got[s.name] = result(s)
			if count++; got[s.name] != s.want && !*update {
				t.Errorf("%s: %s: got:\n%swant:\n%s", path, s.name, got[s.name], s.want)
			}
		}
		if *update {
			if err := os.WriteFile(path, updated(t, path, got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if count < 150 {
		t.Errorf("the corpus has %d definitions", count)
	}
}

// result prints what becomes of a sample, or the error and its remedy.
func result(s *sample) string {
	text, err := digest(s)
	if err != nil {
		text = fmt.Sprintf("error: %v\n", err)
		if h := hint.Of(err); h != "" {
			text += fmt.Sprintf("hint: %s\n", h)
		}
	}
	return text
}

// digest reads all that a build reads of a definition, and prints it.
func digest(s *sample) (string, error) {
	raw, err := Parse(s.name+".def", []byte(s.text))
	if err != nil {
		return "", err
	}
	r, err := raw.Expand(s.args, false)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i := range r.Stages {
		stage := &r.Stages[i]
		agent, err := r.Agent(stage)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "stage %q of line %d from %s\n", stage.Name, stage.Line, agent)
		for _, h := range stage.Headers[1:] {
			fmt.Fprintf(&b, "%d:%d: %s = %s\n", h.Line, h.Column, h.Key, visible(h.Value))
		}
		for _, section := range stage.Sections {
			if err := printSection(&b, r, section); err != nil {
				return "", err
			}
		}
		if err := printScripts(&b, r, stage); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// printSection prints a section that lists something, or keeps its text.
func printSection(b *strings.Builder, r *Recipe, s Section) error {
	switch {
	case s.Name == "files":
		from, copies, err := r.Files(s)
		fmt.Fprintf(b, "%d: %%files from %q\n", s.Line, from)
		printCopies(b, copies)
		return err
	case s.Name == "labels":
		fmt.Fprintf(b, "%d: %%labels\n", s.Line)
		printLabels(b, s.Labels())
	case !slices.Contains(scripts, s.Name) && !slices.Contains(appSections, s.Name):
		fmt.Fprintf(b, "%d: %%%s\n", s.Line, s.Name)
		printText(b, s.Body)
	}
	return nil
}

// printScripts prints the sections of a stage that belong together.
func printScripts(b *strings.Builder, r *Recipe, stage *Stage) error {
	for _, name := range scripts {
		x, ok, err := r.Script(stage, name)
		if err != nil {
			return err
		}
		if ok {
			printScript(b, "%"+name, &x)
		}
	}
	apps, err := r.Apps(stage)
	for _, a := range apps {
		fmt.Fprintf(b, "%d: application %s\n", a.Line, a.Name)
		printCopies(b, a.Files)
		printLabels(b, a.Labels)
		for i, text := range []string{a.Install, a.Environment, a.Help} {
			if text != "" {
				fmt.Fprintf(b, " %s\n", []string{"install", "environment", "help"}[i])
				printText(b, text)
			}
		}
		printScript(b, "run", a.Run)
		printScript(b, "start", a.Start)
		printScript(b, "test", a.Test)
	}
	return err
}

func printScript(b *strings.Builder, name string, s *Script) {
	if s != nil {
		fmt.Fprintf(b, "%d: %s by %q with %q\n", s.Line, name, s.Shell, s.Args)
		printText(b, s.Body)
	}
}

func printCopies(b *strings.Builder, copies []Copy) {
	for _, c := range copies {
		fmt.Fprintf(b, "%d:%d: %s -> %q\n", c.Line, c.Column, visible(c.Source), c.Dest)
	}
}

func printLabels(b *strings.Builder, labels []Label) {
	for _, l := range labels {
		fmt.Fprintf(b, "%d: %s = %s\n", l.Line, l.Key, visible(l.Value))
	}
}

func printText(b *strings.Builder, text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintf(b, "    |%s\n", visible(strings.TrimSuffix(line, "\n")))
	}
}

// visible quotes what does not print as it is, and shortens what is long.
func visible(s string) string {
	if strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) || !utf8.ValidString(s) || strings.HasSuffix(s, " ") {
		s = strconv.Quote(s)
	}
	if len(s) > 200 {
		return fmt.Sprintf("%.40s… of %d bytes", s, len(s))
	}
	return s
}
