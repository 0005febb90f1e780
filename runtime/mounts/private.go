package mounts

import (
	"errors"
	"path"
	"strings"

	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/layout"
	"github.com/sealift/sealift/starter/plan"
)

// workdir is where the directory of --workdir is in the session.
const workdir = "workdir"

// mountWorkdir makes the directory of --workdir available, if anything will be in it.
func (p *Planner) mountWorkdir() error {
	if p.wish.Workdir == "" || !p.wish.Contain && len(p.wish.Scratch) == 0 {
		return nil
	}
	source := p.Absolute(p.wish.Workdir)
	if mode, err := p.HostStat(source); err != nil || !mode.IsDir() {
		return missingSource("--workdir", source, err)
	}
	p.Because("--workdir")
	p.Do(plan.Mkdir, "@"+workdir, "0755")
	p.Do(plan.Bind, source, "@"+workdir, layout.Guarded)
	return nil
}

// private mounts an empty directory of the container's own: in the directory of
// --workdir, where it is called name and keeps what is in it, or in memory.
func (p *Planner) private(name, target, mode string) error {
	if p.wish.Workdir == "" {
		return p.Tmpfs(target, layout.Guarded, mode)
	}
	return p.BindSession(path.Join(workdir, name), mode, target, layout.Guarded)
}

func (p *Planner) mountScratch() error {
	p.Because("--scratch")
	for _, dir := range p.wish.Scratch {
		if err := bind.CheckTarget("--scratch", dir); err != nil {
			return err
		}
		if err := p.private(path.Join("scratch", path.Clean(dir)), path.Clean(dir), "0700"); err != nil {
			return err
		}
	}
	return nil
}

// optional passes over a default mount for which the image has no mount point, and
// may get none.
func (p *Planner) optional(err error) error {
	if errors.Is(err, layout.ErrNoPoint) {
		p.Note("%v", err)
		return nil
	}
	return err
}

// homePoint makes a mount point for the home directory where the image may get none:
// in an empty directory in the place of its /home, or whatever the first name is.
func (p *Planner) homePoint(home string) error {
	base := "/" + strings.Split(home, "/")[1]
	if at, err := p.Tree.Resolve(home); !p.InPlace || base == home || err != nil || at.Found {
		return nil
	}
	if at, err := p.Tree.Resolve(base); err != nil || !at.Found {
		return nil
	}
	return p.Tmpfs(base, layout.Guarded, "0755")
}
