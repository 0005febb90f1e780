package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// sample is one measurement: the time it took and that of the processors.
type sample struct{ wall, cpu time.Duration }

// row is one contender of a table.
type row struct {
	name    string
	samples []sample
	notes   []string // one for each extra column, of the last round
}

// table is a measurement of several contenders.
type table struct {
	title string
	unit  time.Duration // of the numbers
	notes []string      // headings of the extra columns
	peers []string      // names of the rows that ratios are given to
	rows  []*row
}

// row returns the row of a contender, a new one at the end for a new name.
func (t *table) row(name string) *row {
	for _, r := range t.rows {
		if r.name == name {
			return r
		}
	}
	r := &row{name: name}
	t.rows = append(t.rows, r)
	return r
}

func (r *row) add(s ...sample) { r.samples = append(r.samples, s...) }

// spread returns the smallest, middle and largest of the samples' times.
func (r *row) spread(of func(sample) time.Duration) (low, median, high time.Duration) {
	var all []time.Duration
	for _, s := range r.samples {
		all = append(all, of(s))
	}
	slices.Sort(all)
	return all[0], all[len(all)/2], all[len(all)-1]
}

func wall(s sample) time.Duration { return s.wall }
func cpu(s sample) time.Duration  { return s.cpu }

// print prints the table: the ratios are those of the median times and, in
// brackets, of the median processor times.
func (t *table) print() {
	t.peers = slices.DeleteFunc(t.peers, func(name string) bool {
		return !slices.ContainsFunc(t.rows, func(r *row) bool { return r.name == name })
	})
	unit := "seconds"
	if t.unit == time.Millisecond {
		unit = "milliseconds"
	}
	fmt.Printf("\n%s: %s, %d runs each, load %s\n", t.title, unit, len(t.rows[0].samples), load())
	fmt.Printf("%-26s%9s%9s%9s%9s", "", "min", "median", "max", "CPU")
	for _, name := range t.peers {
		fmt.Printf("%22s", "/ "+name)
	}
	for _, name := range t.notes {
		fmt.Printf("%10s", name)
	}
	fmt.Println()
	for _, r := range t.rows {
		t.printRow(r)
	}
}

func (t *table) printRow(r *row) {
	low, median, high := r.spread(wall)
	_, used, _ := r.spread(cpu)
	fmt.Printf("%-26s", r.name)
	for _, d := range []time.Duration{low, median, high, used} {
		fmt.Printf("%9.3f", float64(d)/float64(t.unit))
	}
	for _, name := range t.peers {
		fmt.Printf("%22s", r.ratios(t.row(name)))
	}
	for _, text := range r.notes {
		fmt.Printf("%10s", text)
	}
	fmt.Println()
}

// load is how many processes wanted a processor in the last minute, this
// program's included.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

func (r *row) ratios(peer *row) string {
	_, mine, _ := r.spread(wall)
	_, theirs, _ := peer.spread(wall)
	text := fmt.Sprintf("%.2f", float64(mine)/float64(theirs))
	_, mine, _ = r.spread(cpu)
	if _, theirs, _ = peer.spread(cpu); theirs > 0 {
		text += fmt.Sprintf(" (%.2f)", float64(mine)/float64(theirs))
	}
	return text
}

// takeTurns calls f for every contender in every round, backwards in every
// other.
func takeTurns[T any](rounds int, contenders []T, f func(T) error) error {
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

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/1e6) }
