package actions

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sealift/sealift/runtime/environ"
	"github.com/sealift/sealift/runtime/layout"
	"github.com/sealift/sealift/runtime/spec"
)

// TestExplained: whatever values are, each has its line, and JSON has no null.
func TestExplained(t *testing.T) {
	x := &spec.Explanation{
		Variables: []environ.Variable{{Name: "A", Value: "1", Origin: "--env"}, {Name: "NL", Value: "a\nb\x1b[31m", Origin: "the caller"}},
		Outside:   []spec.Outside{{Name: "F%%", Why: "not a name in sh"}}, Unknown: errors.New("x.sh: line 1"),
		Mounts: []spec.Mount{{Target: "/a b", Type: "tmpfs", Why: "--scratch"}}, Left: []layout.LeftOut{{Target: "/sys", Why: "--no-mount sys"}},
		IDs: []spec.Fact{{Name: "user", Value: "1000", Why: "the caller's"}},
	}
	want := map[string]string{
		"env": "RULE        VARIABLE\n--env       A=1\nthe caller  NL=\"a\\nb\\x1b[31m\"\n\nScripts of the image may change these, and set more: x.sh: line 1.\n\n" +
			"RULE              STAYS OUTSIDE\nnot a name in sh  F%%\n",
		"mounts": "TARGET  TYPE   SOURCE  FLAGS  RULE\n/a b    tmpfs  -       -      --scratch\n\nLEFT OUT  RULE\n/sys      --no-mount sys\n",
		"ids":    "WHAT  VALUE  RULE\nuser  1000   the caller's\n",
	}
	for _, topic := range topics() {
		if got := topic.text(x); got != want[topic.name] {
			t.Errorf("%s:\n%s\nwant:\n%s", topic.name, got, want[topic.name])
		}
		for _, x := range []*spec.Explanation{x, {}} {
			if text, err := json.Marshal(topic.data(x)); err != nil || strings.Contains(string(text), "null") {
				t.Errorf("%s: %s, %v", topic.name, text, err)
			}
		}
	}
}
