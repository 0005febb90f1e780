package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sealift/sealift/e2e/bench/report"
	"github.com/sealift/sealift/e2e/mpi"
)

// outside is the row of programs that run in no container.
const outside = "outside"

// What two ranks send to and fro.
const (
	messageBytes = 4 << 20
	messages     = 100
)

// bandwidth measures messages between two ranks of this node, in containers and outside.
func bandwidth(ctx context.Context, b *bench) error {
	if missing := mpi.Missing(); len(missing) > 0 {
		fmt.Printf("bandwidth is left out: no %s\n", strings.Join(missing, ", "))
		return nil
	}
	dir, err := mpi.Fixture(ctx, cache)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return err
	}
	sealift := []string{filepath.Join(b.work, "sealift"), "exec", filepath.Join(dir, mpi.Image)}
	for _, f := range mpi.Families() {
		launch := append([]string{"timeout", "-k", "5", "120"}, f.Mpirun(0, 2)...)
		list := []contender{
			{outside, fixed(append(launch[:len(launch):len(launch)], filepath.Join(dir, f.Name))...)},
			{"sealift, shared", fixed(append(append(launch[:len(launch):len(launch)], sealift...), filepath.Join(mpi.Directory, f.Name))...)},
		}
		t := newTable(fmt.Sprintf("messages of %d MiB between two ranks, %s", messageBytes>>20, f.Name), "MB/s")
		t.More = true
		err := report.TakeTurns(b.rounds(5), list, func(c contender) error {
			n, err := b.messages(c)
			t.Row(c.name).Add(report.Sample{Number: n})
			return err
		})
		if err = errors.Join(err, b.options.book.Show(t)); err != nil {
			return err
		}
	}
	return nil
}

// messages returns the best bandwidth of one run: less is of others who want a processor.
func (b *bench) messages(c contender) (float64, error) {
	out, err := b.command(append(c.command(2, ""), "2", strconv.Itoa(messageBytes), strconv.Itoa(messages))...).CombinedOutput()
	if err != nil {
		return 0, errors.Join(fmt.Errorf("%s: %w: %s", c.name, err, out), gone())
	}
	_, best, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	n, err := strconv.ParseFloat(best, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %q: %w", c.name, out, err)
	}
	return n, gone()
}
