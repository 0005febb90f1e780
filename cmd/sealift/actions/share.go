package actions

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/failure"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/job"
	"github.com/sealift/sealift/runtime/launch"
	"github.com/sealift/sealift/runtime/share"
	"github.com/sealift/sealift/runtime/spec"
	"github.com/sealift/sealift/starter/plan"
	"github.com/sealift/sealift/starter/talk"
)

// serverVariable has a process be the server of what tasks share: its value is the key and
// the step, as the process that started it has them, and the listening socket is the descriptor after the standard streams.
const (
	serverVariable = "SEALIFT_SHARE_SERVER"
	serverSocket   = 3
)

// serving is what a server was started with.
type serving struct {
	key, step string
	listener  *os.File
}

// serverOf returns what makes this process a server, or nil.
func serverOf(p *ui.Process) *serving {
	key, step, ok := strings.Cut(p.Variable(serverVariable), " ")
	if !ok {
		return nil
	}
	if listens, err := unix.GetsockoptInt(serverSocket, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens == 0 {
		return nil
	}
	return &serving{key, step, os.NewFile(serverSocket, "listener")}
}

// together has a container share with those of other tasks, or is the server that they share.
func together(ctx context.Context, p *ui.Process, r *spec.Request, facts *host.Facts, path string, a *actionFlags, server *serving) (err error) {
	s := start{Process: p, box: a.box, job: launch.Job{Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr}}
	if s.set, err = openAll(ctx, p, r, facts, path, a); err != nil {
		return errors.Join(err, s.set.Close())
	}
	defer s.set.Close() // which was only read
	c, err := s.finish(ctx, r, facts, a)
	if err != nil {
		return err
	}
	if err := share.Check(&c.Plan); err != nil {
		if a.share == shareOn || server != nil {
			return hint.Wrap(fmt.Errorf("--share: %w", err), "start with --share=off")
		}
		p.Detail("the tasks of this job step do not share this container: %v", err)
		s.begin(c.Plan.Clone, facts)
		defer s.close()
		return s.run(ctx, c)
	}
	holder, targets := share.Holder(&c.Plan)
	step, node := job.Step(p.Environ)
	if server != nil {
		step = server.step
	} else if step == "" {
		step = launcher()
	}
	place, err := s.place(a, c, holder, step, node)
	if err != nil {
		return err
	}
	if server != nil {
		return s.serveTasks(ctx, c, holder, targets, place, server)
	}
	return s.joinTasks(ctx, c, place, step, facts)
}

// joinTasks has the payload share. It is executed in the place of this process, unless that
// has something to do until the end.
func (s *start) joinTasks(ctx context.Context, c *spec.Container, place share.Place, step string, facts *host.Facts) (err error) {
	if s.job.Starter, err = launch.FindStarter(s.Executable); err != nil {
		return err
	}
	m, err := place.Join(s.Stderr, func(l *os.File) error { return s.spawnServer(place.Key()+" "+step, l) })
	if err != nil {
		return err
	}
	defer m.Close()
	var own []string
	if m.Shows != share.Shows(c.Plan.Image) {
		for _, served := range c.Served {
			if served.Volume < 0 && served.Layer == 0 {
				own = append(own, served.Target)
			}
		}
	}
	task := share.Task(&c.Plan, own...)
	if s.box != nil {
		limited := *c
		limited.Plan, s.job.Enter = *task, m.Enter
		s.begin(task.Clone, facts)
		defer s.close()
		return s.run(ctx, &limited)
	}
	if len(own) > 0 {
		if err := m.Mount(task, c.Plan.Image); err != nil {
			return err
		}
	}
	self, err := unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open this program: %w", err)
	}
	explain := os.NewFile(uintptr(self), "sealift")
	defer explain.Close()
	args := []string{s.Name, FailedName}
	if s.NoColor {
		args = []string{s.Name, "--nocolor", FailedName}
	}
	if err := s.PassAtDeath(); err != nil {
		return err
	}
	return m.Become(task, share.Start{Starter: s.job.Starter, Explain: explain, Args: args})
}

// spawnServer executes this program again as a server.
func (s *start) spawnServer(value string, listener *os.File) error {
	args := []string{"sealift-starter", talk.Detach, strconv.Itoa(serverSocket + 1), s.Executable, s.Name}
	cmd := &exec.Cmd{
		Path: s.job.Starter, Args: append(args, s.Args...), Env: append(slices.Clip(s.Environ), serverVariable+"="+value),
		Stderr: s.Stderr, ExtraFiles: []*os.File{listener},
	}
	return cmd.Run()
}

// serveTasks is the server that the tasks of a job step share: it ends with the last one.
// What a batch system sends to every process is for the payloads.
func (s *start) serveTasks(ctx context.Context, c *spec.Container, holder *plan.Plan, targets map[string]string, place share.Place, server *serving) error {
	if place.Key() != server.key {
		return hint.New("the image, or what this program was started with, has changed meanwhile", "start again")
	}
	signal.Ignore()
	holder.Process.Meet = place.Path()
	tasks, err := place.NewServer(server.listener)
	if err != nil {
		return err
	}
	held := *c
	held.Plan, held.Served = *holder, slices.Clone(c.Served)
	for at, target := range targets {
		m, err := c.For(target)
		if err != nil {
			return err
		}
		m.Target = at
		held.Served = append(held.Served, m)
	}
	s.plan, tasks.Serve, tasks.Shows = &held, s.serve, share.Shows(c.Plan.Image)
	s.job = launch.Job{Serve: s.serve, Started: func(pid int) error {
		debug.FreeOSMemory() // what the start took
		return errors.Join(s.LeaveTerminal(), os.Chdir("/"), tasks.Answer(pid))
	}}
	if s.job.Starter, err = launch.FindStarter(s.Executable); err == nil {
		s.child, err = launch.Start(holder.Clone, s.job)
	}
	ended := make(chan struct{})
	go func() {
		tasks.Run()
		close(ended)
		if s.child != nil {
			s.child.Release()
		}
	}()
	if err == nil {
		defer s.child.Close()
		_, err = s.child.Run(ctx, holder)
	}
	select {
	case <-ended:
		return nil
	default:
	}
	if err == nil {
		err = hint.New("a process was killed that the tasks of this job step share", "start again; --share=off does without")
	}
	var line bytes.Buffer
	terminal := s.Terminal
	terminal.Err = &line
	code := terminal.Fail(err)
	tasks.Fail(err, line.String())
	<-ended
	return ui.ExitStatus(code)
}

// FailedName is the name of the command that says why a payload could not be started that
// shares.
const FailedName = "explain-failure"

// failedCommand returns that command, which is for Sealift alone.
func failedCommand(*ui.Process) *cobra.Command {
	return &cobra.Command{
		Use: FailedName, Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			fd, err := strconv.Atoi(args[0])
			if err != nil {
				return hint.New(FailedName+" is for Sealift alone", "use another command")
			}
			data, err := io.ReadAll(os.NewFile(uintptr(fd), "plan"))
			if err != nil {
				return err
			}
			p, err := plan.Parse(data)
			r, err2 := plan.ParseReport([]byte(args[1]))
			if err := errors.Join(err, err2); err != nil || r.Index >= len(p.Ops) && (r.Stage == plan.StageOp || r.Stage == plan.StageSource) {
				return hint.Wrap(errors.Join(err, errors.New(FailedName+" is for Sealift alone")), "use another command")
			}
			return failure.Of(failure.Explain(p, r))
		},
	}
}
