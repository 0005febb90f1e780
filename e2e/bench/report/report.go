// Package report shows measurements: as tables for people, as comma-separated values for
// programs, as a page of Markdown, and as pictures.
//
// Input: numbers of contenders. Output: text, and files in a directory. It measures nothing.
package report

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Sample is one measurement: a number in the table's unit and, of a time, that of the
// processors, or 0.
type Sample struct{ Number, CPU float64 }

// Time is how long something took, and how much of that processors worked.
type Time struct{ Wall, CPU time.Duration }

// Seconds is the sample of a table in seconds.
func (t Time) Seconds() Sample { return Sample{t.Wall.Seconds(), t.CPU.Seconds()} }

// Milliseconds is the sample of a table in milliseconds.
func (t Time) Milliseconds() Sample { return Sample{1e3 * t.Wall.Seconds(), 1e3 * t.CPU.Seconds()} }

// Megabytes spells a number of bytes for a table.
func Megabytes(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/1e6) }

// Row is one contender of a table.
type Row struct {
	Name    string
	Samples []Sample
	Notes   []string // one for each of the table's, of the last round
}

// Table is a measurement of several contenders.
type Table struct {
	Title string
	Unit  string   // such as "seconds"
	More  bool     // a larger number is better
	Notes []string // headings of more columns
	Peers []string // names of the rows that ratios are given to; those that are missing do not count
	Rows  []*Row
	Load  string // how many processes wanted a processor when it was shown
}

// Row returns the row of a contender, a new one at the end for a new name.
func (t *Table) Row(name string) *Row {
	if r := t.find(name); r != nil {
		return r
	}
	r := &Row{Name: name}
	t.Rows = append(t.Rows, r)
	return r
}

func (t *Table) find(name string) *Row {
	i := slices.IndexFunc(t.Rows, func(r *Row) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return t.Rows[i]
}

// Add adds measurements.
func (r *Row) Add(s ...Sample) { r.Samples = append(r.Samples, s...) }

// spread returns the smallest, middle and largest of numbers of the samples.
func (r *Row) spread(of func(Sample) float64) (low, median, high float64) {
	var all []float64
	for _, s := range r.Samples {
		all = append(all, of(s))
	}
	slices.Sort(all)
	return all[0], all[len(all)/2], all[len(all)-1]
}

func number(s Sample) float64 { return s.Number }
func cpu(s Sample) float64    { return s.CPU }

// Median is the middle one of a row's numbers, which has some.
func (r *Row) Median() float64 {
	_, m, _ := r.spread(number)
	return m
}

// timed says whether processor times were measured.
func (t *Table) timed() bool {
	return slices.ContainsFunc(t.Rows, func(r *Row) bool { return slices.ContainsFunc(r.Samples, func(s Sample) bool { return s.CPU > 0 }) })
}

// peers returns the rows that ratios are given to.
func (t *Table) peers() (list []*Row) {
	for _, name := range t.Peers {
		if r := t.find(name); r != nil {
			list = append(list, r)
		}
	}
	return list
}

// ratio tells how a row's median is to a peer's and, in brackets, how that of its processor
// time is.
func (r *Row) ratio(peer *Row) string {
	mine, theirs := r.Median(), peer.Median()
	if theirs == 0 {
		return "-"
	}
	text := fmt.Sprintf("%.2f", mine/theirs)
	_, mine, _ = r.spread(cpu)
	if _, theirs, _ = peer.spread(cpu); theirs > 0 {
		text += fmt.Sprintf(" (%.2f)", mine/theirs)
	}
	return text
}

// cells returns a table's heading and lines: the contender, the spread of its numbers, the
// middle of its processor times, its ratios and its notes.
func (t *Table) cells() [][]string {
	head := []string{"", "min", "median", "max"}
	timed, peers := t.timed(), t.peers()
	if timed {
		head = append(head, "CPU")
	}
	for _, p := range peers {
		head = append(head, "/ "+p.Name)
	}
	all := [][]string{append(head, t.Notes...)}
	for _, r := range t.Rows {
		low, median, high := r.spread(number)
		line := []string{r.Name, fmt.Sprintf("%.3f", low), fmt.Sprintf("%.3f", median), fmt.Sprintf("%.3f", high)}
		if timed {
			_, used, _ := r.spread(cpu)
			line = append(line, fmt.Sprintf("%.3f", used))
		}
		for _, p := range peers {
			line = append(line, r.ratio(p))
		}
		all = append(all, append(line, r.Notes...))
	}
	return all
}

// Text returns the table for a terminal, nothing of one without rows.
func (t *Table) Text() string {
	if len(t.Rows) == 0 {
		return ""
	}
	cells := t.cells()
	var widths []int
	for _, line := range cells {
		for i, c := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len(c))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %s, %d runs each, load %s\n", t.Title, t.Unit, len(t.Rows[0].Samples), t.Load)
	for _, line := range cells {
		fmt.Fprintf(&b, "%-*s", widths[0], line[0])
		for i, c := range line[1:] {
			fmt.Fprintf(&b, "  %*s", widths[i+1], c)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Markdown returns the table for a page.
func (t *Table) Markdown() string {
	if len(t.Rows) == 0 {
		return ""
	}
	var b strings.Builder
	better := ""
	if t.More {
		better = ", more is better"
	}
	fmt.Fprintf(&b, "\n### %s\n\n%s, %d runs each%s; ratios are those of medians, in brackets of processor times.\n\n", upper(t.Title), upper(t.Unit), len(t.Rows[0].Samples), better)
	for i, line := range t.cells() {
		b.WriteString("| " + strings.ReplaceAll(strings.Join(line, " | "), "  ", " ") + " |\n")
		if i == 0 {
			b.WriteString("|---" + strings.Repeat("|---:", len(line)-1) + "|\n")
		}
	}
	return b.String()
}

// upper begins a text with a capital, but for names.
func upper(text string) string {
	if strings.HasPrefix(text, "numpy") {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// CSV returns a line for each sample: title, unit, contender, round from 1, number, processor
// time. The heading is Head.
func (t *Table) CSV() string {
	var b strings.Builder
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	for _, r := range t.Rows {
		for i, s := range r.Samples {
			fmt.Fprintf(&b, "%s,%s,%s,%d,%g,%g\n", quote(t.Title), quote(t.Unit), quote(r.Name), i+1, s.Number, s.CPU)
		}
	}
	return b.String()
}

// Head is the heading of CSV.
const Head = "table,unit,contender,round,number,cpu\n"

// TakeTurns calls f for every contender in every round, backwards in every other, so that a
// machine whose speed drifts drifts for all.
func TakeTurns[T any](rounds int, contenders []T, f func(T) error) error {
	for round := range rounds {
		for i := range contenders {
			if round%2 == 1 {
				i = len(contenders) - 1 - i
			}
			if err := f(contenders[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
