package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/sealift/sealift/e2e/bench/report"
	"github.com/sealift/sealift/e2e/fixture"
)

// scaling is the work of the suite.
type scaling struct {
	options
	work, sealift string
	small         string // a layout that each image has as its lowest layer
}

// scale shows how costs grow: one curve for each of what there may be more of.
func scale(_ context.Context, o options) (err error) {
	s := scaling{options: o}
	if s.rounds == 0 {
		s.rounds = 3
	}
	if s.sealift, err = filepath.Abs("bin/sealift"); err != nil {
		return err
	}
	if s.small, err = fixture.Busybox(cache); err != nil {
		return err
	}
	if s.work, err = workDir(o.work); err != nil {
		return err
	}
	defer os.RemoveAll(s.work)
	for _, c := range []struct {
		title, size string
		sizes       []int
		tree        func(dir string, n int) error
	}{
		{"files", "files of 100 bytes", []int{1e3, 1e4, 1e5, 1e6}, files},
		{"size", "MB that do not compress", []int{1, 10, 100, 1000}, noise},
	} {
		if err := s.curves(c.title, c.size, c.sizes, c.tree); err != nil {
			return err
		}
	}
	return s.layers()
}

// way is one way to do something once; reset, unless nil, comes before and is not timed.
type way struct {
	name  string
	reset string // a file that is removed
	args  []string
}

// measure times the ways that are there, in turns.
func (s *scaling) measure(curve *report.Curve, n int, rounds int, ways []way) error {
	t := &report.Table{Title: fmt.Sprintf("%s, %d %s", curve.Title, n, curve.Size), Unit: curve.Unit}
	err := report.TakeTurns(rounds, ways, func(w way) error {
		if w.reset != "" {
			if err := os.RemoveAll(w.reset); err != nil {
				return err
			}
		}
		cmd := exec.Command(w.args[0], w.args[1:]...)
		cmd.Env = append(os.Environ(), "SEALIFT_DISABLE_CACHE=1")
		got, err := execute(cmd)
		t.Row(w.name).Add(got.Seconds())
		return err
	})
	if err == nil {
		err = s.book.Note(t)
	}
	curve.Add(float64(n), t)
	return err
}

// curves packs directories that grow, and starts containers of the images.
func (s *scaling) curves(title, size string, sizes []int, tree func(dir string, n int) error) error {
	if !s.only.MatchString(title) {
		return nil
	}
	pack := &report.Curve{Title: "pack a directory, by " + title, Unit: "seconds", Size: size}
	run := &report.Curve{Title: "start-up of /bin/true, by " + title, Unit: "seconds", Size: size}
	for _, n := range sizes {
		dir, sif, sqfs := filepath.Join(s.work, "tree"), filepath.Join(s.work, "x.sif"), filepath.Join(s.work, "x.sqfs")
		if _, err := execute(exec.Command(s.sealift, "build", "--sandbox", dir, "oci:"+s.small)); err != nil {
			return err
		}
		if err := tree(dir, n); err != nil {
			return err
		}
		ways := []way{{"sealift image pack", sif, []string{s.sealift, "-q", "image", "pack", dir, sif}}}
		if found("mksquashfs", "mksquashfs") {
			ways = append(ways, way{"mksquashfs", sqfs, []string{"mksquashfs", dir, sqfs, "-comp", "zstd", "-Xcompression-level", "3", "-quiet", "-no-progress"}})
		}
		err := s.measure(pack, n, s.rounds, ways)
		if err == nil {
			err = s.measure(run, n, 5*s.rounds, []way{{"sealift, SIF", "", []string{s.sealift, "exec", sif, "/bin/true"}}, {"sealift, directory", "", []string{s.sealift, "exec", dir, "/bin/true"}}})
		}
		if err = errors.Join(err, os.RemoveAll(dir), os.RemoveAll(sif), os.RemoveAll(sqfs)); err != nil {
			return err
		}
	}
	return errors.Join(s.book.Draw(pack), s.book.Draw(run))
}

// files makes small files, a thousand in a directory.
func files(dir string, n int) error {
	for i := range n {
		in := filepath.Join(dir, "data", fmt.Sprint(i/1000))
		if i%1000 == 0 {
			if err := os.MkdirAll(in, 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(in, fmt.Sprint(i)), fmt.Appendf(nil, "%-100d", i), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// noise makes a file of so many MB.
func noise(dir string, n int) error {
	f, err := os.Create(filepath.Join(dir, "noise"))
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{}), int64(n)*1e6)
	return errors.Join(err, f.Close())
}

// layers builds images of more and more layers, each of a hundred files.
func (s *scaling) layers() error {
	if !s.only.MatchString("layers") {
		return nil
	}
	curve := &report.Curve{Title: "build from OCI, by layers", Unit: "seconds", Size: "layers of 100 files"}
	for _, n := range []int{1, 10, 100} {
		dir, sif := filepath.Join(s.work, "layout"), filepath.Join(s.work, "x.sif")
		if err := fixture.Layered(dir, n); err != nil {
			return err
		}
		ways := []way{{"sealift build", sif, []string{s.sealift, "-q", "build", sif, "oci:" + dir}}}
		if found("apptainer", "apptainer") {
			ways = append(ways, way{"apptainer build", sif, []string{"apptainer", "-q", "build", sif, "oci:" + dir}})
		}
		if err := errors.Join(s.measure(curve, n, s.rounds, ways), os.RemoveAll(dir)); err != nil {
			return err
		}
	}
	return s.book.Draw(curve)
}
