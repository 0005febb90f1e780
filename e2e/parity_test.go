package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

const parityFile = "../runtime/spec/testdata/PARITY.md"

// TestParity holds the table of Apptainer's semantics against what it names: every
// row has a test, and every test that is named exists.
func TestParity(t *testing.T) {
	text, err := os.ReadFile(parityFile)
	if err != nil {
		t.Fatal(err)
	}
	known, rows := namedTests(t), 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || cells[1] == " Row " || strings.HasPrefix(cells[1], "---") {
			continue
		}
		rows++
		for name := range strings.SplitSeq(cells[3], ";") {
			if !known(strings.TrimSpace(name)) {
				t.Errorf("%s: no test %q", cells[1], name)
			}
		}
	}
	if rows < 150 {
		t.Errorf("only %d rows", rows)
	}
}

var testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)

// namedTests returns what tells whether there is a test of a name: TestX, PACKAGE
// TestX by its name or its directory, e2e: SCRIPT, or FILE/CASE for a plan of runtime/spec, cut by … or not.
func namedTests(t *testing.T) func(name string) bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range testFunction.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
			dir := filepath.ToSlash(filepath.Dir(path))
			names[filepath.Base(dir)+" "+m[1]] = true
			names[strings.TrimPrefix(dir, "../")+" "+m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	scripts, _ := filepath.Glob("testdata/script/*.txtar")
	for _, s := range scripts {
		names["e2e: "+strings.TrimSuffix(filepath.Base(s), ".txtar")] = true
	}
	plans, _ := filepath.Glob("../runtime/spec/testdata/*.txtar")
	for _, p := range plans {
		archive, err := txtar.ParseFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			names[strings.TrimSuffix(filepath.Base(p), ".txtar")+"/"+f.Name] = true
		}
	}
	return func(name string) bool {
		start, cut := strings.CutSuffix(name, "…")
		for known := range names {
			if known == name || cut && strings.HasPrefix(known, strings.TrimSpace(start)) {
				return true
			}
		}
		return false
	}
}
