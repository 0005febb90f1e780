package limits

import (
	"strconv"

	"github.com/sealift/sealift/runtime/cgroup"
	"github.com/sealift/sealift/runtime/cgroup/control"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/instance"
)

// Running are the control groups of a container that runs; none where it has none of its
// own.
type Running []cgroup.Group

// Of returns those of the container of a process.
func Of(pid int) Running { return cgroup.Made(host.Groups(strconv.Itoa(pid))) }

// Enter puts what joins the container there (launch.Job.Enroll).
func (r Running) Enter(pid int, _ bool) error { return control.Enter(r, pid) }

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
	c := control.Current(m.Running)
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
