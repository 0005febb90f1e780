package e2e

import (
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
)

// TestShareMany: tasks of a step that are all started in the same moment start, step after
// step: each has its mounts, whatever the others do to the same image meanwhile.
func TestShareMany(t *testing.T) {
	asUser(t, "^TestShareMany$")
	if os.Getuid() == 0 {
		return // root has no user namespace to share
	}
	const steps, tasks = 60, 32
	sealift, image := busyboxImage(t)
	dir := t.TempDir()
	for step := range steps {
		var all sync.WaitGroup
		for range tasks {
			cmd := exec.Command(sealift, "exec", image, "ls", "-d", "/tmp", "/proc/self")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "SLURM_JOB_ID="+strconv.Itoa(os.Getpid()), "SLURM_STEP_ID="+strconv.Itoa(step), "SLURM_NODEID=0",
				"SLURM_STEP_TASKS_PER_NODE="+strconv.Itoa(tasks), "XDG_RUNTIME_DIR="+dir)
			all.Go(func() {
				if out, err := cmd.CombinedOutput(); err != nil || string(out) != "/proc/self\n/tmp\n" {
					t.Errorf("step %d: %v, %s", step, err, out)
				}
			})
		}
		if all.Wait(); t.Failed() {
			return
		}
	}
}
