package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/e2e/mpi"
	"github.com/sealift/sealift/e2e/slurm"
)

// ranksTime bounds a run of ranks, in seconds: where they cannot reach each other's
// memory, some hang.
const ranksTime = "30"

// attempts is how often ranks are run until they end. Those of MPICH on two nodes that are
// one machine hang when they say goodbye to each other by TCP (UCX 1.13), outside containers
// in about one of six runs.
func attempts(family string, nodes int) int {
	if family == "mpich" && nodes > 1 {
		return 8
	}
	return 1
}

// ranks starts MPI programs, in containers and outside.
type ranks struct {
	*steps
	programs string // a directory
}

// mpiPrograms makes the image and the programs, which the process of root makes for that of
// the ordinary user.
func mpiPrograms(t *testing.T) string {
	t.Helper()
	if missing := mpi.Missing(); len(missing) > 0 {
		apart.Skip(t, "no "+strings.Join(missing, ", "))
	}
	images(t)
	dir, err := stage()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv(stageEnv) == "" {
		cache, err := filepath.Abs(".fixtures")
		if err != nil {
			t.Fatal(err)
		}
		link(t, dir, "mpi", func() (string, error) { return mpi.Fixture(context.Background(), cache) })
	}
	return filepath.Join(dir, "mpi")
}

// in returns the words that have a program of the image run in a container, or, with
// contained unset, the program of the same name outside.
func (r *ranks) in(f mpi.Family, contained bool) []string {
	if !contained {
		return []string{filepath.Join(r.programs, f.Name)}
	}
	return []string{r.sealift, "exec", filepath.Join(r.programs, mpi.Image), filepath.Join(mpi.Directory, f.Name)}
}

// run runs ranks and returns what they print. Whatever is left of them when their time is
// over gets in the way of none that come later.
func (r *ranks) run(words ...string) (string, error) {
	out, err := r.command("timeout", append([]string{"-k", "5", ranksTime}, words...)...).CombinedOutput()
	if err != nil {
		out = append(out, r.end()...)
	}
	return string(out), err
}

// end ends all jobs.
func (r *ranks) end() []byte {
	out, err := r.command("scancel", "--signal=KILL", "--user", strconv.Itoa(testUID)).CombinedOutput()
	if err != nil {
		out = fmt.Appendf(out, "scancel: %v", err)
	}
	return out
}

// rankMemory is what ranks get of a node that counts it.
const rankMemory = "--mem-per-cpu=500"

// TestMPI: containers are ranks of MPI programs as programs are, without any flag or
// variable: with messages of all sizes on one node and on two, whoever starts them.
func TestMPI(t *testing.T) {
	programs := mpiPrograms(t)
	asUser(t, "^TestMPI$")
	r := &ranks{slurmStepsOn(t, slurm.Options{Groups: os.Getuid() == 0, Apart: true}), programs}
	for _, f := range mpi.Families() {
		for _, c := range []struct {
			name   string
			launch []string
			nodes  int
			ranks  int
		}{
			{"srun", append(f.Srun(1, 2), rankMemory), 1, 2},
			{"srun on 2 nodes", append(f.Srun(2, 4), rankMemory, "--ntasks-per-node=2"), 2, 4},
			{"mpirun in a job", f.Mpirun(1, 2, rankMemory), 1, 2},
			{"mpirun on 2 nodes", f.Mpirun(2, 4, rankMemory, "--ntasks-per-node=2"), 2, 4},
			{"mpirun", f.Mpirun(0, 3), 1, 3},
		} {
			t.Run(f.Name+" "+c.name, func(t *testing.T) {
				size := strconv.Itoa(c.ranks)
				var out string
				var err error
				for n := range attempts(f.Name, c.nodes) {
					out, err = r.run(append(append(c.launch, r.in(f, true)...), size)...)
					if err == nil || !strings.HasPrefix(out, size+" ranks are well\n") {
						break
					}
					t.Logf("they did not end, attempt %d", n+1)
				}
				if want := size + " ranks are well\n"; err != nil || out != want {
					t.Errorf("%v: %q, not %q", err, out, want)
					out, err := r.run(append(append(c.launch, r.in(f, false)...), size)...)
					t.Logf("the same without containers: %v, %q", err, out)
				}
			})
		}
	}
}

// copied is a call in a trace that read another process's memory.
var copied = regexp.MustCompile(`(?m)process_vm_readv\(.*= [1-9][0-9]*$`)

// TestMPICopies: ranks in containers read each other's memory (process_vm_readv(2)), as
// those outside do.
func TestMPICopies(t *testing.T) {
	programs := mpiPrograms(t)
	asUser(t, "^TestMPICopies$")
	if _, err := exec.LookPath("strace"); err != nil {
		apart.Skip(t, err.Error())
	}
	r := &ranks{slurmSteps(t), programs}
	for _, f := range mpi.Families() {
		for _, contained := range []bool{false, true} {
			trace := filepath.Join(r.dir, fmt.Sprintf("%s-%t", f.Name, contained))
			script := `exec strace -f -qq -e trace=process_vm_readv -o "$TRACE.$SLURM_PROCID" "$@"`
			words := append(append(f.Srun(1, 2), rankMemory, "--export=ALL,TRACE="+trace, "sh", "-c", script, "sh"), r.in(f, contained)...)
			out, err := r.run(append(words, "2", strconv.Itoa(4<<20), "20")...)
			if err != nil {
				t.Errorf("%s, contained %t: %v, %s", f.Name, contained, err, out)
				continue
			}
			calls, err := copies(trace)
			if err != nil || calls == 0 {
				t.Errorf("%s, contained %t: %d reads of the other's memory, %v", f.Name, contained, calls, err)
			}
			t.Logf("%s, contained %t: %d reads of the other's memory, %s", f.Name, contained, calls, strings.TrimSpace(out))
		}
	}
}

// copies counts the reads in the traces of two ranks.
func copies(trace string) (n int, err error) {
	for _, rank := range []string{"0", "1"} {
		text, e := os.ReadFile(trace + "." + rank)
		err = errors.Join(err, e)
		n += len(copied.FindAll(text, -1))
	}
	return n, err
}

// TestMPIAlone: the programs tell when ranks do not find each other.
func TestMPIAlone(t *testing.T) {
	programs := mpiPrograms(t)
	for _, f := range mpi.Families() {
		out, err := exec.Command(filepath.Join(programs, f.Name), "2").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "the number of ranks is not 2") {
			t.Errorf("%s: %v, %s", f.Name, err, out)
		}
	}
}
