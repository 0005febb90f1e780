package actions

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/images"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/launch"
	"github.com/sealift/sealift/runtime/spec"
)

// Background is what a container in the background has in the place of a terminal.
type Background struct {
	// Name is the instance's. Stay is spec.Request.Stay.
	Name string
	Stay bool
	// Detach is called before the first process of the container is started, when
	// nobody is asked for anything any more.
	Detach func() error
	// Out and Err are the payload's streams.
	Out, Err *os.File
	// Started is called when the payload runs, with the container's first process.
	Started func(pid int, c *spec.Container) error
}

// Starter returns a command with the operands IMAGE and NAME that starts containers in
// the background. first is called before the flags are looked at, and done says that
// there is nothing else to do; run is called with the name and what starts a container
// and waits for its end.
func Starter(p *ui.Process, action spec.Action, use, short string, first func() (done bool, err error),
	run func(c *cobra.Command, name string, start func(context.Context, *Background) error) error) *cobra.Command {
	c := command(p, action, use, short, 2, nil, func(c *cobra.Command, r *spec.Request, a *actionFlags, args []string) error {
		if strings.HasPrefix(args[0], InstancePrefix) {
			return hint.New("starting an instance from another is not allowed", "name the image: 'sealift instance list' shows it")
		}
		return run(c, args[1], func(ctx context.Context, b *Background) error {
			request := *r // as the last container of the name may have been started
			request.Args, request.Instance, request.Stay = args[2:], b.Name, b.Stay
			a.background = b
			return onImage(ctx, p, &request, images.Local(args[0]), a)
		})
	})
	whole := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if done, err := first(); done || err != nil {
			return err
		}
		return whole(c, args)
	}
	return c
}

// InstancePrefix precedes the name of an instance in the place of an image.
const InstancePrefix = "instance://"

// Running is a container that can be joined.
type Running struct {
	Job       launch.Job // with Join alone
	Root      image.FS   // the container's root directory
	Container spec.Joinable
}

// Finder finds the instance of a name; release is to be called when it is not needed any
// more.
type Finder func(p *ui.Process, name string) (running *Running, release func(), err error)

// inside does what an action command asks for in a running container.
func inside(ctx context.Context, p *ui.Process, r *spec.Request, name string, find Finder, a *actionFlags) error {
	facts, err := host.Probe(host.Inputs{Environ: p.Environ, Cwd: p.Cwd, Terminal: p.Interactive()})
	if err != nil {
		return err
	}
	running, release, err := find(p, name)
	if err != nil {
		return err
	}
	defer release()
	c, err := spec.ComputeJoin(*r, facts, running.Root, running.Container)
	if err != nil {
		return err
	}
	for _, note := range c.Notes {
		p.Info("%s", note)
	}
	if a.show != nil {
		text, err := a.show(c)
		return errors.Join(err, p.Print(text))
	}
	p.Trace(c.Plan.String())
	s := start{Process: p, job: running.Job}
	s.job.Stdin, s.job.Stdout, s.job.Stderr = p.Stdin, p.Stdout, p.Stderr
	s.begin(c.Plan.Clone, facts)
	defer s.close()
	return s.run(ctx, c)
}
