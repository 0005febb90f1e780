package layout

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
)

// Writable is where changes to the root go: two directories of one file
// system, in the session or on the host. The zero value is a read-only root.
type Writable struct{ Upper, Work string }

// InMemory returns directories of the session: what is in them ends with it.
func InMemory() Writable { return Writable{"@rw/upper", "@rw/work"} }

// Served says whether the root comes from the image server, which can show
// what the image lacks.
func (l *Layout) Served() bool { return l.Image.FS != nil && l.Image.Kind != image.Sandbox }

// session starts the plan: a tmpfs of at most half of the memory, where
// changes and made-up files live.
func (l *Layout) session() []plan.Op {
	return []plan.Op{plan.Do(plan.Session, l.Facts.SessionDir, "mode=0755,size=50%")}
}

// Root returns the operations that come before all mounts, and the entries
// that the image server has to show. With shared, other users than the one that
// mounts are to see the files.
func (l *Layout) Root(w Writable, shared bool) (ops, shown []plan.Op, err error) {
	ops = l.session()
	switch {
	case l.Image.FS == nil:
		ops = l.skeleton(ops, imageDir)
		return append(ops, l.overlay(w, imageDir)...), nil, nil
	case l.Image.Kind == image.Sandbox:
		return l.sandbox(ops, w), nil, nil
	case !l.Facts.Fuse:
		return nil, nil, hint.New("/dev/fuse is missing or not accessible, and the image cannot be mounted without it",
			"ask the administrator to load the fuse module and set mode 0666, or unpack the image into a sandbox directory elsewhere")
	}
	flags := ""
	if shared {
		flags = "allow_other"
	}
	if w == (Writable{}) && l.Layers <= 1 {
		return append(ops, plan.Do(plan.Fuse, "/", flags)), l.Extras, nil
	}
	dirs := l.layerDirs()
	for _, dir := range dirs {
		ops = append(ops, plan.Do(plan.Mkdir, dir, "0755"), plan.Do(plan.Fuse, dir, flags))
	}
	return append(ops, l.overlay(w, dirs...)...), l.entries(), nil
}

// layerDirs returns where the layers of the image are mounted, the topmost
// first.
func (l *Layout) layerDirs() []string {
	if l.Layers <= 1 {
		return []string{imageDir}
	}
	dirs := make([]string, l.Layers)
	for i := range dirs {
		dirs[i] = fmt.Sprintf("%s/%d", imageDir, i)
	}
	return dirs
}

// entries returns what the topmost layer has to show. It may lack
// directories that lower ones have: the topmost one's mode is what counts.
func (l *Layout) entries() []plan.Op {
	if l.Layers <= 1 {
		return l.Extras
	}
	var ops []plan.Op
	seen := map[string]bool{}
	for _, op := range l.Extras {
		for _, parent := range parents(op.Args[0]) {
			if !seen[parent] {
				seen[parent] = true
				ops = append(ops, plan.Do(plan.Mkdir, parent, l.modeOf(parent)))
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
func (l *Layout) sandbox(ops []plan.Op, w Writable) []plan.Op {
	dir := l.Absolute(l.Image.Path)
	if w == (Writable{}) && !slices.ContainsFunc(l.Extras, l.isNew) {
		ops = append(ops, plan.Do(plan.Bind, dir, "/", ReadOnly))
		for i, op := range l.Extras {
			file := fmt.Sprintf("@files/%d", i)
			ops = append(ops, plan.Do(plan.Write, file, op.Args[1], op.Args[2]),
				plan.Do(plan.Bind, file, op.Args[0], ReadOnly+",session"))
		}
		return ops
	}
	if len(l.Extras) == 0 {
		return append(ops, l.overlay(w, dir)...)
	}
	return append(l.skeleton(ops, skelDir), l.overlay(w, skelDir, dir)...)
}

// isNew says whether an entry is missing in the image itself.
func (l *Layout) isNew(op plan.Op) bool {
	if op.Verb != plan.Write {
		return true
	}
	mode, found, err := l.Tree.LstatImage(op.Args[0])
	return err != nil || !found || !mode.IsRegular()
}

// skeleton appends operations that make the extra entries below dir. In an
// overlay the topmost directory's mode is what shows, so directories that the
// image has too get their mode from there.
func (l *Layout) skeleton(ops []plan.Op, dir string) []plan.Op {
	ops = append(ops, plan.Do(plan.Mkdir, dir, l.modeOf("/")))
	seen := map[string]bool{"/": true}
	for _, op := range l.Extras {
		for _, parent := range parents(op.Args[0]) {
			if !seen[parent] {
				seen[parent] = true
				ops = append(ops, plan.Do(plan.Mkdir, dir+parent, l.modeOf(parent)))
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
func (l *Layout) modeOf(dir string) string {
	if l.Image.FS != nil {
		if info, err := l.Image.FS.Stat(view.Relative(dir)); err == nil {
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
func (l *Layout) overlay(w Writable, lower ...string) []plan.Op {
	var ops []plan.Op
	if strings.HasPrefix(w.Upper, "@") {
		ops = append(ops, plan.Do(plan.Mkdir, w.Upper, l.modeOf("/")), plan.Do(plan.Mkdir, w.Work, "0700"))
	}
	return append(ops, plan.Do(plan.Overlay, "/", plan.JoinDirs(lower...), w.Upper, w.Work, Guarded))
}
