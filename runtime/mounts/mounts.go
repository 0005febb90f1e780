// Package mounts decides what a container has besides its image: the host's
// directories and file systems of the kernel, files of /etc that name the
// caller, and what the user binds.
//
// Input: a wish, the identity of the payload, and a layout, whose image and
// facts decide the rest. Output: operations in the layout. It is pure. It decides
// neither about the root file system nor about namespaces.
package mounts

import (
	"fmt"
	"path"
	"slices"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/gpu/plan"
	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/identity"
	"github.com/sealift/sealift/runtime/layout"
	"github.com/sealift/sealift/runtime/view"
)

// Wish is what the user asked for.
type Wish struct {
	// Binds are made in their order; Scratch are container paths that get an
	// empty tmpfs.
	Binds   []bind.Bind
	Scratch []string
	// Fuse are file systems that programs serve, above all others.
	Fuse []bind.Fuse
	// Libraries are files of the host for programs of the container:
	// SOURCE[:NAME].
	Libraries []string
	// Home is SOURCE[:TARGET], replacing the caller's home; empty means that.
	Home   string
	NoHome bool
	// NoMount names default mounts to leave out, by Names or by target.
	NoMount []string
	// Contain keeps the host's files out: a minimal /dev, empty /tmp and home, and
	// no working directory.
	Contain bool
	// PID and IPC say that the container has such a namespace of its own.
	PID, IPC bool
	// Files are contents of files in /etc, by their names, that are the container's
	// own instead of the host's or the image's.
	Files map[string]string
	// Workdir is a host directory for what is private: scratch directories, and with
	// Contain /tmp, /var/tmp and the home directory. They are in memory where it is
	// empty.
	Workdir string
	// GPU is what there is to show of devices and their drivers; nil is nothing.
	GPU *plan.Plan
	// Protected keeps root from writing to the host's files in /etc.
	Protected bool
}

// Names are what NoMount may hold besides paths. There is no hostfs mount to
// leave out, but scripts name it.
func Names() []string {
	return []string{"proc", "sys", "dev", "devpts", "home", "tmp", "cwd", "hostfs", "bind-paths"}
}

// Planner plans the mounts of one container.
type Planner struct {
	*layout.Layout
	wish  Wish
	id    *identity.Identity
	bound []string // targets of the user's mounts
}

// New returns a planner that adds to l.
func New(l *layout.Layout, w Wish, id *identity.Identity) *Planner {
	p := &Planner{Layout: l, wish: w, id: id}
	for _, b := range w.Binds {
		p.bound = append(p.bound, b.Target)
	}
	p.bound = append(p.bound, w.Scratch...)
	for _, f := range w.Fuse {
		p.bound = append(p.bound, f.Target)
	}
	return p
}

// All plans everything that is mounted on the root, in order. What the user asked
// for comes last, so that it covers the defaults; defaults that it would cover
// completely are left out.
func (p *Planner) All() error {
	for _, dir := range []string{"/dev", "/proc", "/sys"} {
		if at, err := p.Tree.Resolve(dir); err == nil && at.Path != dir && p.Wanted(path.Base(dir), dir) {
			return hint.New(fmt.Sprintf("%s leads to %s in the image: programs would take its files for the kernel's", dir, at.Path),
				"repair the image, or leave the mount out with --no-mount")
		}
	}
	if err := p.mountWorkdir(); err != nil {
		return err
	}
	for _, mount := range []func() error{p.mountProc, p.mountSys, p.mountDev, p.mountTmp} {
		if err := p.optional(mount()); err != nil {
			return hint.Wrap(err, "repair the image, or leave the mount out with --no-mount")
		}
	}
	for _, mount := range []func() error{p.mountGPU, p.mountHome, p.mountCwd, p.mountFiles, p.mountLibraries, p.mountScratch} {
		if err := mount(); err != nil {
			return err
		}
	}
	if err := p.mountBinds(); err != nil {
		return err
	}
	return p.mountFuse()
}

// Binds are the targets of the user's binds that nested containers are told of.
func (p *Planner) Binds() []string {
	var targets []string
	for _, b := range p.wish.Binds {
		if !b.Unnested {
			targets = append(targets, b.Target)
		}
	}
	return targets
}

// Wanted says whether a default mount is to be made: neither NoMount names it
// nor would one of the user's mounts hide it.
func (p *Planner) Wanted(name, target string) bool {
	for _, left := range []string{name, target} {
		if slices.Contains(p.wish.NoMount, left) {
			p.LeaveOut(target, "--no-mount "+left)
			return false
		}
	}
	for _, b := range p.bound {
		if view.Within(target, path.Clean(b)) {
			p.LeaveOut(target, "what is bound on "+b+" covers it")
			return false
		}
	}
	return true
}

// mountProc makes a procfs of the new PID namespace. Where the kernel would
// refuse that (proc is masked in an outer container), and in the caller's PID
// namespace, the visible one is bound.
func (p *Planner) mountProc() error {
	switch {
	case !p.Wanted("proc", "/proc"):
		return nil
	case p.wish.PID && (!p.Facts.ProcMasked || !p.id.User):
		p.Because("the default: the container's own processes")
		return p.Kernel("proc", "/proc", layout.Noexec, "")
	case p.wish.PID:
		p.Because("the host's processes, as /proc is masked here")
		p.Note("/proc is partly masked here, so the container shows the host's processes")
	default:
		p.Because("--no-pid: the host's processes")
	}
	return p.BindKernel("/proc", layout.Noexec)
}

func (p *Planner) mountSys() error {
	if !p.Wanted("sys", "/sys") {
		return nil
	}
	p.Because("the default")
	return p.BindKernel("/sys", layout.Noexec)
}

// mountTmp shares /tmp and /var/tmp with the host, or makes private ones. A
// /var/tmp that leads to /tmp is done with it.
func (p *Planner) mountTmp() error {
	for i, dir := range []string{"/tmp", "/var/tmp"} {
		if !p.Wanted("tmp", dir) {
			continue
		}
		at, err := p.Tree.Resolve(dir)
		if err == nil && at.Path == "/tmp" && dir != "/tmp" {
			continue
		}
		switch {
		case p.wish.Contain:
			p.Because("--contain: an empty one")
			err = p.private([]string{"tmp", "var_tmp"}[i], dir, "1777")
		case p.HostIsDir(dir):
			p.Because("the default: the host's")
			err = p.Bind(dir, dir, layout.Guarded, false)
		default:
			err = nil
		}
		if err = p.optional(err); err != nil {
			return err
		}
	}
	return nil
}

// mountHome shows the caller's home directory: at its own path, at /root for
// root, or as --home says. Under --contain, and where the host has none, it is an
// empty directory unless --home names one.
func (p *Planner) mountHome() error {
	home := p.id.Home
	if p.wish.NoHome {
		p.LeaveOut(home, "--no-home")
		return nil
	}
	if home == "/" || home == "" || !path.IsAbs(home) || !p.Wanted("home", home) {
		return nil
	}
	source := p.id.Account.Home
	if p.wish.Home != "" {
		p.Because("--home")
		source, _, _ = bind.SplitHome(p.wish.Home)
		source = p.Absolute(source)
		if mode, err := p.HostStat(source); err != nil || !mode.IsDir() {
			return missingSource("--home", source, err)
		}
		if err := p.homePoint(home); err != nil {
			return err
		}
		return p.Bind(source, home, layout.Guarded, true)
	}
	if p.Visible(source, home) {
		return nil
	}
	if err := p.homePoint(home); err != nil {
		return err
	}
	switch {
	case p.wish.Contain:
		p.Because("--contain: an empty one")
		return p.optional(p.private("home", home, "0700"))
	case !path.IsAbs(source) || !p.HostIsDir(source):
		p.Because("the host has no home directory of the caller's: an empty one")
		p.Note("home directory %s does not exist; an empty one is in its place", source)
		return p.optional(p.Tmpfs(home, layout.Guarded, "0700"))
	}
	p.Because("the default: the caller's home directory")
	return p.optional(p.Bind(source, home, layout.Guarded, false))
}

// mountFiles shows the host's time zone, host names and resolver, or what is the
// container's own of them. It keeps the host's under --contain, as the network is
// the host's as well.
func (p *Planner) mountFiles() error {
	files := []struct{ name, group string }{
		{"/etc/localtime", "bind-paths"}, {"/etc/hosts", "bind-paths"}, {"/etc/resolv.conf", "bind-paths"},
		{"/etc/hostname", "/etc/hostname"},
	}
	flags := layout.Guarded
	if p.wish.Protected {
		flags = layout.ReadOnly
	}
	for _, file := range files {
		if !p.Wanted(file.group, file.name) {
			continue
		}
		if text, own := p.wish.Files[file.name]; own {
			p.Because("--net, --dns or --hostname")
			p.Provide(file.name, text)
			continue
		}
		p.Because("the default: names and time of the host")
		if file.name == "/etc/hostname" {
			continue // the image's
		}
		if mode, err := p.HostStat(file.name); err != nil || !mode.IsRegular() {
			continue
		}
		if file.name == "/etc/resolv.conf" && !p.wish.Protected && p.shareResolver(file.name, flags) {
			continue
		}
		p.UncoverLink(file.name)
		if err := p.Bind(file.name, file.name, flags, false); err != nil {
			p.Note("%s is not mounted: %v", file.name, err)
		}
	}
	return nil
}
