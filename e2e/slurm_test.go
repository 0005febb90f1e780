package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/e2e/slurm"
)

// steps starts job steps of the test user in a real Slurm.
type steps struct {
	*testing.T
	cluster        *slurm.Cluster
	sealift, image string
	dir            string // of the test user
}

// slurmSteps starts a cluster: of the ordinary user who this is, or of root, with control
// groups.
func slurmSteps(t *testing.T) *steps {
	t.Helper()
	return slurmStepsOn(t, slurm.Options{Groups: os.Getuid() == 0})
}

// slurmStepsOn starts a cluster that is like this.
func slurmStepsOn(t *testing.T, o slurm.Options) *steps {
	t.Helper()
	if missing := slurm.Missing(); len(missing) > 0 {
		apart.Skip(t, "no "+strings.Join(missing, ", "))
	}
	sealift, image := busyboxImage(t)
	s := &steps{T: t, sealift: sealift, image: image, dir: t.TempDir()}
	s.cluster = slurm.Start(t, o)
	if os.Getuid() == 0 {
		if err := errors.Join(os.Chmod(filepath.Dir(s.dir), 0o755), os.Chown(s.dir, testUID, testUID)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// command returns a command of the test user's.
func (s *steps) command(name string, args ...string) *exec.Cmd {
	if os.Getuid() == 0 {
		args = append([]string{"--reuid=" + strconv.Itoa(testUID), "--regid=" + strconv.Itoa(testUID), "--clear-groups", name}, args...)
		name = "setpriv"
	}
	cmd := s.cluster.Command(name, args...)
	cmd.Dir = s.dir
	cmd.Env = append(cmd.Env, "HOME="+testHome, "IMAGE="+s.image)
	return cmd
}

// srun runs a step of a container, with options of srun and flags of exec before --, and
// returns what it prints, sorted by lines.
func (s *steps) srun(options, flags, script string) (lines []string, code int) {
	s.Helper()
	args := append(strings.Fields(options), s.sealift, "exec")
	args = append(append(args, strings.Fields(flags)...), s.image, "sh", "-c", script)
	out, err := s.command("srun", args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.Fatal(err)
	}
	lines = strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	if exit != nil {
		code = exit.ExitCode()
	}
	return lines, code
}

// TestSlurmSteps: containers in job steps have the step's variables, directory, streams
// and exit status.
func TestSlurmSteps(t *testing.T) {
	asUser(t, "^TestSlurmSteps$")
	s := slurmSteps(t)
	t.Run("variables", func(t *testing.T) {
		out, code := s.srun("-N2 -n4 --ntasks-per-node=2", "--cleanenv", `echo $SLURM_PROCID $SLURMD_NODENAME $SLURM_NTASKS $PWD`)
		want := []string{"0 node1 4 " + s.dir, "1 node1 4 " + s.dir, "2 node2 4 " + s.dir, "3 node2 4 " + s.dir}
		if code != 0 || !slices.Equal(out, want) {
			t.Errorf("%d, %q", code, out)
		}
	})
	t.Run("status", func(t *testing.T) {
		for script, want := range map[string]int{
			"exit 0": 0, "exit 1": 1, "exit 255": 255, "exit $((3 + SLURM_PROCID))": 4, "kill -9 $$": 137, "kill -TERM $$; sleep 9": 143,
		} {
			if out, code := s.srun("-n2", "", script); code != want {
				t.Errorf("%s: %d, %q", script, code, out)
			}
		}
		if out, code := s.srun("-n1", "", "exec no-such-program"); code != 127 {
			t.Errorf("%d, %q", code, out)
		}
	})
	t.Run("input", func(t *testing.T) {
		cmd := s.command("srun", "-n1", s.sealift, "exec", s.image, "cat")
		cmd.Stdin = strings.NewReader("one\ntwo")
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != "one\ntwo" {
			t.Errorf("%v, %q", err, out)
		}
	})
	t.Run("shared memory", func(t *testing.T) {
		script := `f=/dev/shm/sealift-$SLURM_JOB_ID; if [ $SLURM_PROCID = 0 ]; then echo met >$f.new && mv $f.new $f; fi
			for i in $(seq 100); do [ -e $f ] && break; sleep 0.1; done; cat $f; rm -f $f.$SLURM_PROCID`
		if out, code := s.srun("-N1 -n2", "--contain", script); code != 0 || !slices.Equal(out, []string{"met", "met"}) {
			t.Errorf("%d, %q", code, out)
		}
		if out, code := s.srun("-N1 -n1", "", "rm /dev/shm/sealift-*"); code != 0 {
			t.Errorf("%d, %q", code, out)
		}
	})
	t.Run("array", func(t *testing.T) {
		batch := "#!/bin/sh\nexec " + s.sealift + ` exec $IMAGE sh -c 'echo $SLURM_ARRAY_TASK_ID >$SLURM_ARRAY_TASK_ID.out; exit $SLURM_ARRAY_TASK_ID'` + "\n"
		file := filepath.Join(s.dir, "batch")
		if err := os.WriteFile(file, []byte(batch), 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := s.command("sbatch", "--array=0-3", "-W", "-o", "/dev/null", file).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 3 {
			t.Errorf("%v, %s", err, out)
		}
		if files, _ := filepath.Glob(filepath.Join(s.dir, "?.out")); len(files) != 4 {
			t.Errorf("%q", files)
		}
	})
}

// TestSlurmEnds: however a step is ended, its payload is told, nothing of it is left, and
// the nodes are free again.
func TestSlurmEnds(t *testing.T) {
	asUser(t, "^TestSlurmEnds$")
	s := slurmSteps(t)
	mark := fmt.Sprintf("sealift-mark-%d", os.Getpid())
	for name, c := range map[string]struct {
		end, want string
		code      int
	}{
		"scancel":      {"scancel --user $USER_ID", "told", 0},
		"signal":       {"scancel --signal=TERM --user $USER_ID", "told", 3},
		"kill":         {"scancel --signal=KILL --user $USER_ID", "", 0},       // Slurm may send SIGTERM first
		"interruption": {"kill -INT $SRUN; sleep 0.1; kill -INT $SRUN", "", 0}, // and SIGKILL after SIGINT
	} {
		t.Run(name, func(t *testing.T) {
			script := `trap "echo told; exit 3" TERM INT; echo ` + mark + ` >started; while :; do sleep 0.1; done`
			started := filepath.Join(s.dir, "started")
			if err := os.RemoveAll(started); err != nil {
				t.Fatal(err)
			}
			cmd := s.command("srun", "-n1", s.sealift, "exec", s.image, "sh", "-c", script, mark)
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the start", func() bool { _, err := os.Stat(started); return err == nil })
			end := s.command("sh", "-c", c.end)
			end.Env = append(end.Env, "USER_ID="+strconv.Itoa(testUID), "SRUN="+strconv.Itoa(cmd.Process.Pid))
			if text, err := end.CombinedOutput(); err != nil {
				t.Fatalf("%v, %s", err, text)
			}
			err := cmd.Wait()
			if c.want != "" && !strings.Contains(out.String(), c.want) || c.code != 0 && cmd.ProcessState.ExitCode() != c.code {
				t.Errorf("%v, %s", err, &out)
			}
			waitFor(t, "free nodes", func() bool {
				idle, err := s.command("sinfo", "-h", "-t", "idle", "-o", "%D").Output()
				return err == nil && strings.TrimSpace(string(idle)) == "2"
			})
			waitFor(t, "the end of all processes", func() bool { return !running(t, mark) })
		})
	}
}

// TestSlurmInstance: an instance ends with the step that it was started in.
func TestSlurmInstance(t *testing.T) {
	asUser(t, "^TestSlurmInstance$")
	s := slurmSteps(t)
	mark := fmt.Sprintf("sealift-instance-%d", os.Getpid())
	script := `$SEALIFT instance start $IMAGE $MARK && $SEALIFT exec instance://$MARK echo joined && $SEALIFT instance list`
	cmd := s.command("srun", "-n1", "sh", "-c", script)
	cmd.Env = append(cmd.Env, "SEALIFT="+s.sealift, "MARK="+mark)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "joined\n") || !strings.Contains(string(out), mark) {
		t.Errorf("%v, %s", err, out)
	}
	waitFor(t, "the end of the instance", func() bool { return !running(t, mark) })
}

// waitFor waits until something is so.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// TestSlurmLimits: a step's control groups hold its containers, too.
func TestSlurmLimits(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("control groups of Slurm's are made by root")
	}
	s := slurmSteps(t)
	out, code := s.srun("-n1 --mem=50", "", `cat /proc/self/cgroup; head -c 200000000 /dev/zero | tail -c 200000000 >/dev/null`)
	if code == 0 || !slices.ContainsFunc(out, func(l string) bool { return strings.Contains(l, "Out Of Memory") }) {
		t.Errorf("%d, %q", code, out)
	}
	if !slices.ContainsFunc(out, func(l string) bool { return strings.Contains(l, ":memory:/") && strings.Contains(l, "/step_0/task_0") }) {
		t.Errorf("not in the step's group: %q", out)
	}
}

// TestSlurmGPUs: of the GPUs of a node, a container has those that Slurm gave to the job,
// or to its task, by the control group of devices.
func TestSlurmGPUs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("control groups of devices are root's to make")
	}
	s := slurmStepsOn(t, slurm.Options{Groups: true, GPUs: 4})
	const list = `cd /dev; echo GPUs $(ls -d nvidia* 2>/dev/null) $CUDA_VISIBLE_DEVICES`
	for _, c := range []struct {
		options, flags string
		want           []string
		code           int
	}{
		{"-w node1 --gres=gpu:2", "--nv --contain", []string{"GPUs nvidia0 nvidia1 0,1"}, 0},
		{"-w node1 -n2 --gpus-per-task=1 --mem-per-cpu=64", "--nv --contain", []string{"GPUs nvidia0 0", "GPUs nvidia1 0"}, 0},
		{"-w node1 --gres=gpu:1", "--nv --contain", []string{"GPUs nvidia0 0"}, 0},
		{"-w node1", "--nv --contain", []string{"GPUs"}, 0},
		{"-w node1 --gres=gpu:1", "--contain --device /dev/nvidia3", nil, 125},
	} {
		out, code := s.srun(c.options, c.flags, list)
		out = slices.DeleteFunc(out, func(l string) bool { return !strings.HasPrefix(l, "GPUs") })
		if code != c.code || !slices.Equal(out, c.want) {
			t.Errorf("%s: %d, %q", c.options, code, out)
		}
	}
}
