package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/imagefs"
	"github.com/sealift/sealift/runtime/launch"
	"github.com/sealift/sealift/runtime/spec"
	"github.com/sealift/sealift/starter/plan"
)

// act does what an action command asks for.
func (p *process) act(ctx context.Context, r *spec.Request, path string, dryRun bool) error {
	facts, err := host.Probe(host.Inputs{Environ: p.environ, Cwd: p.cwd, SubIDs: r.Fakeroot})
	if err != nil {
		return err
	}
	img, err := image.Open(path)
	if err != nil {
		return err
	}
	defer img.Close()
	c, err := spec.Compute(*r, facts, img.Info())
	if err != nil {
		return err
	}
	for _, note := range c.Notes {
		p.info("%s", note)
	}
	if dryRun {
		return p.print(c.Plan.String())
	}
	return p.launch(ctx, c, img, facts, launch.Job{Stdin: p.stdin, Stdout: p.stdout, Stderr: p.stderr})
}

// launch starts a container and waits for it; the payload's status is the
// error exitStatus, nil for 0.
func (p *process) launch(ctx context.Context, c *spec.Container, img *image.File, facts *host.Facts, job launch.Job) error {
	starter, err := launch.FindStarter(p.executable)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, launch.Signals()...)
	defer signal.Stop(signals)
	job.Starter, job.Signals = starter, signals
	job.NewUIDMap, job.NewGIDMap = facts.NewUIDMap, facts.NewGIDMap
	job.Serve = server(img, c.Owner)
	status, err := launch.Run(ctx, &c.Plan, job)
	if err != nil {
		return err
	}
	if status.Code != 0 {
		return exitStatus(status.Code)
	}
	return nil
}

// server returns what serves the image's files to the container.
func server(img *image.File, owner *spec.Owner) func(string, int, []plan.Op) error {
	return func(_ string, fd int, extra []plan.Op) error {
		o := imagefs.Options{Extra: extra}
		if owner != nil {
			o.Owner = &imagefs.Owner{UID: owner.UID, GID: owner.GID}
		}
		s, err := imagefs.New(img.Squash(), o)
		if err != nil {
			return errors.Join(err, syscall.Close(fd))
		}
		return s.Serve(fd)
	}
}

// runScript is the build's Runner.
func (p *process) runScript(ctx context.Context, x build.Exec) error {
	facts, err := host.Probe(host.Inputs{Environ: x.Env, Cwd: x.Dir})
	if err != nil {
		return err
	}
	img, err := image.Open(x.Base)
	if err != nil {
		return err
	}
	defer img.Close()
	c, err := spec.ComputeBuild(spec.BuildRequest{
		Base: img.Info(), Upper: x.Upper, Work: x.Work, Mount: x.Mount,
		Test: x.Test, Args: x.Args, Env: x.Env, Dir: x.Dir,
	}, facts)
	if err != nil {
		return err
	}
	job := launch.Job{}
	for _, s := range []struct {
		to   **os.File
		from io.Writer
	}{{&job.Stdout, x.Stdout}, {&job.Stderr, x.Stderr}} {
		f, ok := s.from.(*os.File)
		if !ok {
			return fmt.Errorf("a script's output must be a file, not %T", s.from)
		}
		*s.to = f
	}
	err = p.launch(ctx, c, img, facts, job)
	var code exitStatus
	if errors.As(err, &code) {
		return fmt.Errorf("the script failed with exit status %d", int(code))
	}
	return err
}

// interruptible returns a context that the signals which end a program cancel.
func (p *process) interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
}

// readUpTo fills b from r and returns how much there was.
func readUpTo(r io.Reader, b []byte) (int, error) {
	n, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, nil
	}
	return n, err
}
