package mounts

import (
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/sealift/sealift/gpu/plan"
	"github.com/sealift/sealift/runtime/layout"
	"github.com/sealift/sealift/runtime/view"
)

// driverDirs has the directories of the host that links to files of drivers lead
// into. No program looks for libraries there.
const driverDirs = "/.singularity.d/driver"

// several files of one directory take longer to mount one by one than the directory
// does. A driver has dozens in one.
const several = 4

// linked shows libraries of drivers, where a directory of the host has several, by links
// into that directory, which is mounted once. Nothing but these links leads there, so
// that a program finds no other library of the host. It returns the files that have to
// be mounted.
func (p *Planner) linked(binds []plan.Bind) (rest []plan.Bind) {
	p.expect(binds)
	points := make([]string, len(binds))
	count, at := map[string]int{}, map[string]string{}
	for i, b := range binds {
		if !b.Linkable || !b.ReadOnly || b.NoExec {
			continue
		}
		if point, ok := p.AliasPoint(b.Target); ok && p.shows(path.Dir(b.Source)) {
			points[i] = point
			count[path.Dir(b.Source)]++
		}
	}
	for i, b := range binds {
		dir, name := path.Split(b.Source)
		dir = path.Clean(dir)
		if points[i] == "" || count[dir] < several {
			rest = append(rest, b)
			continue
		}
		if _, known := at[dir]; !known {
			at[dir] = p.driverDir(dir, len(at))
		}
		if at[dir] == "" {
			rest = append(rest, b)
			continue
		}
		p.AliasAt(points[i], path.Join(at[dir], name))
	}
	return rest
}

// expect lists directories of the image in which many names are about to be looked up:
// an image that has listed a large one looks them up more quickly than one by one.
func (p *Planner) expect(binds []plan.Bind) {
	count := map[string]int{}
	for _, b := range binds {
		dir := path.Dir(b.Target)
		if count[dir]++; count[dir] != several || p.Image.FS == nil {
			continue
		}
		if at, err := p.Tree.Resolve(dir); err == nil && at.Found && at.Mode.IsDir() {
			_, _ = fs.ReadDir(p.Image.FS, view.Relative(at.Path)) // what is wrong with it, each name tells
		}
	}
}

// systemDirs have programs and libraries of the host: what its users share anyway.
var systemDirs = []string{"/usr", "/lib", "/lib64", "/opt"}

// shows says whether all of a directory of the host may be in the container: others
// may have more in them than a driver.
func (p *Planner) shows(dir string) bool {
	return slices.ContainsFunc(systemDirs, func(s string) bool { return view.Within(dir, s) && dir != s })
}

// driverDir mounts a directory of the host, and returns where; empty is nowhere.
func (p *Planner) driverDir(dir string, n int) string {
	target := fmt.Sprintf("%s/%d", driverDirs, n)
	if p.Bind(dir, target, layout.ReadOnly, false) != nil {
		return ""
	}
	at, err := p.Tree.Resolve(target)
	if err != nil {
		return ""
	}
	return at.Path
}
