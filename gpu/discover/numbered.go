package discover

import (
	"slices"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/gpu/mask"
)

// vendor is one whose GPUs variables number.
type vendor struct {
	option, none string
	gpus         []mask.GPU
	spec         func([]mask.GPU) *specs.Spec
	choose       func([]mask.GPU, []string) ([]mask.GPU, []string, error)
}

// vendors takes the GPUs of AMD's and Intel's that are asked for.
func (f *finder) vendors() error {
	if f.request.ROCm {
		if err := f.numbered(vendor{"--rocm", "no AMD GPU was found: there is no /dev/kfd", f.AMD(), f.ROCm, mask.ROCm}); err != nil {
			return err
		}
	}
	if f.request.IntelGPU {
		return f.numbered(vendor{"--intel-gpu", "no GPU of Intel's was found in /dev/dri", f.Intel(), f.IntelGPU, mask.Intel})
	}
	return nil
}

// numbered takes the GPUs of a vendor that may be used: those that the caller's variables
// choose, where the container has no others.
func (f *finder) numbered(v vendor) error {
	gpus := slices.DeleteFunc(slices.Clone(v.gpus), func(g mask.GPU) bool { return f.Access(g.Node) != nil })
	if len(gpus) == 0 && len(v.gpus) > 0 {
		f.warn("%s: no GPU may be used here: %s: %v; sealift doctor gpu says more", v.option, v.gpus[0].Node, f.Access(v.gpus[0].Node))
		return nil
	}
	var env []string
	if f.request.Contain && len(gpus) > 0 {
		var err error
		if gpus, env, err = v.choose(gpus, f.Environ); err != nil {
			return err
		}
	}
	spec := v.spec(gpus)
	if spec != nil {
		spec.Devices[0].ContainerEdits.Env = env
	}
	f.optional(spec, v.option, v.none)
	return nil
}
