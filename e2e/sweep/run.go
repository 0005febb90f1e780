package sweep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// Command is the program to disturb.
type Command struct {
	Path string
	Args []string
	Env  []string
	Dir  string
}

// Result is what became of a command.
type Result struct {
	Status         int // as a shell has it: 128+n when signal n ended it
	Killed         bool
	Hung           bool // it was ended because it took too long
	Hits           int  // how often the fault occurred
	Stdout, Stderr string
}

// Run runs the command undisturbed.
func (c Command) Run(limit time.Duration) (Result, error) { return run(c, c.Path, c.Args, limit) }

// Count tells how often the command makes each call of Calls, in that of its
// threads that makes it most often. Log is the name of a file to use.
func (c Command) Count(log string, limit time.Duration) (map[string]int, error) {
	r, err := c.trace(log, limit, "trace="+strings.Join(Calls(), ","))
	if err != nil {
		return nil, err
	}
	if r.Status != 0 || r.Hung {
		return nil, fmt.Errorf("undisturbed: status %d: %s", r.Status, r.Stderr)
	}
	text, err := os.ReadFile(log)
	return count(string(text)), err
}

var callLine = regexp.MustCompile(`(?m)^(\d+) +([a-z0-9_]+)\(`)

// count reads a trace of strace's -f.
func count(trace string) map[string]int {
	threads, most := map[string]int{}, map[string]int{}
	for _, m := range callLine.FindAllStringSubmatch(trace, -1) {
		key := m[1] + " " + m[2]
		threads[key]++
		most[m[2]] = max(most[m[2]], threads[key])
	}
	return most
}

// With runs the command with a fault.
func (c Command) With(f Fault, log string, limit time.Duration) (Result, error) {
	r, err := c.trace(log, limit, "trace="+f.Call, "-e", fmt.Sprintf("inject=%s:%s:when=%d", f.Call, f.What, f.N))
	if err != nil {
		return r, err
	}
	text, err := os.ReadFile(log)
	r.Hits = hits(string(text), f)
	return r, err
}

// hits counts what was injected: calls that the trace marks, or signals that no
// process sent.
func hits(trace string, f Fault) int {
	name, isSignal := strings.CutPrefix(f.What, "signal=")
	switch {
	case !isSignal:
		return strings.Count(trace, "(INJECTED)")
	case f.Kills():
		return min(strings.Count(trace, "killed by SIGKILL"), 1)
	}
	return strings.Count(trace, "si_signo=SIG"+name+", si_code=SI_KERNEL")
}

func (c Command) trace(log string, limit time.Duration, args ...string) (Result, error) {
	args = append([]string{"-f", "-q", "-o", log, "-e"}, args...)
	return run(c, "strace", append(append(args, c.Path), c.Args...), limit)
}

func run(c Command, path string, args []string, limit time.Duration) (r Result, err error) {
	ctx, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.Dir, c.Env, &stdout, &stderr
	// strace leaves what it traces alone when it ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) && ctx.Err() == nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	r = Result{Status: status.ExitStatus(), Hung: ctx.Err() != nil, Stdout: stdout.String(), Stderr: stderr.String()}
	if status.Signaled() {
		r.Status, r.Killed = 128+int(status.Signal()), true
	}
	return r, nil
}
