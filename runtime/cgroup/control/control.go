// Package control makes the control groups of a cgroup.Plan, gives them their limits,
// and removes them.
//
// Input: a plan, and the process to put into the groups. Output: groups whose limits have
// all been read back, what was used in them, and nothing left of them; or an error that
// names the file that the kernel refused. It decides nothing, and touches no groups but
// those it makes and, where the plan says so, what their parents pass on.
package control

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/cgroup"
)

// Scope has systemd put a process, and others that are in the way then, into a group of
// their own, which may be divided, and returns the group's directory.
type Scope func(pid int) (dir string, err error)

// Groups are the groups of one container.
type Groups struct {
	plan  *cgroup.Plan
	scope Scope
	nests []made
}

// made is a group that has been made for a nest.
type made struct {
	*group
	version int
}

// Make makes the groups that can be made before there is a process for them. Remove must
// be called.
func Make(p *cgroup.Plan, scope Scope) (*Groups, error) {
	g := &Groups{plan: p, scope: scope}
	for i := range p.Nests {
		n := &p.Nests[i]
		if p.Scope && n.Version == 2 {
			continue
		}
		if err := g.build(n); err != nil {
			return nil, errors.Join(err, g.Remove())
		}
	}
	return g, nil
}

// build makes the group of a nest, and gives it its limits.
func (g *Groups) build(n *cgroup.Nest) error {
	if n.Leaf {
		if err := mkdir(path.Join(n.Parent, cgroup.Leaf)); err != nil {
			return err
		}
	}
	for _, e := range n.Enable {
		if err := enable(e, n.Leaf && e.Dir == n.Parent); err != nil {
			return err
		}
	}
	if err := g.create(n); err != nil {
		return err
	}
	return g.nests[len(g.nests)-1].limit(n)
}

// create makes the directory of a nest.
func (g *Groups) create(n *cgroup.Nest) error {
	sweep(n.Parent)
	dir, err := makeGroup(n.Dir())
	if err != nil {
		return err
	}
	g.nests = append(g.nests, made{dir, n.Version})
	return nil
}

// File is the directory of the group of version 2, nil where a process has to be put
// into the groups afterwards.
func (g *Groups) File() *os.File {
	for _, m := range g.nests {
		if m.version == 2 {
			return m.dir
		}
	}
	return nil
}

// Join puts a process into all groups, but for that of version 2 if it is inside already.
func (g *Groups) Join(pid int, inside bool) error {
	for _, m := range g.nests {
		if m.version == 2 && inside {
			continue
		}
		if err := m.join(pid); err != nil {
			return err
		}
	}
	if n := g.plan.Group(); g.plan.Scope && n != nil {
		return g.joinScope(pid, n)
	}
	return nil
}

// joinScope has systemd make a group, and makes the container's in it: all processes must
// be out of the former's way before that passes controllers on.
func (g *Groups) joinScope(pid int, n *cgroup.Nest) error {
	dir, err := g.scope(pid)
	if err != nil {
		return err
	}
	at := *n
	at.Parent = dir
	if err := g.create(&at); err != nil {
		return err
	}
	m := g.nests[len(g.nests)-1]
	if err := m.join(pid); err != nil {
		return err
	}
	if err := mkdir(path.Join(dir, cgroup.Leaf)); err != nil {
		return err
	}
	on := slices.Clone(n.Controllers)
	for c := range strings.FieldsSeq((&group{path: dir}).read("cgroup.controllers")) {
		if slices.Contains(n.Wishes, c) {
			on = append(on, c)
		}
	}
	if err := enable(cgroup.Enabling{Dir: dir, Controllers: on}, true); err != nil {
		return hint.Wrap(err, "ask the administrator for Delegate=cpu cpuset io memory pids in a drop-in of user@.service")
	}
	return m.limit(&at)
}

// Usage returns what was used so far.
func (g *Groups) Usage() (u cgroup.Usage) {
	for _, m := range g.nests {
		u.Observe(m.version, m.lookUp)
	}
	u.Missing = g.plan.Missing
	return u
}

// Remove kills what is in the groups and removes them. It may be called twice.
func (g *Groups) Remove() error {
	var errs []error
	for _, m := range g.nests {
		errs = append(errs, m.remove())
	}
	g.nests = nil
	return errors.Join(errs...)
}

// tries is how often what a fork may undo is done.
const tries = 50

// enable has a group pass controllers on. Where it is to be emptied first, its processes
// go to its leaf.
func enable(e cgroup.Enabling, empty bool) error {
	text := "+" + strings.Join(e.Controllers, " +")
	var err error
	for range tries {
		if empty {
			if err = evacuate(e.Dir, path.Join(e.Dir, cgroup.Leaf)); err != nil {
				return err
			}
		}
		if err = writeFile(path.Join(e.Dir, "cgroup.subtree_control"), text); err == nil {
			return enabled(e)
		}
		if !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	switch {
	case errors.Is(err, unix.ENOENT):
		err = fmt.Errorf("%s has not all of the controllers %s: %w", e.Dir, strings.Join(e.Controllers, ", "), err)
	case errors.Is(err, unix.EBUSY):
		err = fmt.Errorf("%s has processes that others put there, so it passes no controllers on: %w", e.Dir, err)
	}
	return err
}

// enabled checks that a group passes on what it was told to.
func enabled(e cgroup.Enabling) error {
	name := path.Join(e.Dir, "cgroup.subtree_control")
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	on := strings.Fields(string(text))
	for _, c := range e.Controllers {
		if !slices.Contains(on, c) {
			return fmt.Errorf("%s: the kernel took +%s and shows %q", name, c, on)
		}
	}
	return nil
}

// evacuate moves the processes of a group to another until it has none.
func evacuate(from, to string) error {
	for range tries {
		text, err := os.ReadFile(path.Join(from, "cgroup.procs"))
		if err != nil {
			return err
		}
		pids := strings.Fields(string(text))
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			if pid == "0" { // of another PID namespace; to write 0 would move this process
				return fmt.Errorf("%s has a process that cannot be seen from here", from)
			}
			err := writeFile(path.Join(to, "cgroup.procs"), pid)
			if err != nil && !errors.Is(err, unix.ESRCH) { // then it has ended
				return fmt.Errorf("move process %s out of the way: %w", pid, err)
			}
		}
	}
	return nil // enable says what is wrong
}

// Children returns what the processes that this one has waited for have used, where
// there is no group to tell. Of memory it is the largest process's.
func Children() (u cgroup.Usage, err error) {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &r); err != nil {
		return u, os.NewSyscallError("getrusage", err)
	}
	user, system := seconds(r.Utime), seconds(r.Stime)
	// In KiB, and in blocks of 512 bytes (getrusage(2)).
	peak, in, out := r.Maxrss<<10, r.Inblock<<9, r.Oublock<<9
	u = cgroup.Usage{MemoryPeak: &peak, User: &user, System: &system, Read: &in, Written: &out}
	u.Missing = "counted by process: the memory of the largest one, nothing of processes that nobody waited for, and no peak of their number"
	return u, nil
}

func seconds(t unix.Timeval) float64 { return time.Duration(t.Nano()).Seconds() }
