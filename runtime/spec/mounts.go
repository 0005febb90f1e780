package spec

import (
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/view"
	"github.com/sealift/sealift/starter/plan"
)

// mountAll plans everything that is mounted on the root, in order. What the
// user asked for comes last, so that it covers the defaults; defaults that it
// would cover completely are left out.
func (p *planner) mountAll(binds []bind.Bind) error {
	for _, b := range binds {
		p.bound = append(p.bound, b.Target)
	}
	p.bound = append(p.bound, p.req.Scratch...)
	for _, dir := range []string{"/dev", "/proc", "/sys"} {
		if at, err := p.tree.Resolve(dir); err == nil && at.Path != dir && p.wanted(path.Base(dir), dir) {
			return hint.New(fmt.Sprintf("%s leads to %s in the image: programs would take its files for the kernel's", dir, at.Path),
				"repair the image, or leave the mount out with --no-mount")
		}
	}
	for _, mount := range []func() error{p.mountProc, p.mountSys, p.mountDev, p.mountTmp} {
		if err := mount(); err != nil {
			return hint.Wrap(err, "repair the image, or leave the mount out with --no-mount")
		}
	}
	for _, mount := range []func() error{p.mountHome, p.mountCwd, p.mountFiles, p.mountScratch} {
		if err := mount(); err != nil {
			return err
		}
	}
	return p.mountBinds(binds)
}

// wanted says whether a default mount is to be made: neither NoMount names it
// nor would one of the user's mounts hide it.
func (p *planner) wanted(name, target string) bool {
	if slices.Contains(p.req.NoMount, name) || slices.Contains(p.req.NoMount, target) {
		return false
	}
	return !slices.ContainsFunc(p.bound, func(b string) bool { return view.Within(target, path.Clean(b)) })
}

// mountProc makes a procfs of the new PID namespace. Where the kernel would
// refuse that (proc is masked in an outer container), and in the caller's PID
// namespace, the visible one is bound.
func (p *planner) mountProc() error {
	switch {
	case !p.wanted("proc", "/proc"):
		return nil
	case p.req.newPID() && (!p.f.ProcMasked || !p.id.User):
		return p.kernel("proc", "/proc", noexec, "")
	case p.req.newPID():
		p.note("/proc is partly masked here, so the container shows the host's processes")
	}
	return p.bindKernel("/proc", noexec)
}

func (p *planner) mountSys() error {
	if !p.wanted("sys", "/sys") {
		return nil
	}
	return p.bindKernel("/sys", noexec)
}

// bindKernel binds a host directory whose content the kernel makes.
func (p *planner) bindKernel(dir, flags string) error {
	target, err := p.place(dir, true)
	if err != nil {
		return err
	}
	p.do(plan.Bind, dir, target, flags)
	p.tree.Add(view.Mount{Target: target, From: view.Kernel, Dir: true})
	return nil
}

// mountTmp shares /tmp and /var/tmp with the host, or makes private ones. A
// /var/tmp that leads to /tmp is done with it.
func (p *planner) mountTmp() error {
	for _, dir := range []string{"/tmp", "/var/tmp"} {
		if !p.wanted("tmp", dir) {
			continue
		}
		at, err := p.tree.Resolve(dir)
		if err == nil && at.Path == "/tmp" && dir != "/tmp" {
			continue
		}
		switch {
		case p.req.contain():
			err = p.tmpfs(dir, guarded, "1777")
		case p.hostIsDir(dir):
			err = p.bind(dir, dir, guarded, false)
		default:
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mountHome shows the caller's home directory: at its own path, at /root for
// root, or as --home says. Under --contain it is an empty directory unless
// --home names one. A home that does not exist is left out.
func (p *planner) mountHome() error {
	home := p.id.Home
	if p.req.NoHome || home == "/" || home == "" || !path.IsAbs(home) || !p.wanted("home", home) {
		return nil
	}
	source := p.f.User.Home
	if p.req.Home != "" {
		source, _, _ = bind.SplitHome(p.req.Home)
		source = p.absolute(source)
		if mode, err := p.hostStat(source); err != nil || !mode.IsDir() {
			return missingSource("--home", source, err)
		}
		return p.bind(source, home, guarded, true)
	}
	switch {
	case p.req.contain():
		return p.tmpfs(home, guarded, "0700")
	case !path.IsAbs(source) || !p.hostIsDir(source):
		p.note("home directory %s does not exist and is not mounted", source)
		return nil
	case p.visible(source, home):
		return nil
	}
	return p.bind(source, home, guarded, false)
}

// visible says whether target already shows the host's source.
func (p *planner) visible(source, target string) bool {
	at, err := p.tree.Resolve(target)
	if err != nil || !at.Found {
		return false
	}
	m := p.tree.Governing(at.Path)
	return m.From == view.Host && m.HostPath(at.Path) == source
}

// unboundDirs are working directories that are the image's own matter.
var unboundDirs = []string{"/", "/etc", "/bin", "/mnt", "/usr", "/var", "/opt", "/sbin", "/lib", "/lib64"}

// mountCwd shows the caller's working directory, unless it belongs to the
// system or is visible already. It is a convenience: where no mount point can
// be made for it, the container starts in the home directory.
func (p *planner) mountCwd() error {
	cwd := p.f.Cwd
	if cwd == "" || p.req.contain() || slices.Contains(unboundDirs, cwd) || !p.wanted("cwd", cwd) {
		return nil
	}
	for _, dir := range []string{"/proc", "/sys", "/dev"} {
		if view.Within(cwd, dir) {
			return nil
		}
	}
	if p.req.NoHome && p.f.User.Home != "" && view.Within(p.f.User.Home, cwd) {
		return nil // it would show the home directory after all
	}
	if p.visible(cwd, cwd) || !p.hostIsDir(cwd) {
		return nil
	}
	if err := p.bind(cwd, cwd, guarded, false); err != nil {
		p.note("working directory is not mounted: %v", err)
	}
	return nil
}

// mountFiles shows the host's time zone, host names and resolver. It keeps
// them under --contain, as the network is the host's as well.
func (p *planner) mountFiles() error {
	files := []struct{ name, group string }{
		{"/etc/localtime", "bind-paths"}, {"/etc/hosts", "bind-paths"}, {"/etc/resolv.conf", "/etc/resolv.conf"},
	}
	for _, file := range files {
		mode, err := p.hostStat(file.name)
		if err != nil || !mode.IsRegular() || !p.wanted(file.group, file.name) {
			continue
		}
		p.uncoverLink(file.name)
		if err := p.bind(file.name, file.name, p.fileFlags, false); err != nil {
			p.note("%s is not mounted: %v", file.name, err)
		}
	}
	return nil
}

// uncoverLink has the image server show an empty file where the image has a
// symbolic link. Mounted on what the link leads to, a host file would replace
// a time zone of the image, or need a directory in /run.
func (p *planner) uncoverLink(name string) {
	dir, err := p.tree.Resolve(path.Dir(name))
	if err != nil || !dir.Found || !p.served() {
		return
	}
	target := path.Join(dir.Path, path.Base(name))
	if p.tree.Governing(target).From != view.Image {
		return
	}
	mode, found, err := p.tree.Lstat(target)
	if err != nil || !found || mode.Type() != fs.ModeSymlink {
		return
	}
	p.extras = append(p.extras, plan.Do(plan.Write, target, "0644", ""))
	p.tree.Make(target, 0o644)
}

func (p *planner) mountScratch() error {
	for _, dir := range p.req.Scratch {
		if err := bind.CheckTarget("--scratch", dir); err != nil {
			return err
		}
		if err := p.tmpfs(path.Clean(dir), guarded, "0700"); err != nil {
			return err
		}
	}
	return nil
}
