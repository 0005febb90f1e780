package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sealift/sealift/e2e/slurm"
)

// TestSlurmExamples runs every job of examples/slurm: what is expected is a pattern of its
// output, of which Slurm's own lines are left out. Packages come from Debian's mirror
// through a cache.
func TestSlurmExamples(t *testing.T) {
	apt := startAptCache(t)
	asUser(t, "^TestSlurmExamples$")
	s := slurmStepsOn(t, slurm.Options{Groups: os.Getuid() == 0, GPUs: 2 * (1 - min(os.Getuid(), 1))})
	dir := filepath.Join(s.dir, "slurm")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(images(t)["EXAMPLES"], "slurm"))); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // what takes root: devices
		if err := errors.Join(os.Chown(dir, testUID, testUID), os.Symlink(s.image, filepath.Join(dir, "tools.sif"))); err != nil {
			t.Fatal(err)
		}
		s.example(t, dir, "gpu.sh", "--mem-per-cpu=64", "task 0: /dev/nvidia0\ntask 1: /dev/nvidia1\n")
		return
	}
	s.tools(t, dir, apt)
	for _, c := range []struct{ script, options, want string }{
		{"array.sh", "", "0 124500\n"},
		{"mpi.sh mpich", "--nodes=1", "2 ranks, 1 threads each, sum 500000500000\n"},
		{"hybrid.sh", "", "2 ranks, 2 threads each, sum 500000500000\n"},
		{"checkpoint.sh 150", "--time=1 --signal=USR1@50", "(?s)stopped at [0-9]+\n.*going on at [0-9]+\n.*done: 150\n"},
	} {
		t.Run(c.script, func(t *testing.T) { s.example(t, dir, c.script, c.options, c.want) })
	}
	t.Run("snakemake", func(t *testing.T) { s.workflow(t, filepath.Join(dir, "snakemake")) })
}

// tools builds the image of the examples.
func (s *steps) tools(t *testing.T, dir, apt string) {
	t.Helper()
	debian := images(t)["DEBIAN"]
	if debian == "" {
		t.Skip("needs the Debian fixture")
	}
	base := startRegistry(t, map[string]string{"debian:12": debian}) + "/debian:12"
	cmd := exec.Command(s.sealift, "build", "--build-arg", "BASE="+base, "tools.sif", "tools.def")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "http_proxy="+apt, "SEALIFT_CACHEDIR="+filepath.Join(s.dir, "cache"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// example submits a script with arguments, waits for the job's end, and compares what it
// says with a pattern.
func (s *steps) example(t *testing.T, dir, script, options, want string) {
	t.Helper()
	name, _, _ := strings.Cut(script, ".")
	cmd := s.command("sbatch", append(append([]string{"--wait"}, strings.Fields(options)...), strings.Fields(script)...)...)
	cmd.Dir, cmd.Env = dir, append(cmd.Env, "IMAGE=", "PATH="+filepath.Dir(s.sealift)+":"+os.Getenv("PATH"))
	said, err := cmd.CombinedOutput()
	files, _ := filepath.Glob(filepath.Join(dir, name+"*.out"))
	if len(files) == 0 {
		t.Fatalf("%v, %s: no output", err, said)
	}
	text, err2 := os.ReadFile(files[0])
	if got := filtered(string(text)); err != nil || err2 != nil || !regexp.MustCompile("^"+want+"$").MatchString(got) {
		t.Errorf("%v, %s; %v, %q, not %q", err, said, err2, text, want)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Error(err)
		}
	}
}

// filtered leaves out what Slurm says of the end of steps.
func filtered(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "srun: ") && !strings.HasPrefix(line, "slurmstepd") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// workflow runs the workflow of Snakemake.
func (s *steps) workflow(t *testing.T, dir string) {
	t.Helper()
	if _, err := exec.LookPath("snakemake"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	bin := filepath.Join(s.dir, "bin")
	err := errors.Join(os.Symlink("../tools.sif", filepath.Join(dir, "tools.sif")), os.Mkdir(bin, 0o755), os.Symlink(s.sealift, filepath.Join(bin, "singularity")))
	if err != nil {
		t.Fatal(err)
	}
	cmd := s.command("snakemake", "--profile", "profile")
	cmd.Dir, cmd.Env = dir, append(cmd.Env, "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	sum, err2 := os.ReadFile(filepath.Join(dir, "sum"))
	if err := errors.Join(err, err2); err != nil || string(sum) != "499500\n" {
		t.Errorf("%v, %q\n%s", err, sum, out)
	}
	if logs, _ := filepath.Glob(filepath.Join(dir, "logs", "*")); len(logs) != 5 {
		t.Errorf("%d jobs of Slurm's: %q", len(logs), logs)
	}
}
