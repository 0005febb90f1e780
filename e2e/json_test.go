package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// jsonPage describes what commands print as JSON.
const jsonPage = "../examples/json.md"

// fields are the members of JSON's objects by their paths: .a.b, [].c, and .d.* for all members of
// one whose names are data.
type fields map[string]bool

// add adds those of a value at a path. Members below a path of stars are data.
func (f fields) add(at string, v any, stars fields) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			f.add(at+"[]", x, stars)
		}
	case map[string]any:
		for name, x := range v {
			if _, ok := stars[at+".*"]; ok {
				name = "*"
			}
			f[at+"."+name] = true
			f.add(at+"."+name, x, stars)
		}
	}
}

// documented reads the page: the fields of each command, and which of those are always there.
var documented = sync.OnceValues(func() (map[string]fields, error) {
	text, err := os.ReadFile(jsonPage)
	if err != nil {
		return nil, err
	}
	all := map[string]fields{}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		f := fields{}
		for _, row := range regexp.MustCompile("(?m)^\\| `([^`]*)` \\| (.*) \\|$").FindAllStringSubmatch(section, -1) {
			f[row[1]] = !strings.Contains(row[2], "if there")
		}
		title, _, _ := strings.Cut(section, "\n")
		for _, command := range strings.Split(title, ", ") {
			all[strings.Trim(command, "`")] = f
		}
	}
	return all, nil
})

// cmdFields holds what was printed last to what the page says of a command: "fields 'cache list'".
// Every field has to be there, but for those that are only if there is something to say.
func cmdFields(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fields COMMAND")
	}
	pages, err := documented()
	ts.Check(err)
	page, ok := pages[args[0]]
	if !ok {
		ts.Fatalf("%s has no section for %q", jsonPage, args[0])
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	found := fields{}
	found.add("", v, page)
	var wrong []string
	for path := range found {
		if _, ok := page[path]; !ok {
			wrong = append(wrong, path+" is not on the page")
		}
	}
	for path, always := range page {
		if always && !found[path] {
			wrong = append(wrong, path+" is not printed")
		}
	}
	if slices.Sort(wrong); len(wrong) > 0 {
		ts.Fatalf("%s: %s", args[0], strings.Join(wrong, "\n\t"))
	}
}

// TestJSONPage: what prints JSON is on the page, and what is there is tried.
func TestJSONPage(t *testing.T) {
	pages, err := documented()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/script/json.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for command, page := range pages {
		if len(page) == 0 || !strings.Contains(strings.ReplaceAll(string(text), "'", ""), "\nfields "+command+"\n") {
			t.Errorf("%s: %d fields, which json.txtar does not try", command, len(page))
		}
	}
	printing := 0
	eachCommand(t, nil, func(command, help string) {
		if regexp.MustCompile(`(?m)^  (-., |    )--json`).MatchString(help) {
			printing++
			if pages[command] == nil {
				t.Errorf("%s is not on %s", command, jsonPage)
			}
		}
	})
	if printing < 20 {
		t.Errorf("only %d commands print JSON", printing)
	}
}

// eachCommand visits the commands below one, with their helps.
func eachCommand(t *testing.T, command []string, visit func(command, help string)) {
	t.Helper()
	out, err := exec.Command("../bin/sealift", append([]string{"help"}, command...)...).Output()
	if err != nil {
		t.Fatalf("help of %q: %v", command, err)
	}
	help := string(out)
	if len(command) > 0 {
		visit(strings.Join(command, " "), help)
	}
	if !strings.Contains(help, "\n'sealift help ") && len(command) > 0 { // it has none
		return
	}
	help, _, _ = strings.Cut(help, "\nTopics:")
	help, _, _ = strings.Cut(help, "\nFlags:")
	_, help, _ = strings.Cut(help, "\nUsage:")
	for _, line := range regexp.MustCompile(`(?m)^  ([a-z][a-z-]*)  +\S`).FindAllStringSubmatch(help, -1) {
		eachCommand(t, append(slices.Clip(command), line[1]), visit)
	}
}
