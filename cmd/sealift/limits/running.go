package limits

import (
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/cgroup"
	"github.com/sealift/sealift/runtime/cgroup/control"
	"github.com/sealift/sealift/runtime/cgroup/systemd"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/instance"
)

// Running are the control groups of a container that runs; none where it has none of its
// own.
type Running struct {
	p      *ui.Process
	groups []cgroup.Group
}

// Of returns those of the container of a process.
func Of(p *ui.Process, pid int) Running {
	return Running{p, cgroup.Made(host.Groups(strconv.Itoa(pid)))}
}

// Enter puts what joins the container there (launch.Job.Enroll). Between groups of
// different users above only systemd may move it.
func (r Running) Enter(pid int, _ bool) error {
	err := control.Enter(r.groups, pid)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	facts, fault := host.Probe(host.Inputs{Environ: r.p.Environ, Cwd: r.p.Cwd, Cgroups: true})
	for _, g := range r.groups {
		if unit := path.Base(path.Dir(g.Dir)); fault == nil && facts.Manager != "" && g.Version == 2 && strings.HasSuffix(unit, ".scope") {
			return systemd.Attach(facts.Manager, unit, path.Base(g.Dir), pid)
		}
	}
	return hint.Wrap(err, "join it from the session or the job that it was started in")
}

// Meter measures a container by its groups, and by other for what they do not tell.
type Meter struct {
	Running
	Other instance.Meter
}

// Usage is of instance.Meter.
func (m Meter) Usage() (instance.Usage, error) {
	u, err := m.Other.Usage()
	if err != nil {
		return u, err
	}
	c := control.Current(m.Running.groups)
	if c.CPU != nil {
		u.CPU = *c.CPU
	}
	for _, n := range []struct {
		from *int64
		to   *uint64
	}{{c.Memory, &u.Memory}, {c.Limit, &u.Limit}, {c.Read, &u.Read}, {c.Written, &u.Written}} {
		if n.from != nil {
			*n.to = uint64(*n.from)
		}
	}
	if c.PIDs != nil {
		u.PIDs = int(*c.PIDs)
	}
	return u, nil
}
