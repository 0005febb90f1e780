package spec

import (
	"fmt"
	"path"
	"slices"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/identity"
	"github.com/sealift/sealift/runtime/layout"
	"github.com/sealift/sealift/starter/plan"
)

// onHost plans a container whose root is the host's own tree, with the image's
// root on a directory of it. The session is not in the copy of the host's tree,
// as the starter makes its mount unbindable.
func (p *planner) onHost(b *BuildRequest, w layout.Writable) (*Container, error) {
	if !path.IsAbs(b.Mount) || w == (layout.Writable{}) {
		return nil, hint.New(fmt.Sprintf("cannot mount the root on %q", b.Mount), "give absolute directories for the mount and the changes")
	}
	p.under = path.Clean(b.Mount)
	if identity.OnlySeems(p.emulation) {
		p.emulation = ""
	}
	// Programs look for themselves in /proc, and so does the emulation.
	if !p.Facts.ProcMasked || !p.id.User {
		p.Do(plan.Mount, "proc", "/proc", layout.Noexec, "")
	}
	c, err := p.container(w, b.process(b.Args, b.Env))
	if err != nil {
		return nil, err
	}
	for i, op := range c.Plan.Ops {
		if op.Verb == plan.Overlay {
			op.Args[0] = p.under
			if !p.id.User {
				op.Args[4] = "nosuid" // who really makes device nodes wants to use them
			}
			c.Plan.Ops = slices.Insert(c.Plan.Ops, i, b.hostTree()...)
			break
		}
	}
	return c, nil
}

// hostTree mounts the host's tree as the root.
func (b *BuildRequest) hostTree() []plan.Op {
	if !b.ReadOnly {
		return []plan.Op{plan.Do(plan.Bind, "/", "/", "")}
	}
	ops := []plan.Op{plan.Do(plan.Bind, "/", "/", "ro")}
	for _, dir := range []string{"/tmp", "/var/tmp", "/dev/shm", b.Tmp} {
		if dir != "" {
			ops = append(ops, plan.Do(plan.Bind, dir, dir, "try"))
		}
	}
	return ops
}
