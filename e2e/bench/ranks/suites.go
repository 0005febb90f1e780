package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/bench/report"
	"github.com/sealift/sealift/e2e/fixture"
)

// How many tasks each suite has.
const (
	starting  = 32
	importing = 8
	sleeping  = 64
	most      = 256
)

// small makes the small image: a file and a directory.
func (b *bench) small() (file, dir string, err error) {
	file, dir = filepath.Join(b.work, "image.sif"), filepath.Join(b.work, "root")
	if _, err := os.Stat(file); err == nil {
		return file, dir, nil
	}
	layout, err := fixture.Busybox(cache)
	if err != nil {
		return "", "", err
	}
	if err := os.CopyFS(filepath.Join(b.work, "layout"), os.DirFS(layout)); err != nil {
		return "", "", err
	}
	for _, words := range [][]string{{"build", file, "oci:layout"}, {"build", "--sandbox", dir, "oci:layout"}} {
		if out, err := b.command(append([]string{filepath.Join(b.work, "sealift")}, words...)...).CombinedOutput(); err != nil {
			return "", "", fmt.Errorf("build: %w: %s", err, out)
		}
	}
	return file, dir, nil
}

// start times the start of all tasks of a step.
func start(_ context.Context, b *bench) error {
	file, dir, err := b.small()
	if err != nil {
		return err
	}
	t, err := b.starts(b.starters(file, dir), starting, b.rounds(15))
	return errors.Join(err, b.options.book.Show(t))
}

// growth times the same for more and more tasks.
func growth(_ context.Context, b *bench) error {
	file, dir, err := b.small()
	if err != nil {
		return err
	}
	list := b.starters(file, dir)
	curve := &report.Curve{Title: "start-up of /bin/true, by tasks", Unit: "seconds", Size: "tasks at once"}
	for n := 1; n <= most; n *= 4 {
		t, err := b.starts(list, n, b.rounds(5))
		if err = errors.Join(err, b.options.book.Note(t)); err != nil {
			return err
		}
		curve.Add(float64(n), t)
	}
	return b.options.book.Draw(curve)
}

// starters are the contenders whose tasks may end at once: where tasks join, the first has to
// live until all others have.
func (b *bench) starters(file, dir string) []contender {
	fmt.Printf("%s and %s are left out of starts: tasks that end at once cannot join\n", joined, peerJoined)
	return slices.DeleteFunc(b.contenders(file, dir), func(c contender) bool { return c.name == joined || c.name == peerJoined })
}

// starts times the start of n tasks.
func (b *bench) starts(list []contender, n, rounds int) (*report.Table, error) {
	t := newTable(fmt.Sprintf("start-up of /bin/true by %d tasks", n), "seconds")
	err := report.TakeTurns(1, list, func(c contender) error { _, err := b.time(c, n, "/bin/true"); return err })
	if err == nil {
		err = report.TakeTurns(rounds, list, func(c contender) error {
			took, err := b.time(c, n, "/bin/true")
			t.Row(c.name).Add(report.Sample{Number: took.Seconds()})
			return err
		})
	}
	return t, err
}

// imports times imports by all tasks of a step: with cold caches, and again.
func imports(ctx context.Context, b *bench) error {
	file, err := fixture.LargeImage(ctx, cache, "zstd", "3", "128K")
	if err != nil {
		return err
	}
	dir, err := fixture.LargeTree(ctx, cache)
	if err != nil {
		return err
	}
	if file, err = filepath.Abs(file); err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return err
	}
	title := fmt.Sprintf("numpy and scipy imported by %d tasks", importing)
	cold, warm := newTable(title+", cold", "seconds"), newTable(title+", warm", "seconds")
	payload := []string{"python3", "-c", "import numpy, scipy.linalg, scipy.stats"}
	if os.Geteuid() != 0 {
		fmt.Println("cold is left out: only root can drop the page cache")
	}
	err = report.TakeTurns(b.rounds(3), b.contenders(file, dir), func(c contender) error {
		if os.Geteuid() == 0 {
			if err := dropCaches(); err != nil {
				return err
			}
			took, err := b.time(c, importing, payload...)
			if err != nil {
				return err
			}
			cold.Row(c.name).Add(report.Sample{Number: took.Seconds()})
		} else if _, err := b.time(c, importing, payload...); err != nil {
			return err
		}
		took, err := b.time(c, importing, payload...)
		warm.Row(c.name).Add(report.Sample{Number: took.Seconds()})
		return err
	})
	return errors.Join(err, b.options.book.Show(cold, warm))
}

// dropCaches has the kernel forget what it has read of disks.
func dropCaches() error {
	unix.Sync()
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0o200)
}

// memory sums what the processes of a step hold that are no payloads.
func memory(_ context.Context, b *bench) error {
	if os.Geteuid() != 0 {
		fmt.Println("memory is left out: only root can look into the processes")
		return nil
	}
	file, dir, err := b.small()
	if err != nil {
		return err
	}
	title := fmt.Sprintf("of %d tasks, without the payloads", sleeping)
	pss := newTable("memory (PSS) "+title, "MB")
	rss := newTable("memory (RSS) "+title, "MB")
	processes := newTable("processes "+title, "number")
	namespaces := newTable("user namespaces "+title, "number")
	err = report.TakeTurns(b.rounds(3), b.contenders(file, dir), func(c contender) error {
		u, err := b.use(c)
		pss.Row(c.name).Add(report.Sample{Number: float64(u.pss) / 1e6})
		rss.Row(c.name).Add(report.Sample{Number: float64(u.rss) / 1e6})
		processes.Row(c.name).Add(report.Sample{Number: float64(u.processes)})
		namespaces.Row(c.name).Add(report.Sample{Number: float64(u.namespaces)})
		return err
	})
	return errors.Join(err, b.options.book.Show(pss, rss, processes, namespaces))
}

// use has all tasks sleep, and returns what is in use meanwhile.
func (b *bench) use(c contender) (u inUse, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return u, err
	}
	defer r.Close()
	s, err := b.begin(c, sleeping, w, "/bin/sh", "-c", "echo; exec sleep 600")
	w.Close()
	if err == nil {
		err = readAll(r, sleeping)
	}
	if err == nil {
		u, err = measure(os.Getpid())
	}
	for _, pid := range payloads(os.Getpid()) {
		err = errors.Join(err, unix.Kill(pid, unix.SIGTERM))
	}
	for _, cmd := range s.tasks {
		_ = cmd.Wait() // a signal has ended it
	}
	return u, errors.Join(err, gone())
}
