// Package launch starts the starter in new namespaces, sends it a plan, hands
// the descriptors of its FUSE mounts to whoever serves them, which may be a program
// of the host (Mounter), forwards signals and returns the payload's exit status.
//
// Input: a plan and a Job. Output: a Status, or a Failure that names the
// operation and carries a hint. It decides nothing about the container, never
// prints, and takes no part in what the payload's streams carry.
package launch

import (
	"context"
	"os"

	"github.com/sealift/sealift/runtime/join"
	"github.com/sealift/sealift/starter/plan"
)

// Job is everything about a start that is not in the plan.
type Job struct {
	// Starter is the path of the starter (FindStarter).
	Starter string
	// NewUIDMap and NewGIDMap are the absolute paths of newuidmap(1) and
	// newgidmap(1), or empty. They are run only when the plan maps ids that
	// the caller may not map by itself.
	NewUIDMap, NewGIDMap string
	// Stdin, Stdout and Stderr are the payload's. Nil is /dev/null.
	Stdin, Stdout, Stderr *os.File
	// Serve serves the FUSE file system that the plan's operation Fuse mounts
	// on target, with the plan's Image operations applied, through the
	// descriptor fd of /dev/fuse, which it closes. It returns nil when the
	// file system has been unmounted. It is called in a goroutine for each
	// mount, and must not open anything below target. An error ends the
	// container. It may be nil in the absence of such an operation.
	Serve func(target string, fd int, image []plan.Op) error
	// Fill writes what the plan's operation Fill wants on target to the directory, which
	// is in the container alone. It is called in a goroutine; an error ends the container.
	Fill func(target string, dir *os.File) error
	// Enter are namespaces of a running container that the starter is to enter before
	// anything else, instead of new ones: the plan's Clone names none then.
	Enter []join.Namespace
	// Started, unless nil, is called once when the payload runs, with the pid of the
	// container's first process. An error ends the container.
	Started func(pid int) error
	// Group is the directory of a control group of version 2 that the starter is to
	// be started in, or nil.
	Group *os.File
	// Enroll puts the starter into control groups. inside says that it is in Group. It is
	// called before the starter gets its plan; an error ends it. It may be nil.
	Enroll func(pid int, inside bool) error
	// Signals delivers what this process received and the payload is to get
	// (Signals lists which to ask for). It may be nil.
	Signals <-chan os.Signal
}

// Status is how the payload ended.
type Status struct {
	// Code is the payload's exit status, or 128+n when signal n killed it.
	Code int
}

// Run makes the container that p describes, waits for its payload to end, and
// kills the container when ctx is done. The error is a *Failure when the
// payload could not be started or its image could no longer be served; ctx's
// error, wrapped, when ctx ended it.
func Run(ctx context.Context, p *plan.Plan, j Job) (Status, error) {
	c, err := Start(p.Clone, j)
	if err != nil {
		return Status{}, err
	}
	defer c.Close()
	return c.Run(ctx, p)
}
