package mounts

import (
	"fmt"
	"io/fs"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/gpu/plan"
	"github.com/sealift/sealift/runtime/layout"
	"github.com/sealift/sealift/runtime/view"
)

// mountGPU shows devices, and the files of their drivers. What cannot be shown is
// noted, in one line for all files; a device that the user named has to be shown.
func (p *Planner) mountGPU() error {
	g := p.wish.GPU
	if g == nil {
		return nil
	}
	p.Because("--nv, --device or the like")
	p.Notes = append(p.Notes, g.Notes...)
	for _, d := range g.Devices {
		err := p.device(d)
		if err != nil && d.Needed {
			return hint.Wrap(fmt.Errorf("device %s: %w", d.Target, err), "use --contain, which makes a /dev of its own")
		}
		if err != nil {
			p.Note("device %s is not shown: %v", d.Target, err)
		}
	}
	var left []error
	for _, b := range p.linked(g.Binds) {
		if err := p.driverFile(b); err != nil {
			left = append(left, err)
		}
	}
	for _, l := range g.Links {
		if !p.Alias(l.Path, l.Text) {
			left = append(left, fmt.Errorf("no link can be made at %s", l.Path))
		}
	}
	for _, f := range g.Files {
		if at, err := p.Tree.Resolve(f.Path); p.InPlace && (err != nil || !at.Found) {
			left = append(left, fmt.Errorf("%s: %w", f.Path, layout.ErrNoPoint))
			continue
		}
		p.Provide(f.Path, f.Content)
	}
	if len(left) > 0 {
		p.Note("%d files of drivers are not shown: %v", len(left), left[0])
	}
	return nil
}

// device shows a device node, unless the container's /dev has it anyway.
func (p *Planner) device(b plan.Bind) error {
	if _, err := p.HostStat(b.Source); err != nil {
		return cause(err)
	}
	m := p.Tree.Governing(b.Target)
	if m.From == view.Kernel && m.Target == "/dev" && b.Source == b.Target || p.Visible(b.Source, b.Target) {
		return nil
	}
	return p.Bind(b.Source, b.Target, layout.Devices, false)
}

// driverFile shows a file of a driver, unless the container has it anyway.
func (p *Planner) driverFile(b plan.Bind) error {
	if _, err := p.HostStat(b.Source); err != nil {
		return fmt.Errorf("%s: %w", b.Source, cause(err))
	}
	if p.Visible(b.Source, b.Target) {
		return nil
	}
	// What a link of the image leads to is nothing of a driver's.
	if at, ok := p.AliasPoint(b.Target); ok {
		if mode, _, err := p.Tree.Lstat(at); err == nil && mode.Type() == fs.ModeSymlink {
			p.Provide(b.Target, "")
		}
	}
	flags := layout.Guarded
	if b.NoExec {
		flags = layout.Noexec
	}
	if b.ReadOnly {
		flags = "ro," + flags
	}
	return p.Bind(b.Source, b.Target, flags, false)
}
