package doctor

import (
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/sealift/sealift/runtime/cgroup"
)

func (f *Findings) cgroup() Check {
	visible := slices.DeleteFunc(slices.Clone(f.Groups), func(g cgroup.Group) bool { return g.Dir == "" })
	c := Check{State: Absent, Effect: "a single container's memory, processors and processes cannot be limited"}
	if len(visible) == 0 {
		c.Found = "no control groups can be seen in /sys/fs/cgroup"
		c.Fix = asRoot("mount -t cgroup2 cgroup2 /sys/fs/cgroup")
		return c
	}
	own := ownGroup(visible)
	where := fmt.Sprintf("%s; in %s ", versions(visible), own.Dir)
	facts := cgroup.Facts{Groups: visible, Manager: f.UserManager}
	switch usable, errno := facts.Usable(); {
	case len(usable) > 0:
		return works("%sgroups can be made, with %s", where, strings.Join(usable, ", "))
	case len(facts.Askable()) > 0:
		return works("%snone can be made, but systemd makes them, with %s", where, strings.Join(facts.Askable(), ", "))
	case errno == 0:
		c.Found = where + "groups can be made, but without controllers"
		c.Fix = f.delegate(own)
	case errno == syscall.EROFS:
		c.Found = where + "no groups can be made: it is read-only"
		c.Fix = "start the container that this runs in with --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw (Docker, Podman)"
	default:
		c.Found = fmt.Sprintf("%sno groups can be made: %v", where, errno)
		c.Fix = f.delegate(own)
	}
	return c
}

// delegate gives the caller a group.
func (f *Findings) delegate(own cgroup.Group) string {
	const scope = "systemd-run --user --scope -p Delegate=yes sealift exec …"
	switch {
	case f.variable("SLURM_JOB_ID") != "":
		return "have Slurm limit the step that the container runs in: srun --mem=4G --cpus-per-task=2 sealift exec …"
	case f.UserManager:
		return scope
	case f.Systemd:
		return asRoot("loginctl enable-linger %s", f.user()) + "\nthen log in again, and: " + scope
	}
	top := strings.TrimSuffix(own.Dir, own.Path)
	if own.Version == 1 {
		return asRoot("cd %s && mkdir %s && chown -R %[2]s %[2]s && echo PID >%[2]s/cgroup.procs, with the number of your shell", top, f.user())
	}
	// What belongs to whom is that of systemd's delegation; a group that has
	// processes gives no controllers to those below it (cgroups(7)).
	return asRoot("cd %s && echo +cpu +memory +pids >cgroup.subtree_control && mkdir %s && cd %[2]s && "+
		"chown %[2]s . cgroup.procs cgroup.threads cgroup.subtree_control && echo PID >cgroup.procs, with the number of your shell", top, f.user())
}

// ownGroup is the group to name: one that can limit memory, or that of version 2.
func ownGroup(groups []cgroup.Group) cgroup.Group {
	for _, fits := range []func(cgroup.Group) bool{
		func(g cgroup.Group) bool { return slices.Contains(g.Controllers, "memory") },
		func(g cgroup.Group) bool { return g.Version == 2 },
	} {
		if i := slices.IndexFunc(groups, fits); i >= 0 {
			return groups[i]
		}
	}
	return groups[0]
}

func versions(groups []cgroup.Group) string {
	one := slices.ContainsFunc(groups, func(g cgroup.Group) bool { return g.Version == 1 })
	two := slices.ContainsFunc(groups, func(g cgroup.Group) bool { return g.Version == 2 })
	switch {
	case one && two:
		return "versions 1 and 2"
	case one:
		return "version 1"
	}
	return "version 2"
}
