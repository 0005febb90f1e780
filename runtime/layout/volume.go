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

// Want names a file system that a container has besides that of its image.
type Want struct {
	Path string // absolute, on the host
	Use  image.Use
	ID   uint32 // of the partition of a SIF file, 0 where nobody chose one
	// Write says that it is to be written to.
	Write bool
}

// Volume is one that was wanted and is there.
type Volume struct {
	Want
	// Own says that the image's own file holds it.
	Own bool
	// Info is what is known of it. Without FS it is an empty directory. The Path of
	// what is a directory (image.Sandbox) is where that is, be it what an image was
	// unpacked to.
	Info image.Info
	// Unpack has its files written to memory and not served.
	Unpack bool
	// Offset is where in its file an ext3 file system begins, in bytes.
	Offset int64
	// Directory is about one that is a directory (image.Sandbox).
	Directory Directory

	program []string // that serves an ext3 file system
}

// volumeDir returns where the volume with a number is mounted in the session.
func volumeDir(n int) string { return fmt.Sprintf("@volumes/%d", n) }

// Served is a directory of the container that files of an image are for.
type Served struct {
	// Target is that of the plan's operation Fuse or Fill.
	Target string
	// Volume is the number of the volume that is shown, or -1 for the image, of
	// which it is the layer with this number, the topmost being 0.
	Volume, Layer int
	// InRoot says that the root is made of it.
	InRoot bool
	// Program, unless empty, is the command line of the program of the host that
	// serves it: a volume, or for -1 what the program has itself.
	Program []string
}

// Serves returns what the operations Fuse and Fill are for, that were planned so far.
func (l *Layout) Serves() []Served { return l.served }

// volume returns the number of the first volume for w.
func (l *Layout) volume(w Want) (int, error) {
	n := slices.IndexFunc(l.Volumes, func(v Volume) bool { return v.Want == w })
	if n < 0 {
		return 0, fmt.Errorf("%s was not opened", w.Path)
	}
	return n, nil
}

// BindPart plans a bind mount of what a path leads to in a volume, and makes the
// mount point.
func (l *Layout) BindPart(w Want, part, target, flags string) error {
	n, err := l.volume(w)
	if err != nil {
		return err
	}
	files := l.Volumes[n].Info.FS
	if l.Volumes[n].Info.Kind == image.Ext3 {
		return l.bindExt(n, part, target, flags)
	}
	at, err := view.New(files, l.Facts.Root).Resolve(part)
	if err != nil {
		return hint.Wrap(fmt.Errorf("%s of the image %s: %w", part, w.Path, err), "choose another path in the image")
	}
	if !at.Found {
		return hint.New(fmt.Sprintf("the image %s has no %s", w.Path, part), "'sealift image ls' shows what it has")
	}
	if target, err = l.Place(target, at.Mode.IsDir()); err != nil {
		return err
	}
	if l.Volumes[n].Info.Kind == image.Sandbox {
		l.Do(plan.Bind, path.Join(l.Volumes[n].Info.Path, at.Path), target, flags)
	} else {
		l.serveOnce(n)
		l.Do(plan.Bind, path.Join(volumeDir(n), at.Path), target, flags+",session")
	}
	l.Tree.Add(view.Mount{Target: target, From: view.Volume, Source: at.Path, Dir: at.Mode.IsDir(), Files: files})
	return nil
}

// serveOnce mounts the volume with a number unless it is.
func (l *Layout) serveOnce(n int) {
	if !slices.ContainsFunc(l.served, func(s Served) bool { return s.Volume == n }) {
		l.Ops = append(l.Ops, l.serve(n)...)
	}
}

// serve mounts the volume with a number.
func (l *Layout) serve(n int) []plan.Op {
	dir, v := volumeDir(n), &l.Volumes[n]
	l.served = append(l.served, Served{Target: dir, Volume: n, InRoot: v.Use == image.Layer, Program: v.program})
	op := l.present(dir, v.Unpack)
	if v.program != nil {
		op = plan.Do(plan.Fuse, dir, l.fuseFlags("wait"))
	}
	return []plan.Op{plan.Do(plan.Mkdir, dir, "0755"), op}
}

// present has files of an image appear in a directory.
func (l *Layout) present(dir string, unpack bool) plan.Op {
	if unpack {
		return plan.Do(plan.Fill, dir)
	}
	return plan.Do(plan.Fuse, dir, l.fuseFlags())
}

// fuseFlags are those of every FUSE file system, and more.
func (l *Layout) fuseFlags(more ...string) string {
	if l.Shared {
		more = append(more, "allow_other")
	}
	return strings.Join(more, ",")
}
