package spec

import (
	"fmt"
	"io/fs"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/identity"
	"github.com/sealift/sealift/runtime/view"
	"github.com/sealift/sealift/starter/plan"
)

// planner collects the operations of one plan.
type planner struct {
	req  Request
	f    *host.Facts
	img  image.Info
	id   identity.Identity
	tree *view.View

	ops    []plan.Op // mounts, in order
	extras []plan.Op // entries the image lacks or has replaced
	notes  []string
	bound  []string // targets of the user's binds

	emulation string // of root, by the operation Emulate
	under     string // where, or empty for everywhere
	fileFlags string // of the mounts of the host's files in /etc
	layers    int    // of the image; 0 is one
}

func newPlanner(r Request, f *host.Facts, img image.Info) *planner {
	return &planner{req: r, f: f, img: img, tree: view.New(img.FS, f.Root), fileFlags: guarded}
}

func (p *planner) do(v plan.Verb, args ...string) { p.ops = append(p.ops, plan.Do(v, args...)) }

func (p *planner) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// Flags of mounts. Nothing in a container is set-user-ID, and device nodes
// work only in /dev.
const (
	guarded  = "nosuid,nodev"
	noexec   = "nosuid,nodev,noexec"
	readOnly = "ro,nosuid,nodev"
	devices  = "nosuid,noexec"
)

// bind plans a bind mount of a host path and makes the mount point.
func (p *planner) bind(source, target, flags string, grow bool) error {
	dir := p.hostIsDir(source)
	target, err := p.place(target, dir)
	if err != nil {
		return err
	}
	p.do(plan.Bind, source, target, flags)
	p.tree.Add(view.Mount{Target: target, From: view.Host, Source: source, Dir: dir, Grow: grow})
	return nil
}

// tmpfs plans an empty tmpfs.
func (p *planner) tmpfs(target, flags, mode string) error {
	target, err := p.place(target, true)
	if err != nil {
		return err
	}
	p.do(plan.Mount, "tmpfs", target, flags, "mode="+mode)
	p.tree.Add(view.Mount{Target: target, From: view.Memory, Dir: true, Grow: true})
	return nil
}

// kernel plans a mount of a file system whose content is the kernel's.
func (p *planner) kernel(fstype, target, flags, data string) error {
	target, err := p.place(target, true)
	if err != nil {
		return err
	}
	p.do(plan.Mount, fstype, target, flags, data)
	p.tree.Add(view.Mount{Target: target, From: view.Kernel, Dir: true})
	return nil
}

// place makes sure that target, where a directory or a file is about to be
// mounted, exists as such, and returns its canonical path.
func (p *planner) place(target string, dir bool) (string, error) {
	at, err := p.tree.Resolve(target)
	if err != nil {
		return "", hint.Wrap(fmt.Errorf("mount on %s: %w", target, err), "choose another target path")
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
	switch m := p.tree.Governing(at.Path); {
	case m.From == view.Image:
		p.extras = append(p.extras, op)
	case m.Grow:
		p.ops = append(p.ops, op)
	case m.From == view.Host:
		return "", hint.New(fmt.Sprintf("mount on %s: it does not exist in %s, which comes from the host", target, m.Target),
			"create %s on the host first, or choose another target", m.HostPath(at.Path))
	default:
		return "", hint.New(fmt.Sprintf("mount on %s: it does not exist in %s, which comes from the kernel", target, m.Target),
			"choose another target")
	}
	p.tree.Make(at.Path, mode)
	return at.Path, nil
}

func kindOf(dir bool) string {
	if dir {
		return "a directory"
	}
	return "a file"
}

// hostStat returns the type of a host path, following symbolic links.
func (p *planner) hostStat(name string) (fs.FileMode, error) {
	info, err := fs.Stat(p.f.Root, view.Relative(name))
	if err != nil {
		return 0, err
	}
	return info.Mode(), nil
}

func (p *planner) hostIsDir(name string) bool {
	mode, err := p.hostStat(name)
	return err == nil && mode.IsDir()
}

func (p *planner) hostExists(name string) bool {
	_, err := p.hostStat(name)
	return err == nil
}
