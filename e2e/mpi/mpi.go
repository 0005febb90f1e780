// Package mpi has MPI programs for tests, and knows how they are started: with Open MPI
// and with MPICH, by Slurm and by their own launchers.
//
// Input: a cache directory, the compilers of both, and Debian's mmdebstrap. Output: an
// image with the libraries of both and a program linked with each, which is the same
// inside and outside of the image; command lines. It uses nothing of Sealift.
package mpi

import (
	"context"
	"crypto/sha256"
	_ "embed" // for the program
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/sealift/sealift/e2e/fixture"
)

//go:embed ranks/ranks.c
var source string

// Image is the name of the image, a SquashFS file, in the directory of Fixture.
const Image = "image.sqfs"

// packages are in the image: those that images with MPI have, as Open MPI takes other ways
// without the settings that come with its programs.
const packages = "openmpi-bin,mpich"

// Directory is where the image has the programs that Fixture's directory has, too.
const Directory = "/opt/ranks"

// Family is an implementation of MPI.
type Family struct {
	// Name is that of its compiler, and of the program linked with it: openmpi, mpich.
	Name string
	// PMI is what srun has to offer it.
	PMI string
	// launcher starts ranks by itself: as many as the argument that follows.
	launcher []string
}

// Families returns those that there are.
func Families() []Family {
	return []Family{
		{"openmpi", "pmix", []string{"mpirun.openmpi", "--oversubscribe", "-n"}},
		{"mpich", "pmi2", []string{"mpirun.mpich", "-n"}},
	}
}

// Srun returns the start of a command line that has Slurm start ranks on nodes.
func (f Family) Srun(nodes, ranks int) []string {
	return []string{"srun", "--quiet", "--mpi=" + f.PMI, "--nodes=" + strconv.Itoa(nodes), "--ntasks=" + strconv.Itoa(ranks)}
}

// Mpirun returns that of one that has the family's own launcher start them, on nodes that
// Slurm gives, with more options of salloc's; or without Slurm on 0 nodes.
func (f Family) Mpirun(nodes, ranks int, options ...string) []string {
	launch := append(append([]string{}, f.launcher...), strconv.Itoa(ranks))
	if nodes == 0 {
		return launch
	}
	job := append([]string{"salloc", "--quiet", "--nodes=" + strconv.Itoa(nodes), "--ntasks=" + strconv.Itoa(ranks)}, options...)
	return append(job, launch...)
}

// Missing returns the programs that this machine lacks.
func Missing() (names []string) {
	for _, name := range []string{"mpicc.openmpi", "mpicc.mpich", "mpirun.openmpi", "mpirun.mpich", "mmdebstrap", "mksquashfs"} {
		if _, err := exec.LookPath(name); err != nil {
			names = append(names, name)
		}
	}
	return names
}

// Fixture returns the path of a directory with the image and, by the names of the
// families, the programs. It is made once for each version of what it is made of.
func Fixture(ctx context.Context, cache string) (string, error) {
	name := fmt.Sprintf("mpi-%.4x", sha256.Sum256([]byte(source+packages)))
	return fixture.Once(cache, name, func(dir string) error {
		root := filepath.Join(dir, "root")
		programs := filepath.Join(root, Directory)
		if err := errors.Join(unpack(ctx, dir, root), os.MkdirAll(programs, 0o755)); err != nil {
			return err
		}
		for _, f := range Families() {
			if err := compile(ctx, f, dir); err != nil {
				return err
			}
			if err := run(ctx, "cp", filepath.Join(dir, f.Name), programs); err != nil {
				return err
			}
		}
		err := run(ctx, "mksquashfs", root, filepath.Join(dir, Image), "-quiet", "-no-progress", "-all-root", "-comp", "zstd", "-Xcompression-level", "3")
		return errors.Join(err, run(ctx, "chmod", "-R", "u+rwX", root), os.RemoveAll(root))
	})
}

// unpack makes a root file system with the libraries that the programs need, but for
// devices, which only root could make.
func unpack(ctx context.Context, dir, root string) error {
	archive := filepath.Join(dir, "root.tar")
	err := errors.Join(fixture.Root(ctx, archive, packages), os.Mkdir(root, 0o755))
	if err == nil {
		err = run(ctx, "tar", "-C", root, "--exclude=./dev/*", "-xf", archive)
	}
	return errors.Join(err, os.RemoveAll(archive))
}

// compile makes the program of a family in dir.
func compile(ctx context.Context, f Family, dir string) error {
	text := filepath.Join(dir, "ranks.c")
	if err := os.WriteFile(text, []byte(source), 0o644); err != nil {
		return err
	}
	return run(ctx, "mpicc."+f.Name, "-O2", "-Wall", "-Werror", "-o", filepath.Join(dir, f.Name), text)
}

// run runs a command; its words are part of the error.
func run(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
