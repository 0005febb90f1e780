package share

import (
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/sealift/sealift/starter/plan"
)

// Check says why the container p cannot share with others, nil if it can.
func Check(p *plan.Plan) error {
	switch c := &p.Clone; {
	case !c.User:
		return errors.New("it has no user namespace of its own")
	case c.PID:
		return errors.New("it has a process namespace of its own")
	case c.Net || c.NetPath != "":
		return errors.New("it has a network of its own")
	case len(c.UIDs) != 1 || c.UIDs[0].Size != 1 || c.UIDs[0].Inside != c.UIDs[0].Outside:
		return errors.New("it has other user ids than the caller")
	case p.Process.Init || p.Process.Stay || len(p.Process.Mounters) > 0:
		return errors.New("it has a process 1 of its own")
	}
	for _, op := range p.Ops {
		switch op.Verb {
		case plan.Fuse:
			for flag := range strings.SplitSeq(op.Args[1], ",") {
				if slices.Contains([]string{"rw", "wait", "keep"}, flag) {
					return errors.New("a program serves a file system of it")
				}
			}
		case plan.Fill:
			return errors.New("its image is unpacked")
		case plan.Emulate:
			return errors.New("root is emulated in it")
		}
	}
	return nil
}

// held returns where the holder mounts the FUSE file system with a number.
func held(n int) string { return "@" + strconv.Itoa(n) }

// Holder returns the plan of the holder for containers like p, which has its session in the
// directory dir, and for each of its FUSE file systems the target that it has in p. dir is
// one that no container needs to see: for the holder's tasks it is covered.
func Holder(p *plan.Plan, dir string) (holder *plan.Plan, targets map[string]string) {
	holder = &plan.Plan{Clone: p.Clone, Image: p.Image, Process: plan.Process{Umask: -1, Hold: true}}
	targets = map[string]string{}
	for _, op := range p.Ops {
		switch op.Verb {
		case plan.Session:
			holder.Ops = append(holder.Ops, plan.Do(plan.Session, dir, op.Args[1]))
		case plan.Fuse:
			at := held(len(targets))
			targets[at] = op.Args[0]
			holder.Ops = append(holder.Ops, plan.Do(plan.Mkdir, at, "0755"), plan.Do(plan.Fuse, at, op.Args[1]))
		}
	}
	return holder, targets
}

// Task returns the plan of a container like p that shares: it binds what the holder has
// mounted in dir. Targets in own it mounts itself.
func Task(p *plan.Plan, dir string, own ...string) *plan.Plan {
	task, n := *p, 0
	task.Clone, task.Ops = plan.Clone{}, nil
	for _, op := range p.Ops {
		if op.Verb == plan.Fuse {
			if !slices.Contains(own, op.Args[0]) {
				op = plan.Do(plan.Bind, path.Join(dir, held(n)[1:]), op.Args[0], "")
			}
			n++
		}
		task.Ops = append(task.Ops, op)
	}
	return &task
}
