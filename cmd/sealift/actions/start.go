package actions

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/sealift/sealift/cmd/sealift/fromhost"
	"github.com/sealift/sealift/cmd/sealift/limits"
	"github.com/sealift/sealift/cmd/sealift/shares"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/cmd/sealift/verdicts"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/launch"
	"github.com/sealift/sealift/runtime/spec"
	"github.com/sealift/sealift/runtime/volume"
	"github.com/sealift/sealift/starter/plan"
)

// onImage gets the image if it is elsewhere, and does what an action command asks
// for with it.
func onImage(ctx context.Context, p *ui.Process, r *spec.Request, name string, a *actionFlags) (err error) {
	got, err := a.parts.Get(ctx, p, name)
	if err != nil {
		return err
	}
	if got == nil {
		return act(ctx, p, r, name, a)
	}
	defer got.Close()
	a.name, a.source = got.Title, got.Source
	return act(ctx, p, r, got.Path, a)
}

// act does what an action command asks for.
func act(ctx context.Context, p *ui.Process, r *spec.Request, path string, a *actionFlags) (err error) {
	server, err := shares.ServerOf(p)
	if err != nil {
		return err
	}
	defer hurry(a.background != nil || server != nil)()
	facts, err := host.Probe(host.Inputs{
		Environ: p.Environ, Cwd: p.Cwd, SubIDs: r.Fakeroot && !a.noRanges, Network: r.Net || r.Network != "" || len(r.NetworkArgs) > 0,
		Cgroups: a.limits.Wanted(), Terminal: p.Interactive(),
	})
	if err != nil {
		return err
	}
	if server == nil {
		if a.box, err = a.limits.Box(p, facts); err != nil {
			return err
		}
		defer a.box.Close()
	}
	if a.hold, err = a.parts.Hold(ctx, p, a.source, a.verify); err != nil {
		return err
	}
	a.key, a.keyed = a.parts.Key(ctx, p)
	if err := a.devices.Prepare(p, facts, r.Contains(), a.parts.CDI); err != nil {
		return err
	}
	commands, err := a.host.Prepare(p, r)
	if err != nil {
		return err
	}
	defer commands.Close(p)
	switch shared, err := a.sharing(p, r, server); {
	case err != nil:
		return err
	case a.show != nil:
		return show(ctx, p, r, facts, path, a)
	case shared:
		return together(ctx, p, r, facts, path, a, commands)
	}
	return alone(ctx, p, r, facts, path, a, commands)
}

// alone makes a container that shares nothing. The starter is started first, and gets ready
// while the image is opened and the plan computed; but not before what may ask for a
// passphrase, as signals are the payload's from then on, nor before what it may take the whole
// program to know.
func alone(ctx context.Context, p *ui.Process, r *spec.Request, facts *host.Facts, path string, a *actionFlags, commands *fromhost.Commands) (err error) {
	namespaces, err := spec.Namespaces(*r, facts)
	if err != nil {
		return err
	}
	s := start{Process: p, box: a.box, job: launch.Job{Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr}}
	open := func() (err error) {
		s.set, err = openAll(ctx, p, r, facts, path, a)
		return err
	}
	early := a.keyed || a.hold != nil && !verdicts.Likely(p, path)
	if early {
		if err := open(); err != nil {
			return errors.Join(err, s.set.Close())
		}
		s.secret = a.keyed && s.set.Image.Encrypted()
	}
	if b := a.background; b != nil {
		s.job.Stdin, s.job.Stdout, s.job.Stderr = nil, b.Out, b.Err
		s.job.Started = func(pid int) error { return b.Started(pid, s.plan) }
		if err := b.Detach(); err != nil {
			return err
		}
	}
	s.begin(namespaces, facts)
	defer func() {
		if s.close(); errors.Is(err, ErrParts) {
			s.resend()
		}
	}()
	if !early {
		if err := open(); err != nil {
			return err
		}
	}
	c, err := s.finish(ctx, r, facts, a)
	if err != nil {
		return err
	}
	commands.Serve(p, c.Plan.Process.Env)
	if a.background != nil {
		return s.run(ctx, c)
	}
	return s.foreground(ctx, c)
}

// finish finds what else the plan follows from, makes it, and says what is to be said.
func (s *start) finish(ctx context.Context, r *spec.Request, facts *host.Facts, a *actionFlags) (c *spec.Container, err error) {
	if r.GPU, err = a.devices.Find(ctx, s.Process, facts); err != nil {
		return nil, err
	}
	if c, err = compute(r, facts, s.set); err != nil {
		return nil, err
	}
	a.parts.Ready()
	for _, note := range c.Notes {
		s.Info("%s", note)
	}
	s.Detail("%s", s.set.Image.About())
	s.Trace(a.box.String() + c.Plan.String())
	return c, nil
}

// start is a container on its way.
type start struct {
	*ui.Process
	job     launch.Job
	child   *launch.Child
	box     *limits.Box        // the control groups; nil for none
	secret  bool               // this process holds a key
	set     *volume.Set        // the image and what there is besides; nil in a build of layers
	layers  []*squashfs.Reader // in a build those of the image, the topmost first
	plan    *spec.Container
	trace   func(file *squashfs.Inode, off, n int64) // is told what is read of the image
	signals chan os.Signal
	sigint  chan os.Signal // a copy of the first SIGINT
	mounters
	begun chan error    // delivers the outcome of spawn
	ready chan struct{} // closed when signals arrive, if they ever do
}

// begin starts the starter in the background; run waits for it.
func (s *start) begin(namespaces plan.Clone, facts *host.Facts) {
	s.signals, s.sigint = make(chan os.Signal, 16), make(chan os.Signal, 1)
	s.begun, s.ready = make(chan error, 1), make(chan struct{})
	s.job.NewUIDMap, s.job.NewGIDMap = facts.NewUIDMap, facts.NewGIDMap
	s.job.Signals, s.job.Serve, s.job.Fill = s.signals, s.serve, s.fill
	go func() {
		defer close(s.ready)
		err := s.spawn(namespaces)
		if s.begun <- err; err == nil {
			signal.Notify(s.signals, launch.Signals()...)
			signal.Notify(s.sigint, syscall.SIGINT)
		}
	}()
}

func (s *start) spawn(namespaces plan.Clone) (err error) {
	if s.job.Starter, err = launch.FindStarter(s.Executable); err != nil {
		return err
	}
	if s.box != nil {
		signal.Notify(s.signals, launch.Signals()...) // what is made has to be removed
		if err = s.box.Make(); err != nil {
			return err
		}
		s.job.Group, s.job.Enroll = s.box.File(), s.box.Join
	}
	s.child, err = launch.Start(namespaces, s.job)
	return err
}

// run runs the container and waits for it; the payload's status is the error
// ui.ExitStatus, nil for 0.
func (s *start) run(ctx context.Context, c *spec.Container) error {
	s.plan = c
	if s.set != nil && len(c.Plan.Process.Args) > 0 {
		go warm(s.set.Image, c.Plan.Process)
	}
	if err := <-s.begun; err != nil {
		return err
	}
	if s.secret {
		if err := s.Conceal(); err != nil {
			return err
		}
		debug.FreeOSMemory() // what scrypt took, before the process serves the image for days
	}
	status, err := s.child.Run(ctx, &c.Plan)
	if err = s.box.End(status.Code, err); err != nil {
		return err
	}
	if status.Code != 0 {
		return ui.ExitStatus(status.Code)
	}
	return nil
}

// foreground runs the container that this process is there for: the interrupt that ended
// the payload has to end this process alike.
func (s *start) foreground(ctx context.Context, c *spec.Container) error {
	err := s.run(ctx, c)
	status, _ := errors.AsType[ui.ExitStatus](err)
	s.Interrupted = status == 128+ui.ExitStatus(syscall.SIGINT) && arrives(s.sigint)
	return err
}

// arrives says whether a signal came. A terminal sends it to the payload and to
// this process at once, so the payload's end may be known first.
func arrives(signals <-chan os.Signal) bool {
	select {
	case <-signals:
		return true
	case <-time.After(20 * time.Millisecond):
		return false
	}
}

// close ends what is left of the container.
func (s *start) close() {
	<-s.ready
	if s.child != nil {
		s.child.Close()
	}
	if !s.mounters.settle(s.signals) {
		s.Warn("a program that serves a file system of the container does not end, and is killed")
		s.mounters.kill()
	}
	signal.Stop(s.signals)
	signal.Stop(s.sigint)
	s.set.Close() // which was only read
}

// resend sends this process the signals that a container should have got: whoever starts
// it instead is to have them.
func (s *start) resend() {
	for {
		select {
		case n := <-s.signals:
			_ = syscall.Kill(os.Getpid(), n.(syscall.Signal)) // to oneself
		case <-s.sigint:
		default:
			return
		}
	}
}
