package layout

import (
	"fmt"
	"path"
	"slices"

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
type Writable struct {
	Upper, Work string
	// volume is one more than the number of the volume that they are in, or 0.
	volume int
}

// InMemory returns directories of the session: what is in them ends with it.
func InMemory() Writable { return Writable{Upper: "@rw/upper", Work: "@rw/work"} }

// Served says whether the root comes from the image server, which can show
// what the image lacks.
func (l *Layout) Served() bool {
	return l.Image.FS != nil && l.Image.Kind != image.Sandbox && !l.Unpack
}

// session starts the plan: a tmpfs of at most half of the memory, where
// changes and made-up files live.
func (l *Layout) session() []plan.Op {
	size := l.limit()
	if size == "" {
		size = ",size=50%"
	}
	return []plan.Op{plan.Do(plan.Session, l.Facts.SessionDir, "mode=0755"+size)}
}

// Root returns the operations that come before all mounts, and the entries
// that the image server has to show.
func (l *Layout) Root(w Writable) (ops, shown []plan.Op, err error) {
	ops = l.session()
	switch {
	case l.Facts.NoFuse != nil && l.needsFuse():
		return nil, nil, hint.Wrap(fmt.Errorf("images cannot be mounted without /dev/fuse: %w", l.Facts.NoFuse),
			"ask the administrator to load the fuse module and set mode 0666, or unpack the image into a sandbox directory elsewhere")
	case len(l.over) > 0 || w.volume > 0:
		return l.stack(ops, w), nil, nil
	case l.Unpack:
		return l.unpacked(ops, w), nil, nil
	case l.InPlace:
		ops = append(ops, plan.Do(plan.Bind, l.Absolute(l.Image.Path), "/", Guarded))
		return append(ops, bindFiles(l.Extras)...), nil, nil
	case l.Image.FS == nil:
		ops = append(l.skeleton(ops, imageDir, l.Extras), l.upper(w)...)
		return append(ops, l.overlay(w, imageDir)), nil, nil
	case l.Image.Kind == image.Sandbox:
		return l.sandbox(ops, w), nil, nil
	case w == (Writable{}) && l.Layers <= 1:
		l.served = append(l.served, Served{Target: "/", Volume: -1, InRoot: true})
		return append(ops, plan.Do(plan.Fuse, "/", l.fuseFlags())), l.Extras, nil
	}
	mounts, dirs := l.serveImage()
	ops = append(append(ops, mounts...), l.upper(w)...)
	return append(ops, l.overlay(w, dirs...)), l.entries(), nil
}

// needsFuse says whether an image, or a volume, can be had by FUSE only.
func (l *Layout) needsFuse() bool {
	return l.Served() || slices.ContainsFunc(l.Volumes, func(v Volume) bool { return v.Info.Kind != image.Sandbox && !v.Unpack })
}

// unpacked has the root in memory, with what the image lacks. It may be changed then.
func (l *Layout) unpacked(ops []plan.Op, w Writable) []plan.Op {
	mounts, dirs := l.serveImage()
	ops = append(l.skeleton(ops, dirs[0], nil), mounts[1:]...)
	ops = append(ops, l.skeleton(nil, dirs[0], l.Extras)[1:]...)
	flags := ReadOnly
	if w != (Writable{}) {
		flags = Guarded
	}
	return append(ops, plan.Do(plan.Bind, dirs[0], "/", flags+",session"))
}

// serveImage mounts the layers of the image in the session, and returns where they
// are, the topmost first.
func (l *Layout) serveImage() (ops []plan.Op, dirs []string) {
	dirs = l.layerDirs()
	for i, dir := range dirs {
		l.served = append(l.served, Served{Target: dir, Volume: -1, Layer: i, InRoot: true})
		ops = append(ops, plan.Do(plan.Mkdir, dir, "0755"), l.present(dir, l.Unpack))
	}
	return ops, dirs
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
		return append(append(ops, plan.Do(plan.Bind, dir, "/", ReadOnly)), bindFiles(l.Extras)...)
	}
	dirs := []string{dir}
	if len(l.Extras) > 0 {
		ops, dirs = l.skeleton(ops, skelDir, l.Extras), []string{skelDir, dir}
	}
	return append(append(ops, l.upper(w)...), l.overlay(w, dirs...))
}

// bindFiles writes files in the session and binds them on others.
func bindFiles(writes []plan.Op) (ops []plan.Op) {
	for i, op := range writes {
		file := fmt.Sprintf("@files/%d", i)
		ops = append(ops, plan.Do(plan.Write, file, op.Args[1], op.Args[2]),
			plan.Do(plan.Bind, file, op.Args[0], ReadOnly+",session"))
	}
	return ops
}

// isNew says whether an entry is missing in the image itself.
func (l *Layout) isNew(op plan.Op) bool {
	if op.Verb != plan.Write {
		return true
	}
	mode, found, err := l.Tree.LstatImage(op.Args[0])
	return err != nil || !found || !mode.IsRegular()
}

// skeleton appends operations that make entries below dir. In an
// overlay the topmost directory's mode is what shows, so directories that the
// image has too get their mode from there.
func (l *Layout) skeleton(ops []plan.Op, dir string, entries []plan.Op) []plan.Op {
	ops = append(ops, plan.Do(plan.Mkdir, dir, l.modeOf("/")))
	seen := map[string]bool{"/": true}
	for _, op := range entries {
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
func (l *Layout) overlay(w Writable, lower ...string) plan.Op {
	flags := Guarded
	if w.volume > 0 {
		flags += ",own"
	}
	return plan.Do(plan.Overlay, "/", plan.JoinDirs(lower...), w.Upper, w.Work, flags)
}
