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
	in.Hides = p.req.contain()
	in.Environ, in.Arch, in.Host = p.Facts.Environ, p.Facts.Arch, p.Facts.Root
	if p.Image.FS != nil { // a nil of one type is not one of another
		in.Image = p.Image.FS
	}
	return gpu.Compute(in)
}
