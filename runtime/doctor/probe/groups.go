package probe

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/runtime/doctor"
	"github.com/sealift/sealift/starter/mountinfo"
)

// groups looks at the control groups of this process, and tries to make one in
// each.
func groups(_ context.Context, m *machine) func(*doctor.Findings) {
	list := parseGroups(read("/proc/self/cgroup"))
	table := mounts()
	for i := range list {
		g := &list[i]
		if g.Dir = groupDir(*g, table); g.Dir == "" {
			continue
		}
		if g.Version == 2 {
			g.Controllers = strings.Fields(read(path.Join(g.Dir, "cgroup.controllers")))
		}
		g.Child = tryChild(g.Dir)
	}
	_, err := os.Stat("/run/systemd/system") // sd_booted(3)
	managed := managed(m.Environ)
	return func(f *doctor.Findings) { f.Groups, f.Systemd, f.UserManager = list, err == nil, managed }
}

// parseGroups reads a /proc/PID/cgroup (cgroups(7)). Hierarchies without
// controllers are left out, but for version 2.
func parseGroups(text string) []doctor.Group {
	var list []doctor.Group
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) < 3 || strings.HasPrefix(f[1], "name="):
		case f[1] == "":
			list = append(list, doctor.Group{Version: 2, Path: f[2]})
		default:
			list = append(list, doctor.Group{Version: 1, Path: f[2], Controllers: strings.Split(f[1], ",")})
		}
	}
	return list
}

// groupDir returns the directory of a group, empty if it cannot be seen. Of a
// hierarchy a part may be mounted.
func groupDir(g doctor.Group, table []mountinfo.Mount) string {
	for _, m := range slices.Backward(table) {
		if g.Version == 2 && m.Type != "cgroup2" || g.Version == 1 && m.Type != "cgroup" {
			continue
		}
		if g.Version == 1 && !slices.ContainsFunc(g.Controllers, func(c string) bool { return slices.Contains(strings.Split(path.Base(m.Point), ","), c) }) {
			continue
		}
		rel, err := filepath.Rel(m.Root, g.Path)
		if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
			continue
		}
		dir := path.Join(m.Point, rel)
		if _, err := os.Stat(path.Join(dir, "cgroup.procs")); err == nil { // nothing covers it
			return dir
		}
	}
	return ""
}

// tryChild makes a group in another one, and removes it.
func tryChild(dir string) unix.Errno {
	name, err := os.MkdirTemp(dir, "sealift-doctor-")
	if err != nil {
		return errno(err)
	}
	return errno(os.Remove(name))
}

// managed says that systemd has a manager of this user: its socket is there.
func managed(environ []string) bool {
	for _, kv := range environ {
		if dir, ok := strings.CutPrefix(kv, "XDG_RUNTIME_DIR="); ok && filepath.IsAbs(dir) {
			_, err := os.Stat(filepath.Join(dir, "systemd/private"))
			return err == nil
		}
	}
	return false
}
