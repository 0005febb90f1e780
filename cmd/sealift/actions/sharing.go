package actions

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/instance"
	"github.com/sealift/sealift/runtime/job"
	"github.com/sealift/sealift/runtime/share"
	"github.com/sealift/sealift/runtime/spec"
	"github.com/sealift/sealift/runtime/userdir"
	"github.com/sealift/sealift/starter/plan"
)

// sharing is the value of --share: empty is auto.
type sharing string

const (
	shareAuto sharing = "auto"
	shareOn   sharing = "on"
	shareOff  sharing = "off"
)

// String, Set and Type make it a value of a flag.
func (s *sharing) String() string { return string(*s) }

// Set takes a value.
func (s *sharing) Set(value string) error {
	if !slices.Contains([]sharing{shareAuto, shareOn, shareOff}, sharing(value)) {
		return hint.New(fmt.Sprintf("%q is not auto, on or off", value), "leave it out: auto is the default")
	}
	*s = sharing(value)
	return nil
}

// Type is the kind of value.
func (*sharing) Type() string { return "auto|on|off" }

// shares says whether this container is to share with those of other tasks of the job step.
// It then stays in the caller's process namespace: each payload is the process that the
// batch system has started.
func (a *actionFlags) shares(p *ui.Process, r *spec.Request, server bool) (bool, error) {
	tasks := job.LocalTasks(p.Environ)
	switch {
	case a.share == shareOff:
		return false, nil
	case server || a.share == shareOn:
	case tasks < 2 || a.background != nil:
		return false, nil
	}
	why := ""
	switch {
	case a.background != nil:
		why = "an instance is a container of its own"
	case a.ownPID || r.ContainAll || r.Compat:
		why = "the container is to have a process namespace of its own"
	case r.Net || r.Network != "" || r.NetnsPath != "":
		why = "the container is to have a network of its own"
	case r.Fakeroot:
		why = "--fakeroot: the container has other user ids than the caller"
	case a.unsquash:
		why = "--unsquash: the image is unpacked"
	case r.Writable || len(r.FuseMounts) > 0 || slices.ContainsFunc(r.Overlays, writes):
		why = "something in the container belongs to it alone: changes to an image, or a program that serves a file system"
	case os.Getuid() == 0 && !r.Userns:
		why = "root has no user namespace to share; with --userns it has"
	}
	switch {
	case why == "":
		r.NoPID = true
		return true, nil
	case a.share == shareOn:
		return false, hint.New("--share=on: "+why, "leave one of both out")
	case r.Fakeroot:
		p.Warn("--fakeroot: the %d tasks of this job step on this node are root each in its own user namespace, by which MPI cannot work", tasks)
	default:
		p.Detail("the %d tasks of this job step on this node do not share a container: %s", tasks, why)
	}
	return false, nil
}

// writes says whether an overlay is one that is written to.
func writes(overlay string) bool { return !strings.HasSuffix(overlay, ":ro") }

// place returns where the tasks meet that have the container c alike.
func (s *start) place(a *actionFlags, c *spec.Container, holder *plan.Plan, step, node string) (share.Place, error) {
	id := share.Identity{Version: buildcfg.Version, Step: step, Node: node}
	// What the image shows besides its files may differ.
	without := *holder
	without.Image = nil
	wire, err := plan.Encode(&without)
	if err != nil {
		return share.Place{}, err
	}
	id.Plan = string(wire)
	if id.Namespaces, err = share.Here(); err != nil {
		return share.Place{}, err
	}
	for _, m := range c.Served {
		f := s.set.Shown(m)
		var st unix.Stat_t
		if err := unix.Fstat(int(f.File().Fd()), &st); err != nil {
			return share.Place{}, &os.PathError{Op: "stat", Path: f.Path(), Err: err}
		}
		offset, _ := f.Extent()
		id.Files = append(id.Files, share.File{
			Device: uint64(st.Dev), Inode: st.Ino, Size: st.Size, Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano(), Offset: offset,
		})
	}
	id.Options = []string{a.source, fmt.Sprint(a.verify, a.hold != nil, a.imageCache, c.Served, c.Owner)}
	base := userdir.Bases(uint32(os.Getuid()), s.Variable("XDG_RUNTIME_DIR"))[0]
	return share.At(base, id.Key()), nil
}

// launcher names the process that has started the tasks, where no variable names the step.
func launcher() string {
	at, ok := instance.Ancestor(job.Launchers()...)
	if !ok {
		var err error
		if at, err = instance.Find(os.Getppid()); err != nil {
			return ""
		}
	}
	return fmt.Sprint(at)
}
