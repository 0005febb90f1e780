package actions

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/paths"
	"github.com/sealift/sealift/cmd/sealift/ui"
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
func Starter(p *ui.Process, parts Parts, action spec.Action, use, short string, first func() (done bool, err error),
	run func(c *cobra.Command, name string, start func(context.Context, *Background) error) error) *cobra.Command {
	c := command(p, parts, action, use, short, 2, nil, func(c *cobra.Command, r *spec.Request, a *actionFlags, args []string) error {
		if strings.HasPrefix(args[0], InstancePrefix) {
			return hint.New("starting an instance from another is not allowed", "name the image: 'sealift instance list' shows it")
		}
		return run(c, args[1], func(ctx context.Context, b *Background) error {
			request := *r // as the last container of the name may have been started
			request.Args, request.Instance, request.Stay = args[2:], b.Name, b.Stay
			a.background = b
			return onImage(ctx, p, &request, paths.Local(args[0]), a)
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
