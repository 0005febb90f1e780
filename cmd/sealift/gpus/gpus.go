// Package gpus is the flags that ask for GPUs and other devices, and their way into the
// request for a container.
//
// Input: flags, the caller's environment, and who reads files of CDI. Output: what
// runtime/spec plans devices from, and warnings. What is asked for, what there is, and
// what the container gets, packages in gpu decide.
package gpus

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/gpu/discover"
	"github.com/sealift/sealift/gpu/plan"
	"github.com/sealift/sealift/gpu/request"
	"github.com/sealift/sealift/runtime/host"
)

// CDI is what knows specifications of CDI.
type CDI = discover.CDI

// Reader reads the specifications of directories; named says that the user names
// devices in them.
type Reader func(dirs []string, named bool) (CDI, error)

// Devices are those that a command line asks for.
type Devices struct {
	flags   request.Flags
	request *request.Request
	host    *discover.Host
}

// Add adds the flags to a command.
func (d *Devices) Add(flags *pflag.FlagSet) {
	f := &d.flags
	flags.BoolVar(&f.NV, "nv", false, "have NVIDIA's GPUs, and the host's driver for them; NVIDIA_VISIBLE_DEVICES chooses; others are hidden with --contain only")
	ui.Bind(flags, "nv", "NV")
	flags.BoolVar(&f.NVCCLI, "nvccli", false, "--nv for compute and utility only, or what NVIDIA_DRIVER_CAPABILITIES says")
	ui.Bind(flags, "nvccli", "NVCCLI")
	flags.BoolVar(&f.NoNV, "no-nv", false, "no --nv, whatever a variable says")
	ui.Bind(flags, "no-nv", "NV_OFF", "NO_NV")
	flags.BoolVar(&f.ROCm, "rocm", false, "have AMD's GPUs; the image has the libraries; with --contain, ROCR_VISIBLE_DEVICES chooses")
	ui.Bind(flags, "rocm", "ROCM")
	flags.BoolVar(&f.NoROCm, "no-rocm", false, "no --rocm, whatever a variable says")
	ui.Bind(flags, "no-rocm", "ROCM_OFF", "NO_ROCM")
	flags.BoolVar(&f.IntelGPU, "intel-gpu", false, "have Intel's GPUs; with --contain, ZE_AFFINITY_MASK chooses")
	ui.Bind(flags, "intel-gpu", "INTEL_GPU")
	flags.BoolVar(&f.IntelHPU, "intel-hpu", false, "have Intel's Gaudi accelerators; HABANA_VISIBLE_DEVICES chooses")
	ui.Bind(flags, "intel-hpu", "INTEL_HPU")
	flags.BoolVar(&f.RDMA, "rdma", false, "have the devices of InfiniBand and RoCE (/dev/infiniband); the image has the libraries")
	ui.Bind(flags, "rdma", "RDMA")
	flags.BoolVar(&f.Compat32, "compat32", false, "with --nv, have the driver's 32-bit libraries too")
	ui.Bind(flags, "compat32", "COMPAT32")
	flags.StringSliceVar(&f.Devices, "device", nil, "have devices: `VENDOR/CLASS=NAME` of CDI, or paths of device nodes; comma separated")
	ui.Bind(flags, "device", "DEVICE")
	flags.StringSliceVar(&f.CDIDirs, "cdi-dirs", nil, "`directories` of CDI's specifications instead of /etc/cdi and /var/run/cdi")
	ui.Bind(flags, "cdi-dirs", "CDI_DIRS")
	flags.StringVar(&f.From, "gpu-source", "", "how --nv finds GPUs, by one `way`: cdi, helper (NVIDIA's library) or files; auto tries all")
	ui.Bind(flags, "gpu-source", "GPU_SOURCE")
}

// Prepare settles what is asked for, and reads the specifications that may be needed.
func (d *Devices) Prepare(p *ui.Process, facts *host.Facts, contain bool, read Reader) error {
	d.flags.Contain = contain
	r, err := request.Of(d.flags, p.Environ)
	if err != nil || !r.Any() && len(r.Notes) == 0 {
		return err
	}
	d.request, d.host = r, discover.Local(facts.Root, facts.Environ, facts.Arch, p.Executable)
	d.host.Recall(r, func() *discover.Kept { return recall(p, facts.Hostname) })
	if r.NVIDIA != nil && !d.host.Recalled() || len(r.Names) > 0 {
		d.host.CDI, err = read(r.CDIDirs, len(r.Names) > 0)
	}
	return err
}

// Find returns what there is of the devices; nil is nothing.
func (d *Devices) Find(ctx context.Context, p *ui.Process, facts *host.Facts) (*plan.Inputs, error) {
	if d.host == nil {
		return nil, nil
	}
	found, err := discover.Find(ctx, d.request, d.host)
	if err != nil {
		return nil, err
	}
	for _, text := range found.Warnings {
		p.Warn("%s", text)
	}
	for _, text := range found.Used {
		p.Detail("devices are from %s", text)
	}
	if found.Keep != nil {
		if err := keep(p, facts.Hostname, found.Keep); err != nil {
			p.Detail("the next start has to find the GPUs again: %v", err)
		}
	}
	return &plan.Inputs{Sources: found.Sources, NVIDIA: d.request.NVIDIA}, nil
}
