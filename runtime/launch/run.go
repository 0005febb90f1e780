package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/failure"
	"github.com/sealift/sealift/starter/plan"
	"github.com/sealift/sealift/starter/talk"
)

// Run sends the plan, whose namespaces must be those that were started, and
// waits for the payload to end. It is called once. See the function Run.
func (c *Child) Run(ctx context.Context, p *plan.Plan) (Status, error) {
	if c.plan == nil {
		return Status{}, failure.Of(errors.New("this starter has its plan already"))
	}
	c.alone = !p.Process.Init
	terminal := saveTerminal()
	told := make(chan error, 1)              // why the payload does not run, or nil
	served := make(chan error, len(p.Ops)+1) // what ended of that which the container needs
	report := c.report
	c.report = -1
	go func() { told <- c.begin(report, p, served) }()

	status, err := c.attend(ctx, told, served)
	if c.status.Signaled() || status.Code > 128 {
		terminal.restore()
	}
	return status, err
}

// begin has the payload run: it connects the network, sends the plan and reads
// the reports. It returns why that failed, or nil when the payload runs.
func (c *Child) begin(report int, p *plan.Plan, served chan<- error) error {
	defer unix.Close(report)
	err := c.connect(p.Helper, served)
	if err == nil {
		err = c.send(p)
	}
	if err != nil {
		c.kill(syscall.SIGKILL)
		return err
	}
	return c.listen(report, p, served)
}

// patience is how long a signal is held back for a payload that does not run
// yet; the starter, which would not know what to do with it, needs some ms.
const patience = time.Second

// attend passes signals on until the container has ended.
func (c *Child) attend(ctx context.Context, told <-chan error, served <-chan error) (Status, error) {
	var (
		why, fault error            // what made us kill it; why the payload does not run
		held       []syscall.Signal // what came before the payload ran
		enough     <-chan time.Time // when not to hold it any longer
		early      syscall.Signal   // the signal that ended it before the payload ran
	)
	signals, done := c.job.Signals, ctx.Done()
	for {
		select {
		case s, open := <-signals:
			if !open {
				signals = nil
			}
			n, _ := s.(syscall.Signal)
			if told == nil {
				c.pass(n)
			} else if key(n) && foreground() {
				early = n // the starter got it, too
				c.kill(syscall.SIGKILL)
			} else if held = append(held, n); ends(n) && enough == nil {
				enough = time.After(patience)
			}
		case <-enough:
			early = held[slices.IndexFunc(held, ends)]
			c.kill(syscall.SIGKILL)
		case <-done:
			done, why = nil, context.Cause(ctx)
			c.kill(syscall.SIGKILL)
		case err := <-served:
			if err != nil && why == nil {
				why = imageError(err)
				c.kill(syscall.SIGKILL)
			}
		case fault = <-told:
			told, enough = nil, nil
			if err := c.started(fault); err != nil && why == nil {
				why = err
				c.kill(syscall.SIGKILL)
			}
			for _, n := range held {
				c.pass(n)
			}
		case <-c.exited:
			if told != nil {
				fault = <-told
				if err := c.started(fault); why == nil {
					why = err
				}
			}
			if why == nil && (errors.Is(fault, syscall.ENOTCONN) || errors.Is(fault, syscall.ECONNABORTED)) {
				why = c.reason(served)
			}
			return c.verdict(why, fault, early)
		}
	}
}

// started tells the job that the payload runs, or has run, unless it failed to.
func (c *Child) started(fault error) error {
	if fault != nil || c.job.Started == nil {
		return nil
	}
	return c.job.Started(c.pid)
}

// verdict says how the container ended.
func (c *Child) verdict(why, fault error, early syscall.Signal) (Status, error) {
	switch {
	case early != 0:
		return Status{128 + int(early)}, nil
	case why != nil:
		return Status{}, failure.Of(fmt.Errorf("container killed: %w", why))
	case fault != nil:
		return Status{}, failure.Of(fault)
	case c.status.Signaled():
		return Status{128 + int(c.status.Signal())}, nil
	}
	return Status{c.status.ExitStatus()}, nil
}

// imageError says why the image can no longer be served. What comes with a hint is the
// image's fault and says so; the rest is the server's.
func imageError(err error) error {
	if hint.Of(err) != "" {
		return err
	}
	return hint.Wrap(fmt.Errorf("image server died: %w", err),
		"check the image and the file system it is on, then start again")
}

// listen reads reports to their end, and starts to serve the file systems they
// announce; what Serve returns goes to served.
func (c *Child) listen(socket int, p *plan.Plan, served chan<- error) error {
	msg, rights := make([]byte, 256), make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(socket, msg, rights, unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the starter's report: %w", err)
		}
		if n == 0 {
			return nil
		}
		fd := talk.Received(rights[:oobn])
		r, err := plan.ParseReport(msg[:n])
		known := err == nil && r.Index < len(p.Ops)
		if known && r.Index >= 0 && fd >= 0 {
			target := p.Ops[r.Index].Args[0]
			switch {
			case r.Stage == plan.StageFuse && c.job.Serve != nil:
				go func() { served <- c.job.Serve(target, fd, p.Image) }()
				continue
			case r.Stage == plan.StageFill && c.job.Fill != nil:
				// A copy, as this end may be closed before the answer.
				answer, err := unix.FcntlInt(uintptr(socket), unix.F_DUPFD_CLOEXEC, 0)
				if err != nil {
					return fmt.Errorf("copy the report socket: %w", err)
				}
				go func() { served <- c.fill(answer, target, fd) }()
				continue
			}
		}
		if fd >= 0 {
			unix.Close(fd)
		}
		switch {
		case known && r.Stage == plan.StageHold && p.Process.Hold:
			c.mu.Lock()
			defer c.mu.Unlock()
			c.held, err = unix.FcntlInt(uintptr(socket), unix.F_DUPFD_CLOEXEC, 0)
			return err
		case !known:
			return fmt.Errorf("the starter's report is malformed: %q", msg[:n])
		case r.Stage == plan.StageFuse, r.Stage == plan.StageFill:
			return errors.New("the plan wants files of an image, and nothing serves it")
		}
		return failure.Explain(p, r)
	}
}

// fill has the directory fd filled, and tells the starter. It closes both.
func (c *Child) fill(socket int, target string, fd int) error {
	defer unix.Close(socket)
	dir, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	unix.Close(fd)
	if err != nil {
		return fmt.Errorf("open %s: %w", failure.Place(target), err)
	}
	f := os.NewFile(uintptr(dir), failure.Place(target))
	if err := errors.Join(c.job.Fill(target, f), f.Close()); err != nil {
		return err
	}
	if err := talk.Answer(socket, -1); err != nil && !errors.Is(err, unix.EPIPE) { // then it has ended
		return fmt.Errorf("answer the starter: %w", err)
	}
	return nil
}
