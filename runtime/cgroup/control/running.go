package control

import (
	"github.com/sealift/sealift/runtime/cgroup"
)

// Enter puts a process into the groups of a running container.
func Enter(groups []cgroup.Group, pid int) error {
	for _, g := range groups {
		if err := (&group{path: g.Dir}).join(pid); err != nil {
			return err
		}
	}
	return nil
}

// Current returns what the groups of a running container say that it uses.
func Current(groups []cgroup.Group) (c cgroup.Current) {
	for _, g := range groups {
		c.Observe(g.Version, (&group{path: g.Dir}).lookUp)
	}
	return c
}
