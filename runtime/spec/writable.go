package spec

import (
	"fmt"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/layout"
)

// imageWant is the volume that tells whether a directory which is the image can be
// written to.
var imageWant = layout.Want{Use: image.System, Write: true}

// writable has overlays laid over the image, and decides where changes go.
func (p *planner) writable() (layout.Writable, error) {
	r := &p.req
	overlays, err := bind.ParseOverlays(r.Overlays, p.Facts.Cwd)
	if err != nil {
		return layout.Writable{}, err
	}
	if r.Writable {
		if len(overlays) > 0 {
			return layout.Writable{}, hint.New("--writable and --overlay exclude each other", "choose where changes are to go: to the image, or to an overlay")
		}
		return p.inPlace()
	}
	w, err := p.LayOver(overlays)
	switch {
	case err != nil || w != (layout.Writable{}) && !r.WritableTmpfs || !r.WritableTmpfs && !r.tmpfsAtLeast:
		return w, err
	case w != (layout.Writable{}):
		return w, hint.New("--writable-tmpfs and an overlay that is written to exclude each other", "leave out --writable-tmpfs, or give --overlay PATH:ro")
	}
	return layout.InMemory(), nil
}

// inPlace has changes go to the image itself.
func (p *planner) inPlace() (w layout.Writable, err error) {
	if p.req.WritableTmpfs {
		p.Note("--writable-tmpfs has no effect with --writable")
	}
	if p.Image.Kind != image.Sandbox {
		return w, hint.New(fmt.Sprintf("--writable: no writable overlay partition found in %s", p.Image.Title(p.Absolute)),
			"keep changes elsewhere: --overlay DIRECTORY or --writable-tmpfs; or make a directory of the image: sealift build --sandbox")
	}
	p.InPlace, p.Kept = true, true
	for _, v := range p.Volumes {
		if v.Want == imageWant && (v.Directory.Closed || v.Directory.ReadOnly) {
			return w, hint.New(fmt.Sprintf("--writable: you may not write to %s", p.Image.Path), "leave out --writable, or use --overlay DIRECTORY")
		}
	}
	return w, nil
}
