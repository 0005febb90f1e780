package layout

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/layered"
	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/view"
	"github.com/sealift/sealift/starter/plan"
)

// Directory is what is known of a directory that is laid over an image.
type Directory struct {
	// Upper says that it has a directory upper, which holds the files; without, and
	// where nothing is to be written, it does so itself.
	Upper bool
	// Owner is the user that it belongs to.
	Owner uint32
	// Closed says that the caller may not write to it, ReadOnly that nobody may: its
	// file system is mounted so.
	Closed, ReadOnly bool
}

// OverlayWant returns the volume that an overlay is.
func OverlayWant(o bind.Overlay) Want {
	return Want{Path: o.Path, Use: image.Layer, Write: !o.ReadOnly}
}

// LayOver has volumes laid over the image: those of its own file, and overlays in
// their order. It returns where changes go, if that is one of them. It must be called
// before anything is placed.
func (l *Layout) LayOver(overlays []bind.Overlay) (w Writable, err error) {
	for n, v := range l.Volumes {
		if v.Own {
			if err := l.layExt(n); err != nil {
				return w, err
			}
			l.over = append(l.over, n)
		}
	}
	writable := -1
	for _, o := range overlays {
		want := OverlayWant(o)
		for n, v := range l.Volumes {
			if v.Own || v.Want != want {
				continue
			}
			write, err := l.writes(&v)
			switch {
			case err != nil:
				return w, err
			case !write:
				if err := l.layExt(n); err != nil {
					return w, err
				}
				l.over = append(l.over, n)
			case writable >= 0:
				return w, hint.New(fmt.Sprintf("the overlays %s and %s are both to be written to", l.Volumes[writable].Path, v.Path),
					"let one be read-only: --overlay %s:ro", v.Path)
			default:
				writable, l.Kept = n, true
				w = Writable{Upper: volumeDir(n) + "/upper", Work: volumeDir(n) + "/work", volume: n + 1}
			}
		}
	}
	l.look(writable)
	return w, nil
}

// writes says whether changes can go to a volume that was given to be written to.
func (l *Layout) writes(v *Volume) (bool, error) {
	switch d := v.Directory; {
	case !v.Write || v.Info.Kind != image.Sandbox:
		return false, nil
	case d.ReadOnly:
		l.Note("overlay %s is on a read-only file system, and is not written to", v.Path)
		return false, nil
	case d.Owner != l.Facts.UID:
		return false, hint.New(fmt.Sprintf("--overlay %s: it belongs to the user %d: what its owner put there would run as you", v.Path, d.Owner),
			"use a directory of your own; or give %s:ro if you trust its owner", v.Path)
	case d.Closed:
		return false, hint.New(fmt.Sprintf("--overlay %s: you may not write to it", v.Path), "give %s:ro, or make it writable", v.Path)
	}
	return true, nil
}

// look has the tree show what is laid over the image, and over that the volume with
// the number top, -1 for none.
func (l *Layout) look(top int) {
	numbers := slices.Clone(l.over)
	if top >= 0 {
		numbers = append(numbers, top)
	}
	var layers []image.FS
	for _, n := range slices.Backward(numbers) {
		if files := l.Volumes[n].Info.FS; files != nil {
			layers = append(layers, files)
		}
	}
	if len(layers) == 0 {
		return
	}
	if l.Image.FS != nil {
		layers = append(layers, l.Image.FS)
	}
	l.Image.FS = layered.New(layers...)
	l.Tree = view.New(l.Image.FS, l.Facts.Root)
}

// overlays returns the operations that mount what is laid over the image, and the
// directories of an overlayfs that this makes, the topmost first.
func (l *Layout) overlays() (ops []plan.Op, dirs []string) {
	for _, n := range l.over {
		v := l.Volumes[n]
		switch {
		case v.Info.Kind == image.Ext3:
			ops = append(ops, l.serve(n)...)
			dirs = append(dirs, volumeDir(n)+"/upper") // as the peers make them
		case v.Info.Kind != image.Sandbox:
			ops = append(ops, l.serve(n)...)
			dirs = append(dirs, volumeDir(n))
		case v.Directory.Upper:
			dirs = append(dirs, v.Info.Path+"/upper")
		default:
			dirs = append(dirs, v.Info.Path)
		}
	}
	slices.Reverse(dirs)
	return ops, dirs
}

// upper returns the operations that get the directories for changes ready.
func (l *Layout) upper(w Writable) []plan.Op {
	var ops []plan.Op
	if w.volume > 0 {
		dir := volumeDir(w.volume - 1)
		ops = append(ops, plan.Do(plan.Mkdir, dir, "0755"), plan.Do(plan.Bind, l.Volumes[w.volume-1].Info.Path, dir, Guarded))
	}
	if strings.HasPrefix(w.Upper, "@") {
		ops = append(ops, plan.Do(plan.Mkdir, w.Upper, l.modeOf("/")), plan.Do(plan.Mkdir, w.Work, "0700"))
	}
	return ops
}

// stack puts the root together from what is laid over the image. Mount points are
// in a skeleton above all that is only read; where changes that were kept hide one,
// it is made again. Files that replace others are bound on those that changes hold.
func (l *Layout) stack(ops []plan.Op, w Writable) []plan.Op {
	dirs := []string{l.Absolute(l.Image.Path)}
	if l.Served() || l.Unpack {
		var mounts []plan.Op
		mounts, dirs = l.serveImage()
		ops = append(ops, mounts...)
	}
	mounts, over := l.overlays()
	ops = append(append(ops, mounts...), l.upper(w)...)
	var points, files []plan.Op
	for _, op := range l.Extras {
		if op.Verb == plan.Write && l.changed(w, op.Args[0]) {
			files = append(files, op)
		} else {
			points = append(points, op)
		}
	}
	dirs = append(over, dirs...)
	if len(points) > 0 {
		ops = l.skeleton(ops, skelDir, points)
		dirs = append([]string{skelDir}, dirs...)
	}
	ops = append(ops, l.overlay(w, dirs...))
	for _, op := range points {
		if w.volume > 0 && op.Verb != plan.Write && op.Verb != plan.Symlink {
			ops = append(ops, op)
		}
	}
	return append(ops, bindFiles(files)...)
}

// changed says whether the changes that were kept have a file of their own. A
// whiteout is none: what was removed stays so.
func (l *Layout) changed(w Writable, name string) bool {
	if w.volume == 0 {
		return false
	}
	files := l.Volumes[w.volume-1].Info.FS
	if files == nil {
		return false
	}
	info, err := files.Lstat(view.Relative(name))
	return err == nil && info.Mode().IsRegular()
}
