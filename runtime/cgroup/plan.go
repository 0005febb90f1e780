package cgroup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Plan is what is done for a container to have its control groups.
type Plan struct {
	// Nests are the groups, of version 2 first.
	Nests []Nest
	// Scope says that systemd is asked for a group first, which the nest of version 2,
	// whose Parent and Enable are not known yet, is made in.
	Scope bool
	// Memory is the limit of memory in bytes, 0 for none.
	Memory int64
	// Missing says why there are no groups, or some only, although statistics are
	// wanted; empty where nothing is missing.
	Missing string
}

// Group returns the plan's group of version 2, nil without one.
func (p *Plan) Group() *Nest {
	if len(p.Nests) > 0 && p.Nests[0].Version == 2 {
		return &p.Nests[0]
	}
	return nil
}

// String returns the plan for people, a line for each file.
func (p *Plan) String() string {
	var b strings.Builder
	for i := range p.Nests {
		n := &p.Nests[i]
		if n.Leaf {
			fmt.Fprintf(&b, "cgroup leaf %s/%s\n", n.Parent, Leaf)
		}
		for _, e := range n.Enable {
			fmt.Fprintf(&b, "cgroup enable %s +%s\n", e.Dir, strings.Join(e.Controllers, " +"))
		}
		if p.Scope && n.Version == 2 {
			fmt.Fprintf(&b, "cgroup scope +%s\n", strings.Join(append(n.Controllers, n.Wishes...), " +"))
		}
		fmt.Fprintf(&b, "cgroup make %s\n", n.Dir())
		for _, s := range n.Settings {
			for _, w := range n.Writes(s)[:1] {
				fmt.Fprintf(&b, "cgroup write %s %s\n", w.File, w.Text)
			}
		}
	}
	return b.String()
}

// statistics are the controllers that tell what a container has used.
var statistics = []string{"memory", "pids", "blkio", "cpuacct"}

// Compute decides which groups a container has. It is nil where none is asked for. stats
// asks for what statistics need, which is done without where it cannot be had.
func Compute(l *Limits, stats bool, f *Facts) (*Plan, error) {
	settings, err := l.settings()
	if err != nil || len(settings) == 0 && !stats {
		return nil, err
	}
	c := composition{facts: f, plan: &Plan{}}
	if n, err := parseAmount(l.Unified["memory.max"]); err == nil {
		c.plan.Memory = max(n, 0)
	}
	if l.Memory.Limit != nil {
		c.plan.Memory = max(*l.Memory.Limit, 0)
	}
	c.groups()
	for _, s := range settings {
		if err := c.place(s); err != nil {
			return nil, err
		}
	}
	if err := c.settle(stats); err != nil {
		return nil, err
	}
	for i := range c.plan.Nests {
		c.plan.Nests[i].Name = fmt.Sprint(Prefix, f.PID)
	}
	return c.plan, nil
}

// composition is a plan in the making.
type composition struct {
	facts *Facts
	plan  *Plan
	own   *Group            // of version 2, nil where there is none
	old   map[string]*Group // of version 1, by controller
	need  []string          // controllers of version 2
	two   []Setting
}

func (c *composition) groups() {
	c.old = map[string]*Group{}
	for i := range c.facts.Groups {
		g := &c.facts.Groups[i]
		if g.Version == 2 {
			c.own = g
			continue
		}
		for _, name := range g.Controllers {
			c.old[name] = g
		}
	}
}

// place finds the version that enforces a setting. A controller is in one only.
func (c *composition) place(s Setting) error {
	name := inVersion2(s.Controller)
	old := c.old[s.Controller]
	switch {
	case c.own != nil && c.own.can(name) || old == nil && s.Controller == "devices":
		if s.V2 == nil {
			return hint.New(fmt.Sprintf("no %s can be set: version 2 of control groups, which this machine has, knows none", s.Name), "leave it out")
		}
		if !slices.Contains(c.need, name) {
			c.need = append(c.need, name)
		}
		c.two = append(c.two, s)
		return nil
	case old == nil:
		return hint.New(fmt.Sprintf("no %s can be set: no control groups with the controller %s are to be seen", s.Name, name),
			"ask the administrator to mount /sys/fs/cgroup, and for a kernel with that controller switched on")
	case s.V1 == nil:
		return hint.New(fmt.Sprintf("no %s can be set: the controller %s is in version 1 of control groups here, which knows none", s.Name, name), "leave it out")
	}
	if why := old.usable(); why != "" {
		return c.refusal(s.Name, why)
	}
	n := c.nest(old)
	n.Settings = append(n.Settings, s)
	return nil
}

// nest returns the nest in a group of version 1.
func (c *composition) nest(g *Group) *Nest {
	i := slices.IndexFunc(c.plan.Nests, func(n Nest) bool { return n.Parent == g.Dir })
	if i < 0 {
		i = len(c.plan.Nests)
		c.plan.Nests = append(c.plan.Nests, Nest{Version: 1, Parent: g.Dir, Controllers: g.Controllers})
	}
	return &c.plan.Nests[i]
}

// settle finds a place in version 2 for all that needs it, and one in either version for
// what statistics take.
func (c *composition) settle(stats bool) error {
	var n *Nest
	var why obstacle
	if len(c.need) > 0 {
		if n, why = version2(c.own, c.need, false, c.facts.Job); n == nil && c.facts.asks() {
			n, c.plan.Scope = &Nest{Version: 2, Controllers: c.need}, true
		}
		if n == nil {
			n, why = version2(c.own, c.need, true, c.facts.Job)
		}
		if n == nil {
			return c.refusal(c.two[0].Name, why)
		}
		n.Settings = c.two
	}
	if stats {
		n = c.observe(n)
	}
	if n != nil {
		c.plan.Nests = slices.Insert(c.plan.Nests, 0, *n)
	}
	return nil
}

// observe adds what statistics take to the groups, as far as that can be had. n is the
// nest of version 2, nil without one.
func (c *composition) observe(n *Nest) *Nest {
	var lacking []string
	want := slices.Clone(c.need)
	for _, name := range statistics {
		two, old := inVersion2(name), c.old[name]
		switch {
		case old != nil && old.usable() == "":
			c.nest(old)
		case old != nil:
			lacking = append(lacking, name)
		case c.own != nil && c.own.can(two) && !slices.Contains(want, two):
			want = append(want, two)
		}
	}
	switch {
	case c.plan.Scope:
		n.Wishes = without(want, c.need)
	case c.own != nil && len(want) > len(c.need):
		all, _ := version2(c.own, want, n != nil, c.facts.Job)
		if all == nil {
			lacking = append(lacking, without(want, c.need)...)
			all, _ = version2(c.own, c.need, n != nil, c.facts.Job) // which still counts processor time
		}
		if n = all; n != nil {
			n.Settings = c.two
		}
	}
	if len(lacking) > 0 {
		c.plan.Missing = "the control groups here cannot be used for " + strings.Join(lacking, ", ")
	}
	return n
}

// refusal is the error of a limit that cannot be enforced in the groups of the caller.
func (c *composition) refusal(name string, why obstacle) error {
	err := fmt.Errorf("no %s can be set: %s", name, why)
	switch {
	case c.facts.Job:
		return hint.Wrap(err, "have the batch system limit the job step (srun --mem, --cpus-per-task), or ask the administrator for "+
			"ConstrainRAMSpace and ConstrainCores in cgroup.conf, or to delegate the step's group (Delegate=yes, or chown)")
	case c.own != nil && len(c.need) > 0:
		return hint.Wrap(err, "start it by systemd-run --user --scope -p Delegate=yes, or ask the administrator to delegate the group: "+
			"Delegate=cpu cpuset io memory pids for user@.service, or chown of the group, its cgroup.procs and cgroup.subtree_control")
	}
	return hint.Wrap(err, "ask the administrator for a group of your own in it: mkdir, chown, and your shell's process id in its cgroup.procs")
}
