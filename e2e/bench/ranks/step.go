package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bench is a run of this program.
type bench struct {
	options options
	work    string // a directory of the tasks' user, with the programs
	steps   int
}

// newBench makes the directory. Whatever a task leaves behind becomes a child of this
// process, so that it is found.
func newBench(o options) (*bench, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("adopt what tasks leave: %w", err)
	}
	work, err := os.MkdirTemp("", "sealift-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, work: work}
	for _, name := range []string{"sealift", "sealift-full", "sealift-starter"} {
		data, err := os.ReadFile(filepath.Join("bin", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(work, name), data, 0o755)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%w (run make first)", err), os.RemoveAll(work))
		}
	}
	if os.Geteuid() == 0 {
		err = os.Chown(work, int(o.uid), int(o.uid))
	}
	return b, err
}

// command returns a command of the tasks' user.
func (b *bench) command(words ...string) *exec.Cmd {
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = b.work
	cmd.Env = append(os.Environ(), "HOME="+b.work, "USER=bench")
	// Each session gets as much of the processors as another (sched(7), autogroup), and some
	// contenders make sessions.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: b.options.uid, Gid: b.options.uid}
	}
	return cmd
}

// step is a job step on this node.
type step struct {
	tasks []*exec.Cmd
	words []bytes.Buffer
}

// begin starts n tasks of a contender at once, as Slurm would; out is their output, or nil.
func (b *bench) begin(c contender, n int, out io.Writer, payload ...string) (*step, error) {
	b.steps++
	job, number := strconv.Itoa(os.Getpid()), strconv.Itoa(b.steps)
	s := &step{tasks: make([]*exec.Cmd, n), words: make([]bytes.Buffer, n)}
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		cmd := b.command(append(c.command(n, job+"."+number), payload...)...)
		cmd.Env = append(cmd.Env, "SLURM_JOB_ID="+job, "SLURM_STEP_ID="+number, "SLURM_NODEID=0", "SLURM_PROCID="+strconv.Itoa(i),
			"SLURM_LOCALID="+strconv.Itoa(i), "SLURM_NTASKS="+strconv.Itoa(n), "SLURM_STEP_TASKS_PER_NODE="+strconv.Itoa(n))
		cmd.Stdout, cmd.Stderr = out, &s.words[i]
		s.tasks[i] = cmd
		all.Go(func() { errs[i] = cmd.Start() })
	}
	all.Wait()
	return s, errors.Join(errs...)
}

// wait waits for all tasks.
func (s *step) wait() error {
	var errs []error
	for i, cmd := range s.tasks {
		if err := cmd.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, s.words[i].String()))
		}
	}
	return errors.Join(errs...)
}

// gone waits until nothing is left of a step, and says what is after a while.
func gone() error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case err == syscall.ECHILD:
			return nil
		case err != nil && err != syscall.EINTR:
			return err
		case pid == 0 && time.Now().After(deadline):
			return fmt.Errorf("processes are left of a step: %v", below(os.Getpid()))
		}
	}
}

// time returns how long n tasks take from the first start to the last end.
func (b *bench) time(c contender, n int, payload ...string) (time.Duration, error) {
	begun := time.Now()
	s, err := b.begin(c, n, nil, payload...)
	err = errors.Join(err, s.wait())
	took := time.Since(begun)
	return took, errors.Join(err, gone())
}
