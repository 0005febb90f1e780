package ui

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestJSON: what could drive a terminal is escaped, and is what it was to who reads it.
func TestJSON(t *testing.T) {
	in := map[string]string{"a\x1b[2J\u009b2J": "\u202egpj.exe\u2066 \x7f\n\t ü 🚀"}
	text, err := JSON(in, "\t")
	if err != nil || !strings.HasPrefix(text, "{\n\t\"") || !strings.HasSuffix(text, "ü 🚀\"\n}\n") {
		t.Errorf("%q, %v", text, err)
	}
	if strings.ContainsAny(text, "\x1b\u009b\u202e\u2066\x7f") {
		t.Errorf("%q", text)
	}
	var out map[string]string
	if err := json.Unmarshal([]byte(text), &out); err != nil || len(out) != 1 {
		t.Fatalf("%v, %v", out, err)
	}
	for name, value := range in {
		if out[name] != value {
			t.Errorf("%q is %q, not %q", name, out[name], value)
		}
	}
	if text, err := JSON(func() {}, ""); err == nil {
		t.Errorf("a function is %q", text)
	}
}
