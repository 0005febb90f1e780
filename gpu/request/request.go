// Package request turns flags and variables into what is asked for: which devices,
// and for what.
//
// Input: flags of the command line, and the caller's environment. Output: a Request.
// It is pure, and knows neither which devices there are nor where they are found.
package request

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Flags are those of the command line.
type Flags struct {
	// NV and NVCCLI ask for NVIDIA's devices, NVCCLI by the rules of NVIDIA's own
	// tool. NoNV takes both back, and NoROCm ROCm.
	NV, NVCCLI, NoNV bool
	ROCm, NoROCm     bool
	IntelGPU         bool
	IntelHPU, RDMA   bool
	// Compat32 asks for 32-bit libraries too.
	Compat32 bool
	// Devices are qualified names of CDI, vendor/class=name, or paths of device nodes.
	Devices []string
	// CDIDirs are where specifications of CDI are; none are DefaultCDIDirs.
	CDIDirs []string
	// From is the one way to find NVIDIA's devices: auto, cdi, helper or files.
	From string
	// Contain says that the container gets a minimal /dev.
	Contain bool
}

// Request is what is asked for.
type Request struct {
	// NVIDIA is nil where its devices are not asked for.
	NVIDIA *NVIDIA
	// Names are qualified names of CDI, each of which has to be there.
	Names []string
	// Nodes are device nodes of the host, each of which has to be there.
	Nodes                []string
	ROCm, IntelHPU, RDMA bool
	IntelGPU             bool
	// Contain says that the container has no devices but those that are asked for.
	Contain bool
	// HPUs are the modules of HABANA_VISIBLE_DEVICES; nil are all.
	HPUs []string
	// CDIDirs are where specifications of CDI are.
	CDIDirs []string
	// Notes are remarks for the user, one line each.
	Notes []string
}

// NVIDIA says which of NVIDIA's devices, and what of its driver.
type NVIDIA struct {
	// IDs are what devices are called: numbers, UUIDs or their beginnings, GPU:MIG,
	// or all. None are the driver's files without a GPU.
	IDs []string
	// By is the option or variable that names IDs one by one: all of these have to
	// be there. It is empty where all are asked for.
	By string
	// Capabilities are of the driver's libraries and programs; nil are all.
	Capabilities []string
	// Modes are further kinds of devices: gds, mofed, gdrcopy, nvswitch, imex,
	// mig-config, mig-monitor.
	Modes []string
	// IMEX are the channels of the mode imex, or all.
	IMEX     []string
	Compat32 bool
	From     string
}

// Any says whether anything is asked for.
func (r *Request) Any() bool {
	return r.NVIDIA != nil || len(r.Names)+len(r.Nodes) > 0 || r.ROCm || r.IntelGPU || r.IntelHPU || r.RDMA
}

// Capabilities that NVIDIA_DRIVER_CAPABILITIES may name, besides all.
var capabilities = []string{"compute", "compat32", "graphics", "utility", "video", "display", "ngx"}

// sources are the values of Flags.From.
var sources = []string{"auto", "cdi", "helper", "files"}

// DefaultCDIDirs are where vendors' tools put specifications of CDI; later ones beat
// earlier ones.
func DefaultCDIDirs() []string { return []string{"/etc/cdi", "/var/run/cdi"} }

// Of returns what flags and the environment, NAME=value, ask for.
func Of(f Flags, environ []string) (*Request, error) {
	r := &Request{ROCm: f.ROCm && !f.NoROCm, IntelGPU: f.IntelGPU, IntelHPU: f.IntelHPU, RDMA: f.RDMA, CDIDirs: f.CDIDirs, Contain: f.Contain}
	if len(r.CDIDirs) == 0 {
		r.CDIDirs = DefaultCDIDirs()
	}
	for _, name := range f.Devices {
		switch {
		case path.IsAbs(name):
			r.Nodes = append(r.Nodes, path.Clean(name))
		case isQualified(name):
			r.Names = append(r.Names, name)
		default:
			return nil, hint.New(fmt.Sprintf("--device %q is neither a CDI device nor a path", name),
				"write --device nvidia.com/gpu=0, or --device /dev/NAME; sealift doctor gpu says what there is")
		}
	}
	if f.From != "" && !slices.Contains(sources, f.From) {
		return nil, hint.New(fmt.Sprintf("--gpu-source %q is unknown", f.From), "use one of %s", strings.Join(sources, ", "))
	}
	if hpus, given := lookup(environ, "HABANA_VISIBLE_DEVICES"); given && r.IntelHPU && hpus != "all" {
		r.HPUs = append([]string{}, list(hpus)...)
	}
	// Whoever names GPUs wants these.
	named := slices.ContainsFunc(r.Names, func(n string) bool { return strings.HasPrefix(n, "nvidia.com/gpu=") })
	if (f.NV || f.NVCCLI) && !f.NoNV && !named {
		return r, r.nvidia(f, environ)
	}
	return r, nil
}

// nvidia settles what --nv means here.
func (r *Request) nvidia(f Flags, environ []string) error {
	n := &NVIDIA{IDs: []string{"all"}, Compat32: f.Compat32, From: f.From}
	const visible = "NVIDIA_VISIBLE_DEVICES"
	ids, given := lookup(environ, visible)
	names := list(ids)
	switch {
	case given && (len(names) == 0 || slices.Contains(names, "void")):
		r.note("%s=%s: the container gets no GPU of NVIDIA's", visible, ids)
		return nil
	case slices.Equal(names, []string{"none"}):
		n.IDs = nil
	case given && !slices.Contains(names, "all"):
		n.IDs, n.By = unique(names), visible
	case !given && f.NVCCLI && f.Contain:
		r.note("with --nvccli and --contain, GPUs have to be named: set %s", visible)
		return nil
	case !given && f.Contain:
		n.fromCUDA(environ)
	}
	if err := n.capabilities(f, environ); err != nil {
		return err
	}
	n.modes(environ)
	r.NVIDIA = n
	if _, given := lookup(environ, "NVIDIA_GPU_MEMORY_LIMIT"); given {
		r.note("NVIDIA_GPU_MEMORY_LIMIT is not enforced: that takes privileges of the system")
	}
	return nil
}

// fromCUDA takes the devices that CUDA programs of the caller would use, where
// others can be hidden.
func (n *NVIDIA) fromCUDA(environ []string) {
	const visible = "CUDA_VISIBLE_DEVICES"
	if value, given := lookup(environ, visible); given {
		if ids := CUDA(value); len(ids) > 0 {
			n.IDs, n.By = ids, visible
		} else {
			n.IDs = nil
		}
	}
}

// CUDA returns the devices that CUDA_VISIBLE_DEVICES names. As for CUDA, the first
// that is none ends the list.
func CUDA(value string) []string {
	var ids []string
	for id := range strings.SplitSeq(value, ",") {
		id = strings.TrimSpace(id)
		if id == "" || id[0] == '-' || strings.EqualFold(id, "NoDevFiles") || slices.Contains(ids, id) {
			break
		}
		ids = append(ids, id)
	}
	return ids
}

// capabilities reads NVIDIA_DRIVER_CAPABILITIES.
func (n *NVIDIA) capabilities(f Flags, environ []string) error {
	const name = "NVIDIA_DRIVER_CAPABILITIES"
	value, given := lookup(environ, name)
	switch {
	case given && value != "":
		for _, c := range list(value) {
			switch {
			case c == "all":
				n.Capabilities = nil
				return nil
			case !slices.Contains(capabilities, c):
				return hint.New(fmt.Sprintf("%s: %q is unknown", name, c), "use all, or some of %s", strings.Join(capabilities, ","))
			}
			n.Capabilities = append(n.Capabilities, c)
		}
	case f.NVCCLI:
		n.Capabilities = []string{"compute", "utility"}
	}
	n.Compat32 = n.Compat32 || slices.Contains(n.Capabilities, "compat32")
	return nil
}

// modes reads the variables that ask for further kinds of devices.
func (n *NVIDIA) modes(environ []string) {
	for _, mode := range []string{"gds", "mofed", "gdrcopy", "nvswitch"} {
		if value, _ := lookup(environ, "NVIDIA_"+strings.ToUpper(mode)); value == "enabled" {
			n.Modes = append(n.Modes, mode)
		}
	}
	for _, mode := range []string{"config", "monitor"} {
		if value, _ := lookup(environ, "NVIDIA_MIG_"+strings.ToUpper(mode)+"_DEVICES"); value == "all" {
			n.Modes = append(n.Modes, "mig-"+mode)
		}
	}
	if value, _ := lookup(environ, "NVIDIA_IMEX_CHANNELS"); len(list(value)) > 0 {
		n.Modes, n.IMEX = append(n.Modes, "imex"), unique(list(value))
	}
}

func (r *Request) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// isQualified says whether name has the form vendor/class=name.
func isQualified(name string) bool {
	kind, device, ok := strings.Cut(name, "=")
	vendor, class, both := strings.Cut(kind, "/")
	return ok && both && vendor != "" && class != "" && device != "" && !strings.Contains(class, "/")
}

// lookup returns a variable of an environment, of which the last counts.
func lookup(environ []string, name string) (value string, given bool) {
	for _, e := range slices.Backward(environ) {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// list splits at commas, and leaves out what is empty.
func list(value string) []string {
	return strings.FieldsFunc(value, func(c rune) bool { return c == ',' || c == ' ' })
}

func unique(names []string) []string {
	var out []string
	for _, name := range names {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
