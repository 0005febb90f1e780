// Package sweep makes the system calls of a program fail, one after the other,
// or sends it a signal there, by strace(1).
//
// Input: a command. Output: how often it makes which call, and what became of it
// with one fault. What it left behind is for the caller to judge, and the
// package knows nothing of the program.
package sweep

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Fault is one thing that happens at the N-th call of a name, counted from 1 in
// each thread, as strace does.
type Fault struct {
	Call string
	What string // error=NAME or signal=NAME
	N    int
}

func (f Fault) String() string { return fmt.Sprintf("%s %s at call %d", f.Call, f.What, f.N) }

// Kills says whether the process that is met has no chance to tidy up.
func (f Fault) Kills() bool { return f.What == "signal=KILL" }

// faults are, by call, the errors that its manual page has, among those of full,
// broken and distant file systems, of interruptions and of limits.
var faults = map[string]string{
	"clone":     "ENOMEM",
	"clone3":    "ENOMEM",
	"close":     "ENOSPC EIO EDQUOT EINTR ESTALE",
	"execve":    "EIO ENOMEM EMFILE ESTALE",
	"fsync":     "ENOSPC EIO EDQUOT EINTR ESTALE",
	"ftruncate": "ENOSPC EIO EDQUOT EINTR ESTALE",
	"linkat":    "ENOSPC EIO EDQUOT ESTALE ENOMEM",
	"mmap":      "ENOMEM",
	"mount":     "EIO ENOMEM EMFILE",
	"openat":    "ENOSPC EIO EDQUOT EINTR ESTALE ENOMEM EMFILE",
	"pwrite64":  "ENOSPC EIO EDQUOT EINTR ESTALE",
	"read":      "EIO EINTR ESTALE",
	"rename":    "ENOSPC EIO EDQUOT ESTALE ENOMEM",
	"renameat":  "ENOSPC EIO EDQUOT ESTALE ENOMEM",
	"renameat2": "ENOSPC EIO EDQUOT ESTALE ENOMEM",
	"write":     "ENOSPC EIO EDQUOT EINTR ESTALE",
}

// Calls are the names of the calls that the sweep is about.
func Calls() []string { return slices.Sorted(maps.Keys(faults)) }

// All returns every fault of a program that makes so many calls of each name.
func All(calls map[string]int) (all []Fault) {
	for _, call := range Calls() {
		kinds := []string{"signal=KILL", "signal=TERM"}
		for _, name := range strings.Fields(faults[call]) {
			kinds = append(kinds, "error="+name)
		}
		for n := 1; n <= calls[call]; n++ {
			for _, what := range kinds {
				all = append(all, Fault{call, what, n})
			}
		}
	}
	return all
}

// Thin returns at most n faults, spread alike over the calls and, for each of
// them, over its numbers and its kinds of faults.
func Thin(all []Fault, n int) []Fault {
	byCall := map[string][]Fault{}
	for _, f := range all {
		byCall[f.Call] = append(byCall[f.Call], f)
	}
	var out []Fault
	calls := slices.SortedFunc(maps.Keys(byCall), func(a, b string) int { // what is left of small shares goes to others
		return cmp.Or(cmp.Compare(len(byCall[a]), len(byCall[b])), cmp.Compare(a, b))
	})
	for i, call := range calls {
		list := byCall[call]
		share := min((n-len(out))/(len(calls)-i), len(list))
		for k := range share {
			out = append(out, list[(2*k+1)*len(list)/(2*share)])
		}
	}
	return out
}
