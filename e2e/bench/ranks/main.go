// Command ranks measures what the tasks of a job step cost that are containers: how long
// all of them take to start and to import Python packages at once, how much memory is in
// use while they run, and how fast they send messages; with one server for all and with one
// for each, beside Sealift's peers. The contenders of a table take turns in one run, in
// alternating order.
//
// Input: bin/ as built, fixtures that are made on first use, and the peers that are in
// PATH. Output: tables with ratios to the peers; peers that are missing are named. It
// asserts nothing. It is the launcher of the tasks itself, which gets nothing in between
// that differs: they see the variables of a step of Slurm's.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/sealift/sealift/e2e/bench/report"
)

const usage = `usage: ranks [flags] [start] [growth] [import] [memory] [bandwidth]

start  the start-up of /bin/true in a small image, by 32 tasks at once
growth the same by 1 to 256 tasks
import numpy and scipy by 8 tasks at once, with cold caches (for root) and warm ones
memory of all processes but the payloads, with 64 tasks (for root)
bandwidth of messages between two ranks, of Open MPI and of MPICH, in containers and outside

Without an argument all of them run, which takes some minutes, and some more and 5 GB in e2e/.fixtures the first time. Run it
from the top of the sources.

`

// options are the flags.
type options struct {
	rounds int
	uid    uint32
	book   report.Book
}

// cache holds the fixtures.
const cache = "e2e/.fixtures"

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 0, "rounds of each table (default 15 of start, 5 of growth, 3 of the others)")
	uid := flag.Uint("uid", 1501, "the user of the tasks when started by root")
	out := flag.String("out", "", "also write tables.csv, tables.md and a picture of each table to this `directory`")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	o.uid, o.book = uint32(*uid), report.Book{Out: os.Stdout, Dir: *out}
	suites := map[string]func(context.Context, *bench) error{"start": start, "growth": growth, "import": imports, "memory": memory, "bandwidth": bandwidth}
	names := flag.Args()
	if len(names) == 0 {
		names = []string{"start", "growth", "import", "memory", "bandwidth"}
	}
	if slices.ContainsFunc(names, func(s string) bool { return suites[s] == nil }) {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(o, names, suites); err != nil {
		fmt.Fprintln(os.Stderr, "ranks:", err)
		os.Exit(1)
	}
}

func run(o options, names []string, suites map[string]func(context.Context, *bench) error) error {
	if err := o.book.Begin(report.Machine(context.Background(), "bin/sealift", "apptainer", "ch-run", "mpirun.openmpi", "mpirun.mpich")); err != nil {
		return err
	}
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
	for _, name := range names {
		if err := suites[name](context.Background(), b); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// rounds returns how often a table's contenders take their turns.
func (b *bench) rounds(usual int) int {
	if b.options.rounds > 0 {
		return b.options.rounds
	}
	return usual
}
