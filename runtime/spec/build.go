package spec

import (
	"errors"
	"fmt"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/environ"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/identity"
	"github.com/sealift/sealift/runtime/layout"
	"github.com/sealift/sealift/runtime/mounts"
	"github.com/sealift/sealift/runtime/shell"
	"github.com/sealift/sealift/starter/plan"
)

// BuildRequest is one program to run on the way to a new image. It runs as
// root: real root as itself, anyone else as root of a user namespace that maps
// the caller alone.
type BuildRequest struct {
	// Base is the image built on. Without FS the root starts out empty.
	Base image.Info
	// Layers is how many SquashFS images lie over each other to make Base,
	// each with a server of its own (Container.Served).
	Layers int
	// Upper and Work are absolute host directories of one file system:
	// the changes end up in Upper, the mode of which is the root directory's;
	// Work is overlayfs's own. Both may be empty: the root is read-only then.
	Upper, Work string
	// Mount, when set, leaves the program in the host's file system, with the
	// root mounted on this absolute host directory.
	Mount string
	// ReadOnly leaves a program with Mount nothing to change but the root, Tmp
	// and the host's /tmp, /var/tmp and /dev/shm.
	ReadOnly bool
	// Tmp is a host directory shown as /tmp and /var/tmp; empty means an empty
	// tmpfs each. With Mount, it stays where it is, and may be empty.
	Tmp string
	// Binds and Mounts are values of --bind and --mount, with relative sources
	// in BindDir. They are not for programs in the host's file system.
	Binds, Mounts []string
	BindDir       string
	// Attached are mounted last; one without a source is a tmpfs.
	Attached []bind.Attached
	// Bare leaves out what is not the image's or the caller's of this request:
	// environment scripts, and file systems on /tmp and /var/tmp.
	Bare bool
	// NoNetwork gives the program a network namespace without any interface
	// that is up.
	NoNetwork bool
	// User, unless nil, is who the program is instead of root.
	User *plan.User
	// WritableTmpfs allows changes to a read-only root, and loses them.
	WritableTmpfs bool
	// Emulation is what root seems to be able to do: to any file, or with Mount
	// to those of the root. A program with Mount goes without it where the
	// kernel allows nothing but calls that only seem to succeed.
	Emulation identity.Emulation
	// Test runs the image's test script; Args are its arguments then.
	Test bool
	// Args is the command line.
	Args []string
	// Env is the whole environment, NAME=value. The image's environment
	// scripts apply over it, unless Mount is set.
	Env []string
	// Dir is the working directory of the program; empty means /.
	Dir string
}

// ComputeBuild plans the container that b asks for.
func ComputeBuild(b BuildRequest, f *host.Facts) (*Container, error) {
	alone := *f
	alone.SubUIDs, alone.SubGIDs = nil, nil
	r := Request{
		Action: Exec, Args: b.Args, Fakeroot: true, Binds: b.Binds, Mounts: b.Mounts, NoHome: true, Pwd: b.Dir,
		NoMount: []string{"cwd", "tmp", "/etc/localtime"},
	}
	if b.Test {
		r.Action = Test
	}
	p := &planner{Layout: layout.New(b.Base, &alone), req: r}
	p.Layers = b.Layers
	if err := p.check(); err != nil {
		return nil, err
	}
	w := layout.Writable{Upper: b.Upper, Work: b.Work}
	if (w.Upper == "") != (w.Work == "") || (w == layout.Writable{} && b.Base.FS == nil) {
		return nil, hint.New("a build needs a place for its changes", "give both the upper and the work directory")
	}
	var err error
	if p.emulation, err = p.id.Emulation(b.Emulation, f); err != nil {
		return nil, err
	}
	if b.Mount != "" {
		return p.onHost(&b, w)
	}
	if err := p.id.Become(b.User, p.emulation); err != nil {
		return nil, err
	}
	if err := p.buildMounts(&b); err != nil {
		return nil, err
	}
	args, err := p.command()
	if err != nil {
		return nil, err
	}
	env := b.Env
	if !b.Bare {
		if args, env, err = p.buildEnvironment(args, env); err != nil {
			return nil, err
		}
	}
	if b.WritableTmpfs && w == (layout.Writable{}) {
		w = layout.InMemory()
	}
	c, err := p.container(w, b.process(args, env))
	if err == nil {
		c.Plan.Clone.Net = b.NoNetwork
	}
	return c, err
}

// buildMounts plans the mounts of a build: those of any container, but nothing
// of the caller's own; relative sources of binds start in BindDir.
func (p *planner) buildMounts(b *BuildRequest) error {
	binds, err := bind.Both(p.req.Binds, p.req.Mounts, b.BindDir)
	if err != nil {
		return err
	}
	for _, bound := range binds {
		if _, ok := mounts.Want(bound); ok {
			return hint.New(fmt.Sprintf("--bind %s: a build binds no parts of images", bound.Source), "unpack the image first: sealift image unpack")
		}
	}
	for _, target := range []string{"/tmp", "/var/tmp"} {
		switch {
		case b.Bare:
		case b.Tmp == "":
			err = p.Tmpfs(target, layout.Guarded, "1777")
		default:
			err = p.Bind(b.Tmp, target, layout.Guarded, true)
		}
		if err != nil {
			return err
		}
	}
	wish := p.req.mounts(binds)
	wish.Protected = true // real root's %post must not edit the host's
	p.mounts = mounts.New(p.Layout, wish, &p.id)
	if err := p.mounts.All(); err != nil {
		return err
	}
	for _, m := range b.Attached {
		if err := p.buildMount(m); err != nil {
			return err
		}
	}
	p.guardKernel()
	return nil
}

// kernelFiles are what makes settings of the whole machine, and is not of a
// namespace: sysctls, the key of last resort, devices.
var kernelFiles = []string{"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/sys"}

// guardKernel keeps a script of real root from changing the machine that builds,
// as the kernel keeps others.
func (p *planner) guardKernel() {
	if p.id.User {
		return
	}
	for _, name := range kernelFiles {
		if p.mounts.Wanted("", name) {
			p.Do(plan.Bind, name, name, "ro,nosuid,nodev,noexec,try")
		}
	}
}

func (p *planner) buildMount(m bind.Attached) error {
	flags := layout.Guarded
	if m.ReadOnly {
		flags = layout.ReadOnly
	}
	if m.Source != "" {
		return p.Bind(m.Source, m.Target, flags, !m.ReadOnly)
	}
	mode := "1777"
	if m.Size > 0 {
		mode += fmt.Sprintf(",size=%d", m.Size)
	}
	return p.Tmpfs(m.Target, flags, mode)
}

// buildEnvironment applies the image's scripts to env, here or by wrapping the
// command line.
func (p *planner) buildEnvironment(args, env []string) ([]string, []string, error) {
	scripts, err := environ.Scripts(p.Tree)
	if err != nil || len(scripts) == 0 {
		return args, env, err
	}
	e := environ.Over(env, scripts)
	evaluated, err := e.Evaluate(environ.Files(p.Tree, p.Image.FS))
	if errors.Is(err, shell.ErrNeedsContainer) {
		if err := p.needShell(err); err != nil {
			return nil, nil, err
		}
		args, evaluated = e.Script(args)
		return args, evaluated, nil
	}
	return args, evaluated, err
}

func (b *BuildRequest) process(args, env []string) plan.Process {
	dir := b.Dir
	if dir == "" {
		dir = "/"
	}
	return plan.Process{Init: true, Args: args, Env: env, Dirs: []string{dir}, User: b.User, Umask: 0o022, CloseFDs: true}
}
