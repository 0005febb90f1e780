package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/e2e/slurm"
)

// spankSteps starts a cluster with Slurm's plugin of Sealift, and a script before each task.
func spankSteps(t *testing.T) *steps {
	t.Helper()
	if !slurm.Headers() {
		apart.Skip(t, "no headers of Slurm")
	}
	images(t)
	dir, err := stage()
	if err != nil {
		t.Fatal(err)
	}
	prolog := filepath.Join(t.TempDir(), "prolog")
	if err := errors.Join(os.WriteFile(prolog, []byte("#!/bin/sh\necho export FROM_PROLOG=yes\n"), 0o755), os.Chmod(filepath.Dir(prolog), 0o755), os.Chmod(filepath.Dir(filepath.Dir(prolog)), 0o755)); err != nil {
		t.Fatal(err)
	}
	return slurmStepsOn(t, slurm.Options{
		Groups: os.Getuid() == 0, Lines: []string{"TaskProlog=" + prolog},
		Plugins: "required " + filepath.Join(dir, "bin/sealift-spank.so") + " task=" + filepath.Join(dir, "bin/sealift-task") + "\n",
	})
}

// call runs a program of Slurm's with these words, and returns the lines it prints, sorted.
func (s *steps) call(t *testing.T, args ...string) (lines []string, code int) {
	t.Helper()
	out, err := s.command(args[0], args[1:]...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		code = exit.ExitCode()
	}
	lines = strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	return slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "srun: job ") }), code // that it waits
}

// inBusybox prints a word and whether this is the image: it has no dpkg.
const inBusybox = `if [ -e /var/lib/dpkg ]; then echo $1 host; else echo $1 image; fi; `

// TestSpankRun: srun --sealift runs tasks in containers, with all that Slurm gives to tasks.
func TestSpankRun(t *testing.T) {
	asUser(t, "^TestSpankRun$")
	s := spankSteps(t)
	with := "--sealift=" + s.image
	for name, c := range map[string]struct {
		args []string
		want []string
		code int
	}{
		"tasks": {
			[]string{"-N2", "-n4", "--ntasks-per-node=2", with, "sh", "-c", inBusybox + `echo $SLURM_PROCID $SLURMD_NODENAME $PWD`, "sh", "a b"},
			[]string{"0 node1 " + s.dir, "1 node1 " + s.dir, "2 node2 " + s.dir, "3 node2 " + s.dir, "a b image", "a b image", "a b image", "a b image"}, 0,
		},
		"without":        {[]string{"-n1", "sh", "-c", inBusybox + `echo ${SEALIFT_TASK_IMAGE-none}`}, []string{"host", "none"}, 0},
		"prolog":         {[]string{"-n1", with, "sh", "-c", `echo $FROM_PROLOG ${SEALIFT_TASK_IMAGE-none} ${SEALIFT_TASK_COMMAND-none}`}, []string{"yes none none"}, 0},
		"relative image": {[]string{"-n1", "-D", filepath.Dir(s.image), "--sealift=" + filepath.Base(s.image), "sh", "-c", inBusybox}, []string{"image"}, 0},
		"flags": {
			[]string{"-n1", with, "--sealift-mounts=" + s.dir + ":/a,/usr:/b:ro", "--sealift-workdir=/a", "--sealift-args= --cleanenv --env WORD=one --hostname box", "sh", "-c", `echo $PWD $WORD $(ls -d /b/bin) $(hostname) ${IMAGE-none} $SLURM_NTASKS`},
			[]string{"/a one /b/bin box none 1"}, 0,
		},
		"status":           {[]string{"-n2", with, "sh", "-c", "exit $((3 + SLURM_PROCID))"}, nil, 4},
		"killed":           {[]string{"-n1", with, "sh", "-c", "kill -9 $$"}, nil, 137},
		"no such program":  {[]string{"-n1", with, "no-such-program"}, nil, 127},
		"no such image":    {[]string{"-n1", with + "x", "true"}, nil, 125},
		"no value":         {[]string{"-n1", "--sealift=", "true"}, []string{"srun: error: sealift: --sealift: the value is empty"}, 1},
		"hyphen":           {[]string{"-n1", "--sealift=-x", "true"}, []string{"srun: error: sealift: --sealift=-x: an image's name does not start with a hyphen"}, 1},
		"relative workdir": {[]string{"-n1", with, "--sealift-workdir=a", "true"}, []string{"srun: error: sealift: --sealift-workdir=a: it takes an absolute path"}, 1},
		"no image":         {[]string{"-n1", "--sealift-mounts=/a", "true"}, []string{"slurmstepd-node1: error: sealift: --sealift-mounts takes --sealift=IMAGE, too"}, 1},
		"several programs": {[]string{"-n1", with, "--multi-prog", "programs"}, []string{"slurmstepd-node1: error: sealift: --sealift and --multi-prog exclude each other: have the lines of programs start 'sealift exec' themselves"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(s.dir, "programs"), []byte("0 true\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			got, code := s.call(t, append([]string{"srun"}, c.args...)...)
			if strings.Contains(strings.Join(c.want, ""), ": error: ") { // which says more after it
				got = slices.DeleteFunc(got, func(l string) bool { return !strings.Contains(l, "sealift: ") })
				if code == 0 {
					t.Error("no failure")
				}
				code = c.code
			}
			if code != c.code || c.want != nil && !slices.Equal(got, c.want) {
				t.Errorf("%d, %q", code, got)
			}
		})
	}
	t.Run("limits", func(t *testing.T) { // Slurm sets them after the plugin was called
		if out, code := s.call(t, "sh", "-c", "ulimit -n 99; srun -n1 "+with+" sh -c 'ulimit -n'"); code != 0 || !slices.Equal(out, []string{"99"}) {
			t.Errorf("%d, %q", code, out)
		}
	})
	t.Run("several programs on the host", func(t *testing.T) {
		if err := os.WriteFile(filepath.Join(s.dir, "programs"), []byte("0 sh -c 'echo ${SEALIFT_TASK_PROGRAMS-none}'\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, code := s.call(t, "srun", "-n1", "--multi-prog", "programs"); code != 0 || !slices.Equal(out, []string{"none"}) {
			t.Errorf("%d, %q", code, out)
		}
	})
	t.Run("help", func(t *testing.T) {
		for _, program := range []string{"srun", "sbatch", "salloc"} {
			if out, _ := s.call(t, program, "--help"); strings.Count(strings.Join(out, "\n"), " --sealift") != 4 {
				t.Errorf("%s --help: %q", program, out)
			}
		}
	})
}

// TestSpankBatch: a batch script of sbatch --sealift runs in the container, its option may be
// in the script, and what it starts by srun is asked anew; salloc's command is outside, and
// the steps that it starts are inside.
func TestSpankBatch(t *testing.T) {
	asUser(t, "^TestSpankBatch$")
	s := spankSteps(t)
	batch := func(text string, args ...string) (out []string, code int) {
		t.Helper()
		script, output := filepath.Join(s.dir, "batch"), filepath.Join(s.dir, "out")
		if err := os.WriteFile(script, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
		said, code := s.call(t, slices.Concat([]string{"sbatch", "-W", "-o", output}, args, []string{script, "a b"})...)
		b, err := os.ReadFile(output)
		if err != nil {
			t.Fatalf("%v, %q", err, said)
		}
		return strings.Split(strings.TrimSpace(string(b)), "\n"), code
	}
	if out, code := batch(inBusybox+"echo $SLURM_JOB_ID $PWD $FROM_PROLOG\nexit 7\n", "--sealift="+s.image); code != 7 || len(out) != 2 || out[0] != "a b image" || !strings.HasSuffix(out[1], " "+s.dir+" yes") {
		t.Errorf("%d, %q", code, out)
	}
	if out, code := batch("#SBATCH --sealift=" + s.image + "\n#SBATCH --sealift-args=--cleanenv\n" + inBusybox + "echo ${IMAGE-none}\n"); code != 0 || !slices.Equal(out, []string{"a b image", "none"}) {
		t.Errorf("%d, %q", code, out)
	}
	outside := "set -- srun\n" + inBusybox + "srun -n1 sh -c 'IMAGE=; " + inBusybox + "' sh plain\nsrun -n1 --sealift=$IMAGE sh -c '" + inBusybox + "' sh step\n"
	if out, code := batch(outside); code != 0 || !slices.Equal(out, []string{"srun host", "plain host", "step image"}) {
		t.Errorf("%d, %q", code, out)
	}
	out, code := s.call(t, "salloc", "-n1", "--sealift="+s.image, "sh", "-c", inBusybox+"srun -n1 sh -c '"+inBusybox+"' sh step", "sh", "own")
	out = slices.DeleteFunc(out, func(l string) bool { return strings.HasPrefix(l, "salloc: ") })
	if code != 0 || !slices.Equal(out, []string{"own host", "step image"}) {
		t.Errorf("%d, %q", code, out)
	}
}

// TestSpankHostCommands: a batch script in a container starts steps by the host's srun, which
// are in its job, in containers of their own, and end with their status.
func TestSpankHostCommands(t *testing.T) {
	asUser(t, "^TestSpankHostCommands$")
	s := spankSteps(t)
	script, output := filepath.Join(s.dir, "batch"), filepath.Join(s.dir, "out")
	text := "#!/bin/sh\n" + inBusybox + "WORD=one srun -n2 --sealift=$IMAGE sh -c '" + inBusybox + "echo $SLURM_JOB_ID $WORD' sh step\n" +
		"echo $SLURM_JOB_ID job\nsrun -n1 sh -c 'exit 6'\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	said, code := s.call(t, "sbatch", "-n2", "-W", "-o", output, "--sealift="+s.image, "--sealift-args=--host-cmd srun", script, "batch")
	b, err := os.ReadFile(output)
	if err != nil {
		t.Fatalf("%v, %q", err, said)
	}
	id := strings.TrimPrefix(said[0], "Submitted batch job ")
	out := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(b)), "\n"), func(l string) bool { return strings.HasPrefix(l, "srun: ") })
	slices.Sort(out)
	want := []string{id + " job", id + " one", id + " one", "batch image", "step image", "step image"}
	if slices.Sort(want); code != 6 || !slices.Equal(out, want) {
		t.Errorf("%d, %q, %q", code, said, out)
	}
}

// TestSpankSignals: a task in a container gets the signals of its step, and nothing is left.
func TestSpankSignals(t *testing.T) {
	asUser(t, "^TestSpankSignals$")
	s := spankSteps(t)
	mark, started := "sealift-spank-"+strconv.Itoa(os.Getpid()), filepath.Join(s.dir, "started")
	cmd := s.command("srun", "-n1", "--sealift="+s.image, "sh", "-c", `trap "echo told; exit 3" TERM; touch started; while :; do sleep 0.1; done`, mark)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the start", func() bool { _, err := os.Stat(started); return err == nil })
	if said, code := s.call(t, "scancel", "--signal=TERM", "--user", strconv.Itoa(testUID)); code != 0 {
		t.Fatalf("%q", said)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 3 || !strings.Contains(out.String(), "told") {
		t.Errorf("%v, %s", err, &out)
	}
	waitFor(t, "the end of all processes", func() bool { return !running(t, mark) })
}

// TestSpankMissing: a node without Sealift says so.
func TestSpankMissing(t *testing.T) {
	asUser(t, "^TestSpankMissing$")
	s := spankSteps(t)
	text, err := os.ReadFile(filepath.Join(s.cluster.Dir, "plugstack.conf"))
	if err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]string{
		"task=/nowhere/sealift-task": "sealift: /nowhere/sealift-task cannot be executed: No such file or directory; install Sealift there, or give task=PATH in plugstack.conf",
		"task=nowhere":               `sealift: plugstack.conf: "task=nowhere" is not task=/ABSOLUTE/PATH`,
	} {
		plugin, _, _ := strings.Cut(string(text), " task=")
		if err := os.WriteFile(filepath.Join(s.cluster.Dir, "plugstack.conf"), []byte(plugin+" "+arg+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, code := s.call(t, "srun", "-n1", "--sealift="+s.image, "true"); code == 0 || !strings.Contains(strings.Join(out, "\n"), want) {
			t.Errorf("%s: %d, %q", arg, code, out)
		}
	}
}
