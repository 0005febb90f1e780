package e2e

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var numbered = regexp.MustCompile(`^\| T\d`)

// TestSecurity holds the table of SECURITY.md against what it names: each number is there
// once, in its order, with a state, and every test that is named exists.
func TestSecurity(t *testing.T) {
	text, err := os.ReadFile("../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	known, number, counts := namedTests(t), 0, map[string]int{}
	for line := range strings.Lines(string(text)) {
		if !numbered.MatchString(line) {
			continue
		}
		cells := strings.Split(strings.TrimSpace(line), "|")
		number++
		if len(cells) != 6 || strings.TrimSpace(cells[1]) != fmt.Sprint("T", number) {
			t.Fatalf("%q is not the row of T%d", line, number)
		}
		state, why, _ := strings.Cut(strings.TrimSpace(cells[4]), ": ")
		counts[state]++
		switch {
		case state == "covered":
		case (state == "in part" || state == "does not apply") && why != "":
		default:
			t.Errorf("T%d has the state %q", number, cells[4])
		}
		if state == "does not apply" {
			continue
		}
		for name := range strings.SplitSeq(cells[3], ";") {
			name = strings.TrimSpace(name)
			if !strings.ContainsAny(name, " /") || !known(name) {
				t.Errorf("T%d: no test %q", number, name)
			}
		}
	}
	if number != 130 {
		t.Errorf("%d rows, not 130", number)
	}
	t.Logf("%v", counts)
}
