// Package hold keeps namespaces and mounts for others to enter, as long as launch lives,
// and ends with those who have entered.
//
// Input: the report socket, whose other end is launch's. It is no process 1: there is no
// payload whose status counts, and orphans are other processes' matter. It must not print.
package hold

import (
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/fds"
	"github.com/sealift/sealift/starter/plan"
	"github.com/sealift/sealift/starter/talk"
)

// Hold tells launch that everything is there, waits for its end, and then kills all other
// processes of this user namespace if own says that it is one of the container's, and removes
// the directory dir with the socket in it, if nobody listens there. What a batch system sends
// to all processes of a job is for the payloads: it is passed over here, but SIGKILL.
func Hold(report int, own bool, dir string) error {
	signal.Ignore()
	// It is to outlive launch by as long as this takes.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0); err != nil {
		return err
	}
	fds.CloseOthers([]int{report})
	if err := talk.Tell(report, &plan.Report{Stage: plan.StageHold, Index: -1}); err != nil {
		return err
	}
	msg := make([]byte, 1)
	for {
		n, err := unix.Read(report, msg)
		if err == unix.EINTR || n > 0 {
			continue
		}
		break // ECONNRESET is an end, too
	}
	if user, err := Of("self"); own && err == nil {
		KillAll(user)
	}
	unix.Unmount(dir+"/"+Mounts, unix.MNT_DETACH) // for which it could not be removed
	Sweep(dir)
	return nil
}
