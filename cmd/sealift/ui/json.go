package ui

import (
	"encoding/json"
	"fmt"
	"strings"
)

// JSON is v as lines of JSON. What Clean takes out of text stands there as JSON's own
// escapes: it reads as it was, and drives no terminal.
func JSON(v any, indent string) (string, error) {
	text, err := json.MarshalIndent(v, "", indent)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, r := range string(text) {
		if Clean(string(r)) == string(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r) // none is beyond 16 bits
		}
	}
	return b.String() + "\n", nil
}
