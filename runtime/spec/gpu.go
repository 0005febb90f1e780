package spec

import (
	gpu "github.com/sealift/sealift/gpu/plan"
)

// devices plans what the container gets of the devices of the request; nil is nothing.
func (p *planner) devices() (*gpu.Plan, error) {
	if p.req.GPU == nil {
		return nil, nil
	}
	in := *p.req.GPU
	in.Hides, in.Environ, in.Arch, in.Host, in.UID = p.req.contain(), p.Facts.Environ, p.Facts.Arch, p.Facts.Root, p.Facts.UID
	if p.Image.FS != nil { // a nil of one type is not one of another
		in.Image = p.Image.FS
	}
	return gpu.Compute(in)
}
