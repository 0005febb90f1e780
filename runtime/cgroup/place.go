package cgroup

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Nest is where a group for a container is made, and what it is given.
type Nest struct {
	Version int
	// Parent is the directory of the group that it is made in, Name its own.
	Parent, Name string
	// Leaf says that the processes of Parent first go to a group Leaf in it.
	Leaf bool
	// Enable are the controllers that groups must pass on first, from the top down.
	Enable []Enabling
	// Controllers are what the group must have, by the names of the version, and Wishes
	// what it may have besides where systemd makes its parent.
	Controllers, Wishes []string
	// Settings are its limits: those of Version.
	Settings []Setting
}

// Enabling is what a group is to pass on to those in it.
type Enabling struct {
	Dir         string
	Controllers []string
}

// Dir is the directory of the group.
func (n *Nest) Dir() string { return path.Join(n.Parent, n.Name) }

// Writes returns what a setting comes to in this group.
func (n *Nest) Writes(s Setting) []Write {
	if n.Version == 2 {
		return s.V2
	}
	return s.V1
}

// obstacle is why no group can be made in a place.
type obstacle string

// home returns how to make a group of version 2 that has these controllers in g.
func (g *Group) home(need []string) (*Nest, obstacle) {
	switch {
	case g.Dir == "":
		return nil, "it cannot be seen in /sys/fs/cgroup"
	case g.Child != 0:
		return nil, obstacle(fmt.Sprintf("no group can be made in %s: %v", g.Dir, g.Child))
	case g.Enter != 0:
		return nil, obstacle(fmt.Sprintf("no process can be put below %s: %v", g.Dir, g.Enter))
	}
	n := &Nest{Version: 2, Parent: g.Dir, Controllers: need}
	missing := without(need, g.Enabled)
	if len(missing) == 0 {
		return n, ""
	}
	above, why := g.supply(without(missing, g.Controllers))
	switch {
	case why != "":
		return nil, why
	case g.Enable != 0:
		return nil, obstacle(fmt.Sprintf("%s passes no %s on, and that cannot be changed: %v", g.Dir, strings.Join(missing, ", "), g.Enable))
	case g.Procs > 0 && !g.Top && g.Foreign > 0:
		return nil, obstacle(fmt.Sprintf("%s can pass no %s on, as it has processes of others", g.Dir, strings.Join(missing, ", ")))
	}
	n.Leaf = g.Procs > 0 && !g.Top
	n.Enable = append(above, Enabling{g.Dir, missing})
	return n, ""
}

// supply returns what gives g controllers that it lacks: groups above it pass them on,
// as far as they may.
func (g *Group) supply(lacking []string) ([]Enabling, obstacle) {
	if len(lacking) == 0 {
		return nil, ""
	}
	p := g.Parent
	no := obstacle(fmt.Sprintf("%s has no %s", g.Dir, strings.Join(lacking, ", ")))
	if p == nil || p.Enable != 0 || p.Procs > 0 && !p.Top {
		return nil, no
	}
	above, why := p.supply(without(lacking, p.Controllers))
	if why != "" {
		return nil, no
	}
	return append(above, Enabling{p.Dir, lacking}), ""
}

// version2 returns where in the hierarchy of version 2 the group is: below the caller's
// own if that can be, else beside it: not in a job, whose step's own limits are to hold.
func version2(own *Group, need []string, undelegated, job bool) (*Nest, obstacle) {
	if path.Base(own.Path) == Leaf && own.Parent != nil {
		own = own.Parent // which has made room for others
	}
	n, why := (*Nest)(nil), obstacle("it is systemd's own")
	if !own.Unit || undelegated {
		n, why = own.home(need)
	}
	if n == nil && !job && own.Parent != nil && (!own.Parent.Unit || undelegated) {
		if beside, _ := own.Parent.home(need); beside != nil && !beside.Leaf {
			return beside, ""
		}
	}
	return n, why
}

// can says whether a hierarchy of version 2 has a controller at all, as far as can be
// seen.
func (g *Group) can(controller string) bool {
	for ; g != nil; g = g.Parent {
		if slices.Contains(g.Controllers, controller) {
			return true
		}
	}
	return false
}

// without returns what is in list and not in less.
func without(list, less []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(less, s) })
}

// inVersion2 is the name in version 2 of a controller of version 1.
func inVersion2(controller string) string {
	if controller == "blkio" {
		return "io"
	}
	return controller
}

// usable says why no group can be made in one of version 1, "" for nothing.
func (g *Group) usable() obstacle {
	switch {
	case g.Dir == "":
		return "it cannot be seen in /sys/fs/cgroup"
	case g.Child != 0:
		return obstacle(fmt.Sprintf("no group can be made in %s: %v", g.Dir, g.Child))
	}
	return ""
}

// Usable returns the controllers that groups for containers can have here, and the
// directory of the first that has any. Without controllers, it returns what is in the way:
// 0 where groups can be made.
func (f *Facts) Usable() (controllers []string, errno syscall.Errno) {
	for i := range f.Groups {
		g := &f.Groups[i]
		switch {
		case g.Dir == "":
		case g.Version == 2:
			for _, c := range limiters {
				if g.can(c) {
					if n, _ := version2(g, []string{c}, true, f.Job); n != nil {
						controllers = append(controllers, c)
					}
				}
			}
			if g.Child != 0 && errno == 0 {
				errno = g.Child
			}
		case g.Child != 0:
			if errno == 0 {
				errno = g.Child
			}
		default:
			for _, c := range g.Controllers {
				if slices.Contains(limiters, c) {
					controllers = append(controllers, c)
				}
			}
		}
	}
	slices.Sort(controllers)
	return slices.Compact(controllers), errno
}

// asks says whether systemd is asked for groups: not in a job, which its container would
// leave.
func (f *Facts) asks() bool { return f.Manager && !f.Job }

// Askable returns the controllers of groups that systemd makes on request.
func (f *Facts) Askable() (controllers []string) {
	for i := range f.Groups {
		for _, c := range limiters {
			if g := &f.Groups[i]; f.asks() && g.Version == 2 && g.can(c) {
				controllers = append(controllers, c)
			}
		}
	}
	return controllers
}

// limiters are the controllers that containers are limited with, by their names in
// both versions.
var limiters = []string{"blkio", "cpu", "cpuset", "devices", "hugetlb", "io", "memory", "pids", "rdma"}
