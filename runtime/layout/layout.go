// Package layout decides where things are in a container that is being planned:
// what its root file system is put together from, what is mounted on it, and
// which mount points and files have to be added.
//
// Input: an image, facts of the host, and what is to be where. Output:
// operations of a plan, in order. It knows no option and no default, and is
// pure: it makes no system call, and looks at files only through the file
// systems that it is given, of which the image's is not trusted.
package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/view"
	"github.com/sealift/sealift/starter/plan"
)

// Layout is what has been decided so far.
type Layout struct {
	Image image.Info
	// Layers is how many SquashFS images lie over each other to make Image, each
	// with a server of its own; 0 is one.
	Layers int
	// Unpack has the files of the image written to memory and not served.
	Unpack bool
	// Volumes are what the container has besides its image, by their number.
	Volumes []Volume
	// Shared says that other users than the one that mounts are to see the files
	// of images.
	Shared bool
	Facts  *host.Facts
	// InPlace says that the image, a directory, is the root as it is and written to.
	InPlace bool
	// Kept says that changes to the root are kept: in the image or in an overlay.
	Kept bool
	// Tree tells what paths lead to, after all that has been decided.
	Tree *view.View
	// Ops are the mounts, in order. They follow the operations of Root.
	Ops []plan.Op
	// Extras are the entries that the image lacks, or that are shown in the place
	// of its own: Mkdir, Mkfile, Write and Symlink.
	Extras []plan.Op
	// Mounters are programs of the container that serve file systems of Ops.
	Mounters []plan.Mounter
	// Notes are remarks for the user, one line each: what was left out.
	Notes []string
	// Left is what is not mounted though it could be.
	Left []LeftOut

	reasons []reason

	served []Served
	over   []int // numbers of the volumes that are laid over the image, the lowest first

	stats map[string]stat // what HostStat has found, by path
}

type stat struct {
	mode fs.FileMode
	err  error
}

// New returns the layout of a container on an image, with nothing mounted. An
// image without FS is an empty root.
func New(img image.Info, f *host.Facts) *Layout {
	return &Layout{Image: img, Facts: f, Tree: view.New(img.FS, f.Root), stats: map[string]stat{}}
}

// Do adds an operation that changes nothing of what paths lead to.
func (l *Layout) Do(v plan.Verb, args ...string) { l.Ops = append(l.Ops, plan.Do(v, args...)) }

// Note adds a remark for the user.
func (l *Layout) Note(format string, args ...any) {
	l.Notes = append(l.Notes, fmt.Sprintf(format, args...))
}

// Flags of mounts. Nothing in a container is set-user-ID, and device nodes
// work only in /dev.
const (
	Guarded  = "nosuid,nodev"
	Noexec   = "nosuid,nodev,noexec"
	ReadOnly = "ro,nosuid,nodev"
	Devices  = "nosuid,noexec"
)

// Bind plans a bind mount of a host path and makes the mount point. With grow,
// missing mount points below it may be made on the host.
func (l *Layout) Bind(source, target, flags string, grow bool) error {
	dir := l.HostIsDir(source)
	target, err := l.Place(target, dir)
	if err != nil {
		return err
	}
	l.Do(plan.Bind, source, target, flags)
	l.Tree.Add(view.Mount{Target: target, From: view.Host, Source: source, Dir: dir, Grow: grow})
	return nil
}

// Tmpfs plans an empty tmpfs with a mode, or with more options (tmpfs(5)).
func (l *Layout) Tmpfs(target, flags, mode string) error {
	target, err := l.Place(target, true)
	if err != nil {
		return err
	}
	data := "mode=" + mode
	if !strings.Contains(mode, "size=") {
		data += l.limit()
	}
	l.Do(plan.Mount, "tmpfs", target, flags, data)
	l.Tree.Add(view.Mount{Target: target, From: view.Memory, Dir: true, Grow: true})
	return nil
}

// limit is the option that keeps a tmpfs to half of the memory that control groups
// allow, where they allow less than there is. The kernel's own default is half of
// what there is.
func (l *Layout) limit() string {
	if l.Facts.MemoryLimit == 0 {
		return ""
	}
	return fmt.Sprintf(",size=%d", l.Facts.MemoryLimit/2)
}

// BindSession plans a bind mount of a directory in the session, and makes both; dir
// has no @. What was there before has to belong to the caller.
func (l *Layout) BindSession(dir, mode, target, flags string) error {
	target, err := l.Place(target, true)
	if err != nil {
		return err
	}
	l.Do(plan.Mkdir, "@"+dir, mode)
	l.Do(plan.Bind, "@"+dir, target, flags+",session,own")
	l.Tree.Add(view.Mount{Target: target, From: view.Memory, Dir: true, Grow: true})
	return nil
}

// Kernel plans a mount of a file system whose content is the kernel's.
func (l *Layout) Kernel(fstype, target, flags, data string) error {
	target, err := l.Place(target, true)
	if err != nil {
		return err
	}
	l.Do(plan.Mount, fstype, target, flags, data)
	l.Tree.Add(view.Mount{Target: target, From: view.Kernel, Dir: true})
	return nil
}

// BindKernel binds a host directory whose content the kernel makes.
func (l *Layout) BindKernel(dir, flags string) error {
	target, err := l.Place(dir, true)
	if err != nil {
		return err
	}
	l.Do(plan.Bind, dir, target, flags)
	l.Tree.Add(view.Mount{Target: target, From: view.Kernel, Dir: true})
	return nil
}

// ErrNoPoint says that the image lacks a mount point, and none is made as the image is
// written to.
var ErrNoPoint = errors.New("it does not exist in the image, which --writable leaves as it is")

// Place makes sure that target, where a directory or a file is about to be
// mounted, exists as such, and returns its canonical path.
func (l *Layout) Place(target string, dir bool) (string, error) {
	at, err := l.Tree.Resolve(target)
	if err != nil {
		return "", hint.Wrap(fmt.Errorf("mount on %s: %w", target, err), "choose another target path")
	}
	if at.Path == "/" {
		return "", hint.New(fmt.Sprintf("mount on %s: it leads to / in the container, all of which that would hide", target), "choose another target path")
	}
	if at.Found {
		if at.Mode.IsDir() != dir {
			return "", hint.New(fmt.Sprintf("mount on %s: it is %s in the container, but the source is %s",
				target, kindOf(at.Mode.IsDir()), kindOf(dir)), "choose a target that is %s or does not exist", kindOf(dir))
		}
		return at.Path, nil
	}
	op, mode := plan.Do(plan.Mkfile, at.Path, "0644"), fs.FileMode(0o644)
	if dir {
		op, mode = plan.Do(plan.Mkdir, at.Path, "0755"), fs.ModeDir|0o755
	}
	switch m := l.Tree.Governing(at.Path); {
	case m.From == view.Image && l.InPlace:
		return "", hint.Wrap(fmt.Errorf("mount on %s: %w", target, ErrNoPoint), "make it there first, or leave out --writable")
	case m.From == view.Image:
		l.Extras = append(l.Extras, op)
	case m.Grow:
		l.Ops = append(l.Ops, op)
	case m.From == view.Host:
		return "", hint.New(fmt.Sprintf("mount on %s: it does not exist in %s, which comes from the host", target, m.Target),
			"create %s on the host first, or choose another target", m.SourcePath(at.Path))
	case m.From == view.Volume:
		return "", hint.New(fmt.Sprintf("mount on %s: it does not exist in %s, which comes from an image", target, m.Target),
			"choose another target")
	default:
		return "", hint.New(fmt.Sprintf("mount on %s: it does not exist in %s, which comes from the kernel", target, m.Target),
			"choose another target")
	}
	l.Tree.Make(at.Path, mode)
	return at.Path, nil
}

func kindOf(dir bool) string {
	if dir {
		return "a directory"
	}
	return "a file"
}

// HostStat returns the type of a host path, following symbolic links.
func (l *Layout) HostStat(name string) (fs.FileMode, error) {
	found, known := l.stats[name]
	if !known {
		info, err := fs.Stat(l.Facts.Root, view.Relative(name))
		if found.err = err; err == nil {
			found.mode = info.Mode()
		}
		l.stats[name] = found
	}
	return found.mode, found.err
}

// HostIsDir says whether a host path leads to a directory.
func (l *Layout) HostIsDir(name string) bool {
	mode, err := l.HostStat(name)
	return err == nil && mode.IsDir()
}

// HostExists says whether a host path leads to anything.
func (l *Layout) HostExists(name string) bool {
	_, err := l.HostStat(name)
	return err == nil
}

// Absolute makes a host path absolute as the caller sees it.
func (l *Layout) Absolute(name string) string { return bind.Absolute(name, l.Facts.Cwd) }
