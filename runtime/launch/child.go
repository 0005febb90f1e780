package launch

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/failure"
	"github.com/sealift/sealift/starter/plan"
)

// Child is a starter that runs, or has run, in its namespaces.
type Child struct {
	job    Job
	clone  plan.Clone
	plan   *os.File // where the starter reads its plan; nil once it is sent
	report int      // our end of the report socket; -1 once it is being read

	helper *connector // connects the network namespace, or nil
	pid    int
	inside bool               // the starter is in the job's group
	alone  bool               // the starter becomes the payload
	exited chan struct{}      // closed when the starter has ended
	status syscall.WaitStatus // valid then

	held int // keeps the starter that holds; -1 when it does not, or need not any more

	mu     sync.Mutex // guards reaped against kill, lest another process get pid
	reaped bool
}

// Start starts the starter in the namespaces c. It then waits for a plan, so
// that the plan can be computed meanwhile. Close must be called.
func Start(c plan.Clone, j Job) (*Child, error) {
	child := &Child{job: j, clone: c, report: -1, held: -1, exited: make(chan struct{})}
	if err := child.start(); err != nil {
		child.Close()
		if errors.Is(err, syscall.EMFILE) {
			err = hint.Wrap(err, "raise the limit of open files (ulimit -n)")
		}
		return nil, failure.Of(err)
	}
	if !mayMap(c) {
		if err := mapIDs(child.pid, c, j); err != nil {
			child.Close()
			return nil, failure.Of(err)
		}
	}
	if j.Enroll != nil {
		if err := j.Enroll(child.pid, child.inside); err != nil {
			child.Close()
			return nil, failure.Of(err)
		}
	}
	return child, nil
}

// start makes the pipe and the socket and clones.
func (c *Child) start() error {
	std, closeNull, err := streams(c.job)
	if err != nil {
		return err
	}
	defer closeNull()
	planEnd, planPipe, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("pipe for the plan: %w", err)
	}
	defer planEnd.Close()
	c.plan = planPipe
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket for reports: %w", err)
	}
	defer unix.Close(pair[1])
	c.report = pair[0]
	own := []int{int(planEnd.Fd()), pair[1]}
	e, err := entryOf(c.job.Enter)
	if err != nil {
		return err
	}
	defer e.close()
	own = append(own, e.fds()...)
	l, err := arrange(std, own...)
	if err != nil {
		return err
	}
	defer l.close()
	return c.fork(l, e)
}

// streams returns the payload's first three descriptors and what closes those
// that were opened for the purpose.
func streams(j Job) (std [3]*os.File, closeNull func(), err error) {
	std = [3]*os.File{j.Stdin, j.Stdout, j.Stderr}
	var null *os.File
	for i := range std {
		if std[i] == nil && null == nil {
			if null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
				return std, nil, err
			}
		}
		if std[i] == nil {
			std[i] = null
		}
	}
	return std, func() { null.Close() }, nil
}

// fork starts the starter on a thread that lives until the starter has ended:
// the starter asks to be killed when its parent dies, and for the kernel the
// parent is this thread (PR_SET_PDEATHSIG(2const)).
func (c *Child) fork(l *layout, e *entry) error {
	attr, err := attributes(c.clone, mayMap(c.clone))
	if err != nil {
		return err
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		if c.clone.NetPath == "" {
			defer runtime.UnlockOSThread() // else the thread ends with this goroutine
		} else if err := enterNet(c.clone.NetPath); err != nil {
			result <- err
			return
		}
		argv := []string{c.job.Starter, strconv.Itoa(l.own[0]), strconv.Itoa(l.own[1])}
		pid, err := c.exec(append(argv, e.words(l.own[2:])...), l, attr)
		if err != nil {
			result <- failure.Clone(c.clone, c.job.Starter, err)
			return
		}
		if c.pid, err = e.pid(pid); err != nil {
			result <- err
			return
		}
		result <- nil
		c.wait()
	}()
	return <-result
}

// exec starts the starter, in the job's control group if it can be: that takes clone3(2)
// with CLONE_INTO_CGROUP, which old kernels and some filters have not.
func (c *Child) exec(argv []string, l *layout, attr *syscall.SysProcAttr) (pid int, err error) {
	// The caller's environment reaches the payload through the plan only: GODEBUG and
	// the like are not for the starter.
	process := &syscall.ProcAttr{Env: []string{}, Files: l.files, Sys: attr}
	if c.job.Group != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(c.job.Group.Fd())
		if pid, err = syscall.ForkExec(argv[0], argv, process); err == nil {
			c.inside = true
			return pid, nil
		}
		attr.UseCgroupFD = false
	}
	return syscall.ForkExec(argv[0], argv, process)
}

// wait reaps the starter. Between the end of the first call and that of the
// second, pid still is the starter's.
func (c *Child) wait() {
	for unix.Waitid(unix.P_PID, c.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if _, err := syscall.Wait4(c.pid, &c.status, 0, nil); err != syscall.EINTR {
			break
		}
	}
	c.reaped = true
	close(c.exited)
}

// kill sends a signal to the starter, or to the payload that has replaced it.
func (c *Child) kill(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid != 0 && !c.reaped {
		syscall.Kill(c.pid, s) // it is our child and not reaped: nothing can fail
	}
}

// Close kills what still runs and frees the rest. It is harmless after Run and
// may be called twice.
func (c *Child) Close() {
	c.kill(syscall.SIGKILL)
	if c.pid != 0 {
		<-c.exited
	}
	c.helper.stop()
	if c.plan != nil {
		c.plan.Close()
		c.plan = nil
	}
	if c.report >= 0 {
		unix.Close(c.report)
		c.report = -1
	}
	c.Release()
}

// Release lets a starter end that holds (plan.Process.Hold), with all that have entered its
// namespaces. It may be called when the job's Started has been.
func (c *Child) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held >= 0 {
		unix.Close(c.held)
		c.held = -1
	}
}

// send writes p to the starter in the background, and ends it. An error means
// that the starter has died, which wait will tell.
func (c *Child) send(p *plan.Plan) error {
	if !reflect.DeepEqual(p.Clone, c.clone) {
		return errors.New("the plan wants other namespaces than were started")
	}
	sent := *p
	sent.Image, sent.Helper = nil, nil
	data, err := plan.Encode(&sent)
	if err != nil {
		return err
	}
	pipe := c.plan
	c.plan = nil
	go func() {
		pipe.Write(data)
		pipe.Close()
	}()
	return nil
}
