package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/sealift/sealift/e2e/bench/proc"
	"github.com/sealift/sealift/e2e/bench/report"
	"github.com/sealift/sealift/e2e/fixture"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

// verify measures what it costs to hold an image of 2 GB against its hash tree, also by rules.
func verify(ctx context.Context, o options) error {
	work, err := workDir(o.work)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	programs, err := builds(work)
	if err != nil {
		return err
	}
	tree, err := fixture.HugeTree(ctx, cache)
	if err != nil {
		return err
	}
	path := filepath.Join(work, "huge.sif")
	if _, err := execute(exec.CommandContext(ctx, programs[0].path, "image", "pack", "--quiet", tree, path)); err != nil {
		return err
	}
	rules, err := newRules(programs[0], work, path)
	if err != nil {
		return err
	}
	o.cold = o.cold || os.Geteuid() == 0
	ways := []contender{sealiftWith(programs[0], "unchecked"), sealiftWith(programs[0], "sealift --verify", "--verify")}
	if o.only.MatchString("start") {
		if err := verifiedStart(programs[0], path, rules, o); err != nil {
			return err
		}
	}
	if o.only.MatchString("read") {
		if err := measure("read all of an image of 2 GB", readAll(1), path, ways, o); err != nil {
			return err
		}
	}
	if !o.only.MatchString("whole") {
		return nil
	}
	return wholeImage(ctx, path, rules.readWhole(programs[0], path), o)
}

// verifiedStart times /bin/true.
func verifiedStart(p program, path string, rules *rules, o options) error {
	rounds := o.rounds
	if rounds == 0 {
		rounds = 51
	}
	t := &report.Table{Title: "start-up of /bin/true in an image of 2 GB", Unit: "milliseconds", Peers: []string{"unchecked"}}
	ways := []starter{
		{name: "unchecked", args: []string{p.path, "exec", path, "/bin/true"}},
		{name: "sealift --verify", args: []string{p.path, "exec", "--verify", path, "/bin/true"}},
		{name: "by rules, signed tree", args: []string{p.path, "exec", path, "/bin/true"}, environ: rules.believed},
		{name: "by rules, remembered", args: []string{p.path, "exec", path, "/bin/true"}, environ: rules.remembered},
	}
	if _, err := execute(ways[3].command()); err != nil { // which reads it, to be remembered
		return err
	}
	err := report.TakeTurns(rounds, ways, func(s starter) error {
		got, err := execute(s.command())
		t.Row(s.name).Add(got.Milliseconds())
		return err
	})
	if err == nil {
		err = o.book.Show(t)
	}
	return err
}

// command is that of a starter.
func (s starter) command() *exec.Cmd {
	cmd := exec.Command(s.args[0], s.args[1:]...)
	cmd.Env = append(os.Environ(), s.environ...)
	return cmd
}

// wholeImage times what an image needs before it is run by rules and nothing is remembered of
// it, and a check of all of one that has a tree.
func wholeImage(ctx context.Context, path string, first starter, o options) error {
	rounds := o.rounds
	if rounds == 0 {
		rounds = 3
	}
	t := &report.Table{Title: "hash all of an image of 2 GB", Unit: "seconds", Peers: []string{"sha256sum"}}
	ways := map[string]func() (report.Time, error){
		"sha256sum": func() (report.Time, error) {
			got, err := execute(exec.CommandContext(ctx, "sha256sum", path))
			return got.Time, err
		},
		"sealift, its tree": func() (report.Time, error) { return checked(ctx, path) },
		first.name: func() (report.Time, error) {
			got, err := execute(first.command())
			return got.Time, err
		},
	}
	err := report.TakeTurns(rounds, []string{"sha256sum", "sealift, its tree", first.name}, func(name string) error {
		got, err := ways[name]()
		t.Row(name).Add(got.Seconds())
		return err
	})
	if err == nil {
		err = o.book.Show(t)
	}
	return err
}

// checked holds all of an image against its tree.
func checked(ctx context.Context, path string) (report.Time, error) {
	begun := time.Now()
	used, err := proc.ProcessorTime(os.Getpid())
	if err != nil {
		return report.Time{}, err
	}
	if err := check(ctx, path); err != nil {
		return report.Time{}, fmt.Errorf("%s: %w", path, err)
	}
	after, err := proc.ProcessorTime(os.Getpid())
	return report.Time{Wall: time.Since(begun), CPU: after - used}, err
}

func check(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	img, err := sif.Load(f)
	if err != nil {
		return err
	}
	tree, err := merkle.FromImage(img)
	if err != nil {
		return err
	}
	return tree.Check(ctx, 0)
}
