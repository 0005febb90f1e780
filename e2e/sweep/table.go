package sweep

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Outcome is what became of a program with a fault.
type Outcome int

// The outcomes, in the order of the table's columns.
const (
	Missed  Outcome = iota // that run made fewer calls
	WentOn                 // with success
	Failed                 // with an error of its own
	Killed                 // by the signal
	Runtime                // the language's runtime gave up
	Hung                   // it waits for the end of file of what a failed close left open
	outcomes
)

// Table counts outcomes by operation, call and fault.
type Table struct {
	mu   sync.Mutex
	rows map[[3]string]*[outcomes]int
}

// Add counts one.
func (t *Table) Add(operation string, f Fault, o Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows == nil {
		t.rows = map[[3]string]*[outcomes]int{}
	}
	for _, key := range [][3]string{{operation, f.Call, f.What}, {"all", "", ""}} {
		if t.rows[key] == nil {
			t.rows[key] = new([outcomes]int)
		}
		t.rows[key][o]++
	}
}

// String is the table, its sum in the first line.
func (t *Table) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%-8s %-10s %-14s %7s %7s %7s %7s %7s %7s\n", "", "call", "fault", "missed", "went on", "failed", "killed", "runtime", "hung")
	keys := slices.SortedFunc(maps.Keys(t.rows), func(a, b [3]string) int {
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]), cmp.Compare(a[2], b[2]))
	})
	for _, key := range keys {
		fmt.Fprintf(&b, "%-8s %-10s %-14s", key[0], key[1], key[2])
		for _, n := range t.rows[key] {
			fmt.Fprintf(&b, " %7d", n)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
