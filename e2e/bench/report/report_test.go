package report

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// example has two contenders, of which one was measured by time alone.
func example() *Table {
	t := &Table{Title: "start <all>", Unit: "seconds", Peers: []string{"peer", "nobody"}, Notes: []string{"MB"}}
	for i, n := range []float64{5, 1, 3} {
		t.Row("sealift").Add(Sample{n, 2 * n})
		t.Row("peer").Add(Sample{[]float64{9, 6, 2}[i], 3})
	}
	t.Row("sealift").Notes = []string{"7.5"}
	return t
}

// TestText proves that ratios are those of medians, to the rows that there are.
func TestText(t *testing.T) {
	tab := example()
	tab.Load = "0.10"
	want := `
start <all>: seconds, 3 runs each, load 0.10
           min  median    max    CPU       / peer   MB
sealift  1.000   3.000  5.000  6.000  0.50 (2.00)  7.5
peer     2.000   6.000  9.000  3.000  1.00 (1.00)
`
	if got := tab.Text(); got != want {
		t.Errorf("%s", got)
	}
	if got := (&Table{}).Text() + (&Table{}).Markdown() + (&Table{}).CSV(); got != "" {
		t.Error(got)
	}
	for _, r := range tab.Rows {
		for i := range r.Samples {
			r.Samples[i].CPU = 0
		}
	}
	if got := tab.Text(); strings.Contains(got, "CPU") || strings.Contains(got, "(") || !strings.Contains(got, "0.50") {
		t.Error(got)
	}
	nothing := &Table{Title: "t", Peers: []string{"a"}}
	nothing.Row("a").Add(Sample{})
	if got := nothing.Text(); !strings.Contains(got, "-") {
		t.Error(got)
	}
}

func TestMarkdown(t *testing.T) {
	want := `
### Start <all>

Seconds, 3 runs each; ratios are those of medians, in brackets of processor times.

|  | min | median | max | CPU | / peer | MB |
|---|---:|---:|---:|---:|---:|---:|
| sealift | 1.000 | 3.000 | 5.000 | 6.000 | 0.50 (2.00) | 7.5 |
| peer | 2.000 | 6.000 | 9.000 | 3.000 | 1.00 (1.00) |
`
	if got := example().Markdown(); got != want {
		t.Errorf("%s", got)
	}
}

// TestBook proves that files hold what was shown, that a second process adds to them, and
// that pictures are what a viewer understands.
func TestBook(t *testing.T) {
	var out bytes.Buffer
	b := &Book{Out: &out, Dir: filepath.Join(t.TempDir(), "new")}
	if err := b.Begin("kernel: x\n"); err != nil {
		t.Fatal(err)
	}
	more := &Table{Title: "more", Unit: "MB/s", More: true}
	more.Row("sealift").Add(Sample{Number: 1})
	curve := &Curve{Title: "growth", Unit: "seconds", Size: "files & more"}
	for i, n := range []float64{10, 1000} {
		tab := &Table{Title: "one"}
		tab.Row("sealift").Add(Sample{Number: n / 5})
		if i > 0 {
			tab.Row("peer").Add(Sample{Number: 0.02})
		}
		curve.Add(n, tab)
	}
	again := &Book{Out: &out, Dir: b.Dir}
	if err := errors.Join(b.Show(example(), &Table{Title: "empty"}), again.Show(more), again.Draw(curve)); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "kernel: x") || !strings.Contains(text, "sealift  1.000") {
		t.Error(text)
	}
	csv := read(t, b.Dir, "tables.csv")
	if lines := strings.Split(strings.TrimSpace(csv), "\n"); len(lines) != 1+6+1 || lines[1] != `"start <all>","seconds","sealift",1,5,10` {
		t.Errorf("%s", csv)
	}
	page := read(t, b.Dir, "tables.md")
	for _, want := range []string{"kernel: x", "### Start <all>", "![](start-all.svg)", "more is better", "### Growth", "| sealift | 2.00 | 200 |", "| peer | | 0.0200 |"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if bars := elements(t, read(t, b.Dir, "start-all.svg"), "rect"); len(bars) != 3 || bars[1] != "146.7" || bars[2] != "293.3" {
		t.Errorf("bars of %q", bars)
	}
	if lines := elements(t, read(t, b.Dir, "growth.svg"), "path"); len(lines) < 4 {
		t.Errorf("%d paths", len(lines))
	}
	none := &Book{Out: io.Discard}
	if err := errors.Join(none.Begin(""), none.Show(example()), none.Draw(curve)); err != nil {
		t.Error(err)
	}
	if err := (&Book{Out: io.Discard, Dir: filepath.Join(b.Dir, "tables.md")}).Begin(""); err == nil {
		t.Error("a file was taken for a directory")
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// elements returns the widths of a picture's elements of a name.
func elements(t *testing.T, svg, name string) (widths []string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return widths
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == name {
			width := ""
			for _, a := range e.Attr {
				if a.Name.Local == "width" {
					width = a.Value
				}
			}
			widths = append(widths, width)
		}
	}
}

// TestTurns proves that each contender is first as often as it is last.
func TestTurns(t *testing.T) {
	var order []string
	err := TakeTurns(3, []string{"a", "b", "c"}, func(s string) error {
		order = append(order, s)
		return nil
	})
	if want := strings.Split("abccbaabc", ""); err != nil || !slices.Equal(order, want) {
		t.Errorf("%v, %v", order, err)
	}
	if TakeTurns(1, []string{"a"}, func(string) error { return os.ErrInvalid }) == nil {
		t.Error("no error")
	}
}

func TestMachine(t *testing.T) {
	text := Machine(context.Background(), "/bin/sh-that-is-not-there", "bash")
	for _, want := range []string{"processors: ", "memory: ", "kB", "kernel: ", "bash: ", "GNU bash, version "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "not-there") {
		t.Error(text)
	}
}

func TestShort(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 0.00123: "0.00123", 0.5: "0.500", 1: "1.00", 12.34: "12.3", 123.4: "123", 54321: "54321"} {
		if got := short(n); got != want {
			t.Errorf("%g: %s, want %s", n, got, want)
		}
	}
}
