// Package discover finds what a request for devices means on this machine.
//
// Input: a request, and what may be looked at: a file tree, which nodes may be used,
// specifications of CDI, and the helper program that asks NVIDIA's library. Output:
// specifications of CDI with the devices that are wanted, and what to tell the user.
// It starts the helper and, where a node is missing, nvidia-modprobe(1); otherwise it
// changes nothing. What a container gets of it is gpu/plan's matter.
package discover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/gpu/files"
	"github.com/sealift/sealift/gpu/plan"
	"github.com/sealift/sealift/gpu/request"
)

// CDI is what knows specifications of CDI, as gpu/cdifile.
type CDI interface {
	// Device returns the specification with a device of a qualified name, the device's
	// name in it, and its file.
	Device(qualified string) (spec *specs.Spec, name, file string, err error)
	// Kind returns one specification of all devices of a kind, and its files; nil is none.
	Kind(kind string) (spec *specs.Spec, files []string)
	// Problems are what is wrong with files, one line each.
	Problems() []string
}

// Host is the machine.
type Host struct {
	files.Host
	// CDI is nil where there are no specifications, and no names of devices in them.
	CDI CDI
	// Access says why a device node may not be read and written, nil if it may. It has
	// to ask the control group of devices, too.
	Access func(node string) error
	// Helper is the program that asks NVIDIA's library, Modprobe nvidia-modprobe(1);
	// empty is none. They get Patience to answer.
	Helper, Modprobe string
	Patience         time.Duration
	// Locked is how many bytes a process may lock in memory.
	Locked uint64

	key  string // see Recall
	kept *Kept
}

// Found is what there is of a request.
type Found struct {
	Sources []plan.Source
	// Used says which ways have led to it, one line each; Warnings what is not there.
	Used, Warnings []string
	// Keep, unless nil, is for Recall of the next start.
	Keep *Kept
}

// finder collects what is found.
type finder struct {
	*Host
	Found
	request *request.Request
}

// Find returns what there is of a request. It fails if a device that was named is not
// there or may not be used.
func Find(ctx context.Context, r *request.Request, h *Host) (*Found, error) {
	f := &finder{Host: h, request: r}
	f.Warnings = slices.Clone(r.Notes)
	if r.NVIDIA != nil {
		if err := f.nvidia(ctx); err != nil {
			return nil, err
		}
	}
	if err := f.named(ctx); err != nil {
		return nil, err
	}
	if err := f.vendors(); err != nil {
		return nil, err
	}
	if r.IntelHPU {
		spec, missing := f.HPU(r.HPUs)
		if len(missing) > 0 {
			return nil, hint.New("HABANA_VISIBLE_DEVICES names modules that are not there: "+strings.Join(missing, ", "), "see /dev/accel")
		}
		if r.HPUs == nil || len(r.HPUs) > 0 {
			f.optional(spec, "--intel-hpu", "no Gaudi accelerator was found in /dev/accel")
		}
	}
	if r.RDMA {
		f.rdma()
	}
	if len(r.Nodes) > 0 {
		for _, node := range r.Nodes {
			if err := f.usable("--device", node); err != nil {
				return nil, err
			}
			if info, err := fs.Stat(f.Root, strings.TrimPrefix(node, "/")); err != nil || info.Mode()&fs.ModeDevice == 0 {
				return nil, hint.New(fmt.Sprintf("--device: %s is not a device node", node), "use --bind for files and directories")
			}
		}
		f.take(plan.Source{Spec: files.Nodes(r.Nodes), Names: []string{"all"}, From: "--device", Explicit: true}, "the nodes that --device names")
	}
	return &f.Found, nil
}

// muchLocked is how many bytes a program has to be allowed to lock, that its adapter can
// reach: MPI libraries do so with all that they send.
const muchLocked = 64 << 20

// rdma takes the nodes of RDMA. The image has the libraries and the files that name them:
// those of a host need its C library, and fit each other only.
func (f *finder) rdma() {
	spec := f.Host.RDMA()
	if spec != nil && f.Locked < muchLocked {
		f.warn("--rdma: a process may lock %d KiB of memory, and RDMA needs more: ask the batch system or the administrator for ulimit -l unlimited", f.Locked>>10)
	}
	f.optional(spec, "--rdma", "no device was found in /dev/infiniband")
}

// optional takes all of a specification, without the nodes that may not be used, or
// warns that there is none.
func (f *finder) optional(spec *specs.Spec, option, why string) {
	if spec == nil {
		f.warn("%s: %s", option, why)
		return
	}
	if err := f.open(spec, option); err != nil {
		f.warn("%s: %v", option, err)
	}
}

// open takes all of a specification, without the nodes that may not be used. The error
// is about one of these.
func (f *finder) open(spec *specs.Spec, from string) (closed error) {
	e := &spec.Devices[0].ContainerEdits
	e.DeviceNodes = slices.DeleteFunc(e.DeviceNodes, func(n *specs.DeviceNode) bool {
		err := f.Access(n.Path)
		if err != nil {
			closed = fmt.Errorf("%s may not be used: %w", n.Path, err)
		}
		return err != nil
	})
	if len(e.DeviceNodes) > 0 {
		f.take(plan.Source{Spec: spec, Names: []string{"all"}, From: from}, from+": device nodes of "+spec.Kind)
	}
	return closed
}

// usable refuses a node that may not be used. by is the option that needs it.
func (f *finder) usable(by, node string) error {
	err := f.Access(node)
	if err == nil {
		return nil
	}
	remedy := "see ls -l " + node
	switch {
	case errors.Is(err, fs.ErrNotExist):
		remedy = "have its driver loaded; sealift doctor gpu says what there is"
	case errors.Is(err, syscall.EPERM):
		remedy = "ask the batch system for it, as by srun --gpus=1: the control group of devices forbids it"
	}
	return hint.Wrap(fmt.Errorf("%s: device node %s may not be used: %w", by, node, err), "%s", remedy)
}

// named takes the devices of qualified names.
func (f *finder) named(ctx context.Context) error {
	sources := map[string]*plan.Source{}
	var order []string
	for _, qualified := range f.request.Names {
		spec, name, file, err := f.CDI.Device(qualified)
		if kind, id, _ := strings.Cut(qualified, "="); err != nil && kind == files.Kind {
			// The helper, and looking at files, know these names as well.
			if other := f.search(ctx, &request.NVIDIA{IDs: []string{id}, By: "--device"}); other != nil {
				if err := f.chosen(other, []string{id}, "--device"); err != nil {
					return err
				}
				continue
			}
		}
		if err != nil {
			return err
		}
		if stale := plan.Stale(spec, f.Root); stale != nil {
			return hint.Wrap(fmt.Errorf("--device %s: %s is out of date: %w", qualified, file, stale), "have it written anew, as by nvidia-ctk cdi generate")
		}
		s := sources[file]
		if s == nil {
			s = &plan.Source{Spec: spec, From: file, Explicit: true}
			if spec.Kind == files.Kind {
				s.GPUs = f.openGPUs(spec)
			}
			sources[file] = s
			order = append(order, file)
		}
		s.Names = append(s.Names, name)
		for _, n := range nodesOf(spec, name) {
			if err := f.usable("--device "+qualified, n); err != nil {
				return err
			}
		}
	}
	for _, file := range order {
		f.take(*sources[file], "the CDI specification "+file)
	}
	return nil
}

// nodesOf are the host's nodes that a device needs.
func nodesOf(spec *specs.Spec, name string) (nodes []string) {
	for _, d := range spec.Devices {
		for _, n := range d.ContainerEdits.DeviceNodes {
			if d.Name == name {
				nodes = append(nodes, hostPath(n))
			}
		}
	}
	return nodes
}

func hostPath(n *specs.DeviceNode) string {
	if n.HostPath != "" {
		return path.Clean(n.HostPath)
	}
	return path.Clean(n.Path)
}

func (f *finder) take(s plan.Source, used string) {
	f.Sources = append(f.Sources, s)
	if !slices.Contains(f.Used, used) {
		f.Used = append(f.Used, used)
	}
}

func (f *finder) warn(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(f.Warnings, text) {
		f.Warnings = append(f.Warnings, text)
	}
}
