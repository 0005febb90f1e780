package instances

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/actions"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/instance"
	"github.com/sealift/sealift/runtime/spec"
	"github.com/sealift/sealift/runtime/tail"
)

// supervisor is the process that an instance belongs to.
type supervisor struct {
	*ui.Process
	settings
	start    func(context.Context, *actions.Background) error
	claim    *instance.Claim
	out, err *instance.Log
	stop     chan os.Signal // what asks for the end of the instance
	stopped  bool
	detached bool
	tail     tail.Tail // the last of what the payload wrote to its standard error

	mu    sync.Mutex // guards what follows
	ready *os.File   // the command that waits for the start; nil when it has been told
	state instance.State
}

// supervise runs an instance to its end.
func supervise(ctx context.Context, p *ui.Process, name string, o settings, start func(context.Context, *actions.Background) error) error {
	ready, err := readySocket(p)
	if err != nil {
		return err
	}
	if o.logs.Size < minLog {
		return hint.New(fmt.Sprintf("--log-size %d is too small", o.logs.Size), "use at least %d", minLog)
	}
	s := &supervisor{Process: p, settings: o, start: start, ready: ready, stop: make(chan os.Signal, 4)}
	instances, err := store(p, "")
	if err != nil {
		return err
	}
	if s.claim, err = instances.Claim(name); err != nil {
		return err
	}
	keep := false
	defer func() {
		if keep {
			s.claim.Close()
		} else if err := s.claim.Remove(); err != nil {
			p.Warn("%v", err)
		}
	}()
	s.out, s.err = s.claim.Logs(o.logs)
	if err := errors.Join(s.out.Open(), s.err.Open()); err != nil {
		return err
	}
	if err := s.begin(name); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go s.watch(ready, cancel)
	if !o.detach {
		s.follow(cancel)
	}
	keep, err = s.loop(ctx)
	return err
}

// minLog is the least size of a log file, in bytes.
const minLog = 1 << 10

// readySocket returns the descriptor that the environment names.
func readySocket(p *ui.Process) (*os.File, error) {
	fd, err := strconv.Atoi(p.Variable(readyVariable))
	if err == nil {
		_, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	}
	if err != nil {
		return nil, hint.New(readyVariable+" is for Sealift alone", "unset it")
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "command"), nil
}

// errAbandoned is the end of the command that waits for the start.
var errAbandoned = errors.New("the command that started the instance has ended")

// watch ends the instance when the command that waits for its start ends before that.
func (s *supervisor) watch(ready *os.File, cancel context.CancelCauseFunc) {
	io.Copy(io.Discard, ready) // until it ends, in whatever way
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready != nil {
		cancel(errAbandoned)
	}
}

// stepDaemon is the process of Slurm that a job step is the children of.
const stepDaemon = "slurmstepd"

// follow ends the instance when the job step does that this process is in.
func (s *supervisor) follow(cancel context.CancelCauseFunc) {
	a, ok := instance.Ancestor(stepDaemon)
	if !ok {
		return
	}
	h, err := a.Open(0)
	if err != nil {
		h, err = a.Open(uint32(os.Getuid()))
	}
	if err != nil {
		return // it has ended already: the control group is left to Slurm
	}
	go func() {
		defer h.Close()
		for !h.Wait(time.Hour) {
		}
		unix.Kill(os.Getpid(), unix.SIGTERM) // to oneself
		time.Sleep(stopPatience)
		cancel(errors.New("the job step has ended"))
	}()
}

// begin records that the instance is being started.
func (s *supervisor) begin(name string) error {
	self, err := instance.Find(os.Getpid())
	if err != nil {
		return err
	}
	here, err := instance.Here()
	if err != nil {
		return err
	}
	s.state = instance.State{Name: name, Status: instance.Starting, Host: here, Supervisor: self, Since: time.Now()}
	return s.claim.Write(&s.state)
}

// loop starts the container, and starts it again as long as the policy says so. It tells
// whether the files are to be kept, for who looks why the instance has ended.
func (s *supervisor) loop(ctx context.Context) (keep bool, err error) {
	for number := 0; ; number++ {
		began := time.Now()
		code, err := s.once(ctx)
		switch {
		case errors.Is(context.Cause(ctx), errAbandoned):
			return false, ui.ExitStatus(128 + int(unix.SIGINT))
		case !s.told():
			return false, s.early(code, err)
		case err != nil:
			s.Fail(err)
		}
		if s.asked() || ctx.Err() != nil {
			return false, nil
		}
		if !s.restart.again(code, s.state.Restarts) {
			s.Info("the instance has ended with status %d", code)
			return code != 0, s.update(func(st *instance.State) {
				st.Status, st.Exit, st.Init, st.Health, st.Since = instance.Ended, code, instance.Process{}, "", time.Now()
			})
		}
		if time.Since(began) > maxDelay {
			number = 0
		}
		s.Info("the container has ended with status %d: it is started again in %v", code, delay(number))
		if err := s.update(func(st *instance.State) {
			st.Status, st.Exit, st.Init, st.Since = instance.Starting, code, instance.Process{}, time.Now()
			st.Restarts++
		}); err != nil {
			s.Fail(err)
		}
		select {
		case <-s.stop:
			return false, nil
		case <-ctx.Done():
			return false, nil
		case <-time.After(delay(number)):
		}
	}
}

// early is the error of an instance that has ended before its start was told.
func (s *supervisor) early(code int, err error) error {
	if err != nil || s.state.Status == instance.Starting && code == 0 {
		return err // or a dry run
	}
	text := fmt.Sprintf("the instance has ended at once, with status %d", code)
	if line := s.tail.Lines(1); len(line) > 0 {
		text += ": " + line[0]
	}
	return hint.New(text, "try 'sealift run' with the same image, or 'sealift instance run' where the image has no startscript")
}

// asked says whether somebody wants the instance to end.
func (s *supervisor) asked() bool {
	select {
	case <-s.stop:
		s.stopped = true
	default:
	}
	return s.stopped || s.claim.Stopping()
}

// once runs one container to its end. The code is its payload's status, or 125.
func (s *supervisor) once(ctx context.Context) (code int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var pumps sync.WaitGroup
	var ends [2]*os.File
	for n, w := range []io.Writer{s.out, io.MultiWriter(s.err, &s.tail)} {
		r, end, err := os.Pipe()
		if err != nil {
			return ui.ExitFailure, err
		}
		ends[n] = end
		pumps.Go(func() {
			io.Copy(w, r) // a log takes everything
			r.Close()
		})
	}
	err = s.start(ctx, &actions.Background{
		Name: s.state.Name, Stay: s.restart.never(), Detach: s.detachOnce, Out: ends[0], Err: ends[1],
		Started: func(pid int, c *spec.Container) error { return s.started(ctx, pid, c) },
	})
	ends[0].Close()
	ends[1].Close()
	pumps.Wait()
	status := ui.ExitStatus(0)
	if errors.As(err, &status) {
		return int(status), nil
	}
	if err != nil {
		return ui.ExitFailure, err
	}
	return 0, nil
}

// detachOnce leaves the session of the terminal, whose end and whose keys are not for the
// instance.
func (s *supervisor) detachOnce() error {
	if s.detached {
		return nil
	}
	s.detached = true
	if _, err := unix.Setsid(); err != nil {
		return fmt.Errorf("leave the terminal: %w", err)
	}
	signal.Notify(s.stop, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	return nil
}
