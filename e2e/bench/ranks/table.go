package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// table is a measurement of several contenders.
type table struct {
	title, unit string
	rows        []*row
}

type row struct {
	name    string
	numbers []float64
}

// add adds a number to a contender's row, a new one at the end for a new name.
func (t *table) add(name string, number float64) {
	i := slices.IndexFunc(t.rows, func(r *row) bool { return r.name == name })
	if i < 0 {
		i, t.rows = len(t.rows), append(t.rows, &row{name: name})
	}
	t.rows[i].numbers = append(t.rows[i].numbers, number)
}

// median returns that of a contender's numbers, and whether there are any.
func (t *table) median(name string) (float64, bool) {
	for _, r := range t.rows {
		if r.name == name {
			sorted := slices.Sorted(slices.Values(r.numbers))
			return sorted[len(sorted)/2], true
		}
	}
	return 0, false
}

// String returns the table with the ratios of the medians.
func (t *table) String() string {
	if len(t.rows) == 0 {
		return ""
	}
	var b strings.Builder
	load, _ := os.ReadFile("/proc/loadavg") // a note, no number
	first, _, _ := strings.Cut(string(load), " ")
	fmt.Fprintf(&b, "\n%s: %s, %d runs each, load %s\n%-22s%10s%10s%10s", t.title, t.unit, len(t.rows[0].numbers), first, "", "min", "median", "max")
	var peers []string
	for _, name := range []string{separate, joined, alone, peer, outside} {
		if _, ok := t.median(name); ok {
			peers = append(peers, name)
			fmt.Fprintf(&b, "%21s", "/ "+name)
		}
	}
	b.WriteString("\n")
	for _, r := range t.rows {
		median, _ := t.median(r.name)
		fmt.Fprintf(&b, "%-22s%10.3f%10.3f%10.3f", r.name, slices.Min(r.numbers), median, slices.Max(r.numbers))
		for _, name := range peers {
			theirs, _ := t.median(name)
			text := "-"
			if theirs > 0 {
				text = fmt.Sprintf("%.2f", median/theirs)
			}
			fmt.Fprintf(&b, "%21s", text)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// show prints tables.
func show(tables ...*table) {
	for _, t := range tables {
		fmt.Print(t)
	}
}

// takeTurns calls f for every contender in every round, backwards in every other.
func takeTurns(rounds int, list []contender, f func(contender) error) error {
	for round := range rounds {
		for i := range list {
			if round%2 == 1 {
				i = len(list) - 1 - i
			}
			if err := f(list[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
