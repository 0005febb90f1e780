// Package containers is the commands of containers, put together: those that start one,
// instances, and wrappers, which take the flags of exec.
//
// Input: the process. Output: commands. It knows none of their flags.
package containers

import (
	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/actions"
	"github.com/sealift/sealift/cmd/sealift/instances"
	"github.com/sealift/sealift/cmd/sealift/sources"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/cmd/sealift/wrappers"
)

// Commands returns them, in the order of help.
func Commands(p *ui.Process) []*cobra.Command {
	exec := func() *cobra.Command { return actions.Command(p, "exec", sources.New(), instances.Find) }
	return append(instances.Complete(p, actions.Commands(p, sources.New, instances.Find)),
		instances.Command(p), instances.StatsCommand(p), wrappers.Command(p, exec))
}

// Action returns the command of a name that starts a container, or nil: to make all the
// others takes milliseconds.
func Action(p *ui.Process, name string) *cobra.Command {
	return actions.Command(p, name, sources.New(), instances.Find)
}
