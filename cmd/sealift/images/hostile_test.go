package images

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
)

// TestInspectHostileT58: what an image says of itself drives no terminal, in text or as
// JSON, and is not read without end.
func TestInspectHostileT58(t *testing.T) {
	for name, c := range map[string]struct {
		labels string
		err    string // part of it; empty for none
	}{
		"escapes":      {`{"a\u001b[2J": "\u001b]0;title\u0007 \u009b2J", "b\nc": "d\ne: f"}`, ""},
		"directions":   {`{"a": "\u202egpj.exe\u2066"}`, ""},
		"no UTF-8":     {"{\"a\": \"\xff\xfe\"}", ""},
		"100 MiB":      {`{"a": "` + strings.Repeat("x", 100<<20) + `"}`, "longer than 4194304 bytes"},
		"very deep":    {strings.Repeat(`{"a":`, 500_000), "labels.json"},
		"deep in list": {`{"a": ` + strings.Repeat("[", 1_000_000), "labels.json"},
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"bin/sh": "", ".singularity.d/runscript": "echo \x1b[2J\u202e\n", ".singularity.d/labels.json": c.labels} {
			path := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, a := range []aspects{{}, {all: true}, {labels: true, json: true}, {labels: true, runscript: true}} {
			var out bytes.Buffer
			err := inspect(&ui.Process{Terminal: ui.Terminal{Out: &out}}, dir, a, image.Options{})
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || len(err.Error()) > 1000) {
				t.Errorf("%s, %+v: error %.300v, want %q", name, a, err, c.err)
			}
			text := out.String()
			if strings.ContainsAny(text, "\x1b\a\u009b\u202e\u2066") || !utf8.ValidString(text) {
				t.Errorf("%s, %+v: %q", name, a, text)
			}
		}
	}
}
