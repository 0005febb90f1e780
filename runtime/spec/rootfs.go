package spec

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/view"
	"github.com/sealift/sealift/starter/plan"
)

// Directories of the session. The root file system is put together from them.
const (
	imageDir = "@image" // where the image server's file system is mounted
	skelDir  = "@skel"  // files and mount points that a sandbox lacks
	upperDir = "@rw/upper"
	workDir  = "@rw/work"
)

// writable is where changes to the root go: two directories of one file
// system, in the session or on the host. The zero value is a read-only root.
type writable struct{ upper, work string }

// served says whether the root comes from the image server, which can show
// what the image lacks.
func (p *planner) served() bool { return p.img.FS != nil && p.img.Kind != image.Sandbox }

// session starts the plan: a tmpfs of at most half of the memory, where
// changes and made-up files live.
func (p *planner) session() []plan.Op {
	return []plan.Op{plan.Do(plan.Session, p.f.SessionDir, "mode=0755,size=50%")}
}

// rootfs returns the operations that come before all mounts, and the entries
// that the image server has to show.
func (p *planner) rootfs(w writable) (ops, shown []plan.Op, err error) {
	ops = p.session()
	switch {
	case p.img.FS == nil:
		ops = p.skeleton(ops, imageDir)
		return append(ops, p.overlay(w, imageDir)...), nil, nil
	case p.img.Kind == image.Sandbox:
		return p.sandbox(ops, w), nil, nil
	case !p.f.Fuse:
		return nil, nil, hint.New("/dev/fuse is missing or not accessible, and the image cannot be mounted without it",
			"ask the administrator to load the fuse module and set mode 0666, or unpack the image into a sandbox directory elsewhere")
	}
	flags := ""
	if p.id.Ranged() || !p.id.User {
		flags = "allow_other"
	}
	if w == (writable{}) && p.layers <= 1 {
		return append(ops, plan.Do(plan.Fuse, "/", flags)), p.extras, nil
	}
	dirs := p.layerDirs()
	for _, dir := range dirs {
		ops = append(ops, plan.Do(plan.Mkdir, dir, "0755"), plan.Do(plan.Fuse, dir, flags))
	}
	return append(ops, p.overlay(w, dirs...)...), p.entries(), nil
}

// layerDirs returns where the layers of the image are mounted, the topmost
// first.
func (p *planner) layerDirs() []string {
	if p.layers <= 1 {
		return []string{imageDir}
	}
	dirs := make([]string, p.layers)
	for i := range dirs {
		dirs[i] = fmt.Sprintf("%s/%d", imageDir, i)
	}
	return dirs
}

// entries returns what the topmost layer has to show. It may lack
// directories that lower ones have: the topmost one's mode is what counts.
func (p *planner) entries() []plan.Op {
	if p.layers <= 1 {
		return p.extras
	}
	var ops []plan.Op
	seen := map[string]bool{}
	for _, op := range p.extras {
		for _, parent := range parents(op.Args[0]) {
			if !seen[parent] {
				seen[parent] = true
				ops = append(ops, plan.Do(plan.Mkdir, parent, p.modeOf(parent)))
			}
		}
		seen[op.Args[0]] = true
		ops = append(ops, op)
	}
	return ops
}

// sandbox puts a root together from a directory. When nothing is missing there,
// it is bound as it is, and replaced files are bound over its own: that works
// on every file system. Otherwise an overlay adds a skeleton.
func (p *planner) sandbox(ops []plan.Op, w writable) []plan.Op {
	dir := p.absolute(p.img.Path)
	if w == (writable{}) && !slices.ContainsFunc(p.extras, p.isNew) {
		ops = append(ops, plan.Do(plan.Bind, dir, "/", readOnly))
		for i, op := range p.extras {
			file := fmt.Sprintf("@files/%d", i)
			ops = append(ops, plan.Do(plan.Write, file, op.Args[1], op.Args[2]),
				plan.Do(plan.Bind, file, op.Args[0], readOnly+",session"))
		}
		return ops
	}
	if len(p.extras) == 0 {
		return append(ops, p.overlay(w, dir)...)
	}
	return append(p.skeleton(ops, skelDir), p.overlay(w, skelDir, dir)...)
}

// isNew says whether an entry is missing in the image itself.
func (p *planner) isNew(op plan.Op) bool {
	if op.Verb != plan.Write {
		return true
	}
	mode, found, err := p.tree.LstatImage(op.Args[0])
	return err != nil || !found || !mode.IsRegular()
}

// skeleton appends operations that make the extra entries below dir. In an
// overlay the topmost directory's mode is what shows, so directories that the
// image has too get their mode from there.
func (p *planner) skeleton(ops []plan.Op, dir string) []plan.Op {
	ops = append(ops, plan.Do(plan.Mkdir, dir, p.modeOf("/")))
	seen := map[string]bool{"/": true}
	for _, op := range p.extras {
		for _, parent := range parents(op.Args[0]) {
			if !seen[parent] {
				seen[parent] = true
				ops = append(ops, plan.Do(plan.Mkdir, dir+parent, p.modeOf(parent)))
			}
		}
		seen[op.Args[0]] = true
		args := slices.Clone(op.Args)
		args[0] = dir + args[0]
		ops = append(ops, plan.Do(op.Verb, args...))
	}
	return ops
}

// modeOf returns the octal permissions of an image directory.
func (p *planner) modeOf(dir string) string {
	if p.img.FS != nil {
		if info, err := p.img.FS.Stat(view.Relative(dir)); err == nil {
			return fmt.Sprintf("%04o", info.Mode().Perm())
		}
	}
	return "0755"
}

// parents lists the directories above a canonical path, topmost first.
func parents(name string) []string {
	var dirs []string
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		dirs = append(dirs, dir)
	}
	slices.Reverse(dirs)
	return dirs
}

// overlay mounts lower directories and w as the root.
func (p *planner) overlay(w writable, lower ...string) []plan.Op {
	var ops []plan.Op
	if strings.HasPrefix(w.upper, "@") {
		ops = append(ops, plan.Do(plan.Mkdir, w.upper, p.modeOf("/")), plan.Do(plan.Mkdir, w.work, "0700"))
	}
	return append(ops, plan.Do(plan.Overlay, "/", plan.JoinDirs(lower...), w.upper, w.work, guarded))
}
