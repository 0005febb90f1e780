// Package cgroup decides where a container's control group is and what is written to
// its files. It is pure; runtime/cgroup/control acts on it.
//
// Input: limits, of flags or a file, and facts of the control groups that the caller is
// in. Output: a Plan: groups to make below the caller's own, in version 1, version 2 or
// both, and what their files must hold; or an error that says which limit cannot be had
// and what to ask the administrator for. No limit is ever dropped.
//
// A container stays below its caller, because a batch system accounts for and limits
// what is in the group of a job step. The known libraries do otherwise, and none is
// used: opencontainers/cgroups takes the place as given, ignores what a caller without
// root's powers may not write, and brings a BPF loader with it; containerd/cgroups needs
// D-Bus and the same loader in its core.
package cgroup

import (
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/sealift/sealift/starter/mountinfo"
)

// Group is a control group that this process is in, or one above such (cgroups(7)).
type Group struct {
	// Version is that of its hierarchy, 1 or 2.
	Version int
	// Path is its name in the hierarchy.
	Path string
	// Controllers are what it can limit.
	Controllers []string
	// Dir is its directory, empty where that cannot be seen.
	Dir string
	// Child is the error of making a group in it, and Enter that of putting a process
	// into it or one below; 0 for none.
	Child, Enter syscall.Errno

	// The rest is about version 2.

	// Enabled are the controllers that the groups in it have, Enable the error of
	// changing that.
	Enabled []string
	Enable  syscall.Errno
	// Procs counts its processes, Foreign those of other users among them.
	Procs, Foreign int
	// Top says that it is the root of the hierarchy, which alone may have processes
	// and pass controllers on.
	Top bool
	// Unit says that it is systemd's and was not delegated: systemd may change it.
	Unit bool
	// Parent is the group above, nil where that cannot be seen.
	Parent *Group
}

// Facts is what a Plan depends on.
type Facts struct {
	// Groups are those of the caller, one for each hierarchy.
	Groups []Group
	// Manager says that systemd can be asked for a group of the caller's own.
	Manager bool
	// Job says that a batch system has started the caller.
	Job bool
	// PID is the caller's, for a name that is free.
	PID int
}

// Own reads a /proc/PID/cgroup. Hierarchies without controllers are left out, but for
// version 2.
func Own(text string) []Group {
	var list []Group
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) < 3 || strings.HasPrefix(f[1], "name="):
		case f[1] == "":
			list = append(list, Group{Version: 2, Path: f[2]})
		default:
			list = append(list, Group{Version: 1, Path: f[2], Controllers: strings.Split(f[1], ",")})
		}
	}
	return list
}

// Places returns directories that a group may be seen at, the last mounted first, and
// the mount point of each: nothing above that is a group. Of a hierarchy a part may be
// mounted.
func Places(g Group, table []mountinfo.Mount) (dirs, tops []string) {
	for _, m := range slices.Backward(table) {
		if g.Version == 2 && m.Type != "cgroup2" || g.Version == 1 && m.Type != "cgroup" {
			continue
		}
		if g.Version == 1 && !slices.ContainsFunc(g.Controllers, func(c string) bool { return slices.Contains(strings.Split(m.Super, ","), c) }) {
			continue
		}
		rel, below := strings.CutPrefix(g.Path, strings.TrimSuffix(m.Root, "/"))
		if !below || rel != "" && rel[0] != '/' || slices.Contains(strings.Split(rel, "/"), "..") {
			continue
		}
		dirs, tops = append(dirs, path.Join(m.Point, rel)), append(tops, m.Point)
	}
	return dirs, tops
}

// Leaf is the name of the group that the caller's processes go to, where they are in the
// way of passing controllers on.
const Leaf = "sealift-callers"

// Prefix begins the names of the groups of containers.
const Prefix = "sealift-"
