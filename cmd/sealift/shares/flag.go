package shares

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/job"
	"github.com/sealift/sealift/runtime/spec"
)

// Flag is the flag --share, and what it depends on besides the request.
type Flag struct {
	mode   mode
	always bool // --sharens
	flags  *pflag.FlagSet
	// Alone, unless empty, is why this container is one of its own.
	Alone string
	// Server, unless nil, says that this process serves what tasks share.
	Server *Server
}

// mode is the flag's value; empty is auto.
type mode string

const (
	auto mode = "auto"
	on   mode = "on"
	off  mode = "off"
)

// String, Set and Type make it a value of a flag.
func (m *mode) String() string { return string(*m) }

// Set takes a value.
func (m *mode) Set(value string) error {
	if !slices.Contains([]mode{auto, on, off}, mode(value)) {
		return hint.New(fmt.Sprintf("%q is not auto, on or off", value), "leave it out: auto is the default")
	}
	*m = mode(value)
	return nil
}

// Type is the kind of value.
func (*mode) Type() string { return "auto|on|off" }

// Add adds the flags.
func (f *Flag) Add(flags *pflag.FlagSet) {
	f.flags = flags
	flags.Var(&f.mode, "share", "have the tasks of a job step on this node share a user namespace and the image's server: `auto`, on or off")
	ui.Bind(flags, "share", "SHARE")
	flags.BoolVar(&f.always, "sharens", false, "the same as --share=on")
	ui.Bind(flags, "sharens", "SHARENS")
}

// Must says that not to share is an error.
func (f *Flag) Must() bool { return f.mode == on || f.always || f.Server != nil }

// Wants says whether the container that r asks for is to share with those of other tasks of
// the job step, and changes r so that it can: it stays in the caller's process namespace, as
// its payload is the process that the batch system has started.
func (f *Flag) Wants(p *ui.Process, r *spec.Request) (bool, error) {
	tasks := job.LocalTasks(p.Environ)
	if f.mode == off || !f.Must() && tasks < 2 {
		return false, nil
	}
	why := f.alone(r)
	switch {
	case why == "":
		r.NoPID = true
		return true, nil
	case f.Must():
		return false, hint.New("--share=on: "+why, "leave one of both out")
	case r.Fakeroot:
		p.Warn("--fakeroot: each of the %d tasks of this job step on this node is root in a user namespace of its own, where MPI does not work", tasks)
	default:
		// Root's tasks are in one user namespace already. MPI also wants them to see each
		// other's processes.
		r.NoPID = r.NoPID || why == rootIsOne
		p.Detail("the %d tasks of this job step on this node do not share a container: %s", tasks, why)
	}
	return false, nil
}

// rootIsOne is why root's containers do not share.
const rootIsOne = "root has no user namespace to share; with --userns it has"

// alone says why the container is one of its own, or nothing.
func (f *Flag) alone(r *spec.Request) string {
	switch pid := f.flags.Lookup("pid"); {
	case f.Alone != "":
		return f.Alone
	case pid.Changed && pid.Value.String() == "true", r.ContainAll, r.Compat:
		return "it is to have a process namespace of its own"
	case r.Net, r.Network != "", r.NetnsPath != "":
		return "it is to have a network of its own"
	case r.AddCaps != "", r.KeepPrivs:
		return "it has capabilities, by which it could enter what others see"
	case r.Fakeroot:
		return "--fakeroot: it has other user ids than the caller"
	case r.Writable, len(r.FuseMounts) > 0, slices.ContainsFunc(r.Overlays, writes):
		return "something in it belongs to it alone: changes to an image, or a program that serves a file system"
	case !pidfd():
		return "the kernel lacks pidfd_open(2), or does not allow it (Linux 5.3)"
	case os.Getuid() == 0 && !r.Userns:
		return rootIsOne
	}
	return ""
}

// pidfd says whether a server can hear of the end of tasks.
func pidfd() bool {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return false
	}
	return unix.Close(fd) == nil
}

// writes says whether an overlay is one that is written to.
func writes(overlay string) bool { return !strings.HasSuffix(overlay, ":ro") }
