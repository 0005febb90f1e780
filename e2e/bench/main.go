// Command bench measures Sealift beside its peers: how fast a container
// starts, an image is read, and an image is written. All contenders of a table
// take turns in one run, in alternating order, so that a machine whose speed
// drifts drifts for all.
//
// Input: the sources and bin/ as built, fixtures that are made on first use,
// and the peers that are in PATH. Output: tables of times and of ratios to the
// peers; peers that are missing are named. It asserts nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"

	"github.com/sealift/sealift/e2e/bench/report"
)

const usage = `usage: bench [flags] [start] [read] [write] [verify] [scale]

start  the start-up of /bin/true in a small image
read   find, a Python import, whole-tree reads and one large stream, cold and warm, through each server of images
write  tar and OCI archives to SquashFS, and the rebuild of an image after a change of its script or metadata
scale  the cost of more: images of 1,000 to 1,000,000 files, of 1 to 100 layers, of 1 MB to 1 GB
verify start-up and reading of an image of 2 GB that is held against its hash tree, also by rules, and hashing of all of it

Without an argument all of them run, which takes about an hour and 15 GB in e2e/.fixtures the first time. Run it from
the top of the sources. Only root can drop the page cache, for cold reads, and mount by the kernel's SquashFS.

`

// options are the flags.
type options struct {
	rounds     int
	uid        uint32
	only       *regexp.Regexp
	squashfuse string
	work       string
	cold       bool
	book       report.Book
}

// peers are programs whose versions are told.
var peers = []string{
	"bin/sealift", "apptainer", "singularity", "bwrap", "ch-run", "squashfuse_ll", "squashfuse_ll-0.6", "mksquashfs", "unsquashfs", "tar2sqfs", "python3",
}

// cache holds the fixtures, and the work of the suites while they run.
const cache = "e2e/.fixtures"

func main() {
	o := options{only: regexp.MustCompile("")}
	flag.IntVar(&o.rounds, "rounds", 0, "rounds of each table (default 51 of start, 3 of the others)")
	uid := flag.Uint("uid", 1501, "the user of the start suite when started by root")
	flag.Func("only", "measure only the tables of read and write whose name matches this `pattern`, such as 'zstd import'",
		func(s string) (err error) { o.only, err = regexp.Compile(s); return err })
	flag.StringVar(&o.squashfuse, "squashfuse", "squashfuse_ll-0.6", "a `program`, squashfuse_ll of a later version than the one in PATH")
	flag.StringVar(&o.work, "work", cache, "the `directory` in which write puts its images; some file systems, such as XFS, copy by sharing blocks")
	out := flag.String("out", "", "also write tables.csv, tables.md and a picture of each table to this `directory`")
	inside := flag.String("inside", "", "set by the program itself when it runs in its own namespaces")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	o.uid, o.cold = uint32(*uid), *inside == "root"
	suites := map[string]func(context.Context, options) error{"start": start, "read": apart, "write": write, "verify": verify, "scale": scale}
	if *inside != "" {
		suites["read"] = read
	}
	names := flag.Args()
	if len(names) == 0 {
		names = []string{"start", "read", "write", "verify", "scale"}
	}
	if slices.ContainsFunc(names, func(s string) bool { return suites[s] == nil }) {
		flag.Usage()
		os.Exit(2)
	}
	o.book = report.Book{Out: os.Stdout, Dir: *out}
	if *inside == "" {
		if err := o.book.Begin(report.Machine(context.Background(), peers...)); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
	}
	for _, name := range names {
		if err := suites[name](context.Background(), o); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", name, err)
			os.Exit(1)
		}
	}
}

// workDir makes a directory in parent for a suite, which removes it.
func workDir(parent string) (string, error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	return os.MkdirTemp(parent, "bench-")
}
