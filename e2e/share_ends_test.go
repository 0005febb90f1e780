package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sealift/sealift/e2e/slurm"
)

// told is a payload that says which signal it was sent, and ends by itself with "go".
const told = `for s in TERM USR1; do trap "echo $s \$SLURM_PROCID; exit 3" $s; done
echo $SLURM_JOB_ID >job; echo >ready.$SLURM_PROCID; while [ ! -e go ]; do sleep 0.1; done; echo done $SLURM_PROCID`

// deaf is one that minds no signal that it can leave.
const deaf = `trap "" TERM; echo $SLURM_JOB_ID >job; echo >ready.$SLURM_PROCID; while [ ! -e go ]; do sleep 0.1; done`

// greedy is one of which rank 2 takes more memory than its job has.
const greedy = `echo $SLURM_JOB_ID >job; echo >ready.$SLURM_PROCID
	[ $SLURM_PROCID != 2 ] || exec tail -c 500000000 /dev/zero; while [ ! -e go ]; do sleep 0.1; done`

// ends are the ways in which a step of four ranks ends. In act, $JOB is its job, $RANK0 and
// $RANK2 are payloads, $SERVER is what serves the image, and $HOLDER keeps the namespaces.
var ends = []struct {
	name, script, act string
	want              []string // what it says, among other things
	code              string   // the status of srun
	killed            bool     // the server may be, too, by Slurm
	root              bool     // it takes control groups
}{
	{name: "scancel", script: told, act: "scancel $JOB", want: fromEach("TERM"), code: "3|15|143"},
	{killed: true, name: "scancel, deaf ranks", script: deaf, act: "scancel $JOB", code: "9|137"},
	{name: "signal", script: told, act: "scancel --signal=USR1 $JOB.0", want: fromEach("USR1"), code: "3"},
	{killed: true, name: "kill", script: told, act: "scancel --signal=KILL $JOB", code: "3|9|137"},
	{name: "the first rank is killed", script: told, act: "kill -9 $RANK0; sleep 0.5; touch go", want: fromEach("done")[1:], code: "137"},
	{name: "a joiner is killed", script: told, act: "kill -9 $RANK2; sleep 0.5; touch go", want: []string{"done 0", "done 1", "done 3"}, code: "137"},
	{killed: true, name: "the server is killed", script: told, act: "kill -9 $SERVER", code: "137"},
	{killed: true, name: "the holder is killed", script: told, act: "kill -9 $HOLDER", code: "137"},
	{killed: true, name: "all but two ranks are killed", script: told, act: "kill -9 $SERVER $HOLDER $RANK0 $RANK2; sleep 1; scancel $JOB", code: ".*"},
	{killed: true, name: "interruption", script: told, act: "p=$(pgrep -P $TIMEOUT); kill -INT $p; sleep 0.1; kill -INT $p", code: ".*"},
	{killed: true, name: "out of memory", script: greedy, act: "sleep 3; scancel --signal=KILL $JOB", want: []string{"Out Of Memory"}, code: "1", root: true},
}

// fromEach is what four ranks say.
func fromEach(word string) (lines []string) {
	for rank := range 4 {
		lines = append(lines, fmt.Sprint(word, " ", rank))
	}
	return lines
}

// TestShareEnds: however a step is ended, or one of its processes, the payloads of the
// others are told or go on, and nothing is left.
func TestShareEnds(t *testing.T) {
	asUser(t, "^TestShareEnds$")
	s := newSharing(t, slurm.Options{Groups: os.Getuid() == 0})
	for i, c := range ends {
		if c.root && os.Getuid() != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			mark := fmt.Sprintf("sealift-ends-%d-%d", os.Getpid(), i)
			defer s.clean(t, mark, c.killed)
			x := s.started(4, "env", "SCRIPT="+c.script, "MARK="+mark, "timeout", ranksTime, "srun", "-w", "node1", "-n4", "sh", "-c", ranksScript)
			job, err := os.ReadFile(filepath.Join(s.dir, "job"))
			if err != nil {
				t.Fatal(err)
			}
			server, holder := s.split(s.own())
			act := s.command("sh", "-c", c.act)
			act.Env = append(act.Env, "JOB="+strings.TrimSpace(string(job)), "TIMEOUT="+strconv.Itoa(x.Process.Pid), "SERVER="+server, "HOLDER="+holder,
				"RANK0="+strings.Join(s.payload(mark+"-0"), " "), "RANK2="+strings.Join(s.payload(mark+"-2"), " "))
			if out, err := act.CombinedOutput(); err != nil && c.code != ".*" {
				t.Errorf("%v, %s", err, out)
			}
			_ = x.Wait() // its status is compared below
			if code := strconv.Itoa(x.ProcessState.ExitCode()); !matches(c.code, code) {
				t.Errorf("status %s, not %s: %s", code, c.code, &x.out)
			}
			for _, want := range c.want {
				if !strings.Contains(x.out.String(), want) {
					t.Errorf("no %q in %s", want, &x.out)
				}
			}
		})
	}
}

// split tells the server's process from that of the namespaces.
func (s *sharing) split(own []string) (server, holder string) {
	for _, pid := range own {
		if program, err := os.Readlink("/proc/" + pid + "/exe"); err != nil {
			s.Error(err)
		} else if filepath.Base(program) == "sealift-starter" {
			holder += pid + " "
		} else {
			server += pid + " "
		}
	}
	return server, holder
}

// matches tells whether a word is one of those between the bars of a pattern; .* is any.
func matches(pattern, word string) bool {
	return pattern == ".*" || strings.Contains("|"+pattern+"|", "|"+word+"|")
}

// batchJob is a job of the tables.
type batchJob struct {
	name         string
	step, script string // of the job, and of its payloads
	options      []string
	want         string // the lines of its output that begin with "out: "
	code         string
}

// batches are jobs that take a node for themselves.
var batches = []batchJob{
	{"array", ranksStep, "exit $SLURM_ARRAY_TASK_ID", []string{"--array=0-3"}, "", "3"},
	{"statuses", `srun -n2 sh -c 'for i in $(seq 0 255); do "$SEALIFT" exec $IMAGE sh -c "exit $i"; [ $? = $i ] || echo out: $? for $i; done'`, "", nil, "", "0"},
	{"many at once", `srun -n2 sh -c 'for i in $(seq 128); do "$SEALIFT" exec $IMAGE echo out: here & done; wait' | sort | uniq -c | sed 's/ *\(.*\) out: /out: \1 /'`,
		"", []string{"--mem=3000"}, "out: 256 here\n", "0"},
	{"a server dies", `srun -n2 sh -c '"$SEALIFT" exec $IMAGE sh -c "echo >up.\$SLURM_PROCID; exec sleep 20" & until [ -e up.0 ] && [ -e up.1 ]; do sleep 0.1; done
		[ $SLURM_PROCID != 0 ] || { for p in /proc/[0-9]*; do case "$(readlink $p/exe)" in "$SEALIFT"*) kill -9 ${p#/proc/};; esac; done; touch gone; }
		until [ -e gone ]; do sleep 0.1; done; "$SEALIFT" exec $IMAGE echo out: next'`, "", []string{"--time=1"}, "out: next\nout: next\n", "0"},
}

// slowBatches are those that mostly wait.
var slowBatches = []batchJob{
	{"time limit", ranksStep, deaf, []string{"--time=1"}, "", "1|9|137|15|143|0"},
	{"requeue", ranksStep + `; [ -n "$SLURM_RESTART_COUNT" ] || { scontrol requeue $SLURM_JOB_ID; sleep 60; }`, `echo out: ${SLURM_RESTART_COUNT:-0}`,
		[]string{"--requeue", "--open-mode=append"}, "out: 0\nout: 0\nout: 1\nout: 1\n", "0"},
}

// ranksStep is a step of two ranks.
const ranksStep = `srun -n2 sh -c "$RANKS"`

// TestShareBatch: what batch jobs and their steps come to: statuses, arrays, time limits
// that are told of before and after, jobs that are started again, and those that go on
// when a server has died.
func TestShareBatch(t *testing.T) {
	asUser(t, "^TestShareBatch$")
	s := newSharing(t, slurm.Options{CPUs: 8, Groups: os.Getuid() == 0})
	mark := fmt.Sprintf("sealift-batch-%d", os.Getpid())
	var slow []*exec.Cmd
	for _, c := range slowBatches {
		x := s.batch(mark, c.name, c.step, c.script, append([]string{"-w", "node2", "-n2"}, c.options...)...)
		if err := x.Start(); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, x)
	}
	for _, c := range batches {
		t.Run(c.name, func(t *testing.T) {
			err := s.batch(mark, c.name, c.step, c.script, append([]string{"-w", "node1", "-n2"}, c.options...)...).Run()
			s.compare(t, c.name, err, c.want, c.code)
		})
	}
	for i, c := range slowBatches {
		t.Run(c.name, func(t *testing.T) { s.compare(t, c.name, slow[i].Wait(), c.want, c.code) })
	}
	if text, err := os.ReadFile(filepath.Join(s.dir, "time limit.out")); !strings.Contains(string(text), "DUE TO TIME LIMIT") {
		t.Errorf("time limit: %v, %s", err, text)
	}
	s.clean(t, mark, true)
}

// compare compares what a batch job has come to.
func (s *sharing) compare(t *testing.T, name string, err error, want, code string) {
	t.Helper()
	text, err2 := os.ReadFile(filepath.Join(s.dir, name+".out"))
	var lines strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "out: ") {
			lines.WriteString(line)
		}
	}
	if got := strconv.Itoa(exitCode(err)); err2 != nil || lines.String() != want || !matches(code, got) {
		t.Errorf("status %s, not %s; %v, %q", got, code, err2, text)
	}
}

// batch returns the command that has Slurm run a batch script, and waits for its end.
func (s *sharing) batch(mark, name, script, payload string, options ...string) *exec.Cmd {
	s.Helper()
	file := s.write(name+".sh", "#!/bin/sh\n"+script+"\n")
	cmd := s.command("sbatch", append(append([]string{"-W", "-o", filepath.Join(s.dir, name+".out")}, options...), file)...)
	cmd.Env = append(cmd.Env, "RANKS="+ranksScript, "SCRIPT="+payload, "MARK="+mark)
	return cmd
}

// exitCode returns the status of a command, -1 if it was killed or never ran.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}
