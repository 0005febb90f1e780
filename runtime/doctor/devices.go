package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/sealift/sealift/gpu/plan"
)

// Vendors of devices (pci.ids).
const (
	vendorNVIDIA = "0x10de"
	vendorAMD    = "0x1002"
	vendorIntel  = "0x8086"
	vendorGaudi  = "0x1da3" // Habana Labs, which is Intel's
)

func (f *Findings) gpu() Check {
	var found []string
	for _, look := range []func() (Check, bool){f.nvidia, f.amd, f.intel} {
		c, here := look()
		switch {
		case here && c.State != OK:
			return c
		case here:
			found = append(found, c.Found)
		}
	}
	if len(found) == 0 {
		return Check{State: Absent, Found: "no driver and no device nodes of NVIDIA, AMD or Intel",
			Effect: "programs compute on processors",
			Fix:    "where there is a GPU, have its driver installed; in a batch job, ask for one: " + askForGPU}
	}
	return works("%s; without --contain, containers see the nodes of all", strings.Join(found, "; "))
}

// makeNodes is for a driver without nodes: nvidia-modprobe(1) makes all of them.
const (
	makeNodes = "as root: nvidia-modprobe -u -c 0"
	askForGPU = "srun --gpus=1"
)

func (f *Findings) nvidia() (c Check, here bool) {
	gpus := f.nodes(func(n Node) bool { return numbered(n.Path, "/dev/nvidia") })
	control := f.nodes(func(n Node) bool { return n.Path == "/dev/nvidiactl" || n.Path == "/dev/nvidia-uvm" })
	driver := "NVIDIA driver " + cmp.Or(plan.DriverVersion(f.GPU.NVIDIA), "of unknown version")
	switch {
	case f.GPU.NVIDIA == "" && len(gpus) == 0 && !slices.Contains(f.GPU.PCI, vendorNVIDIA):
		return Check{}, false
	case f.GPU.NVIDIA == "":
		c.Found, c.Fix = "an NVIDIA device, and no driver", asRoot("install NVIDIA's driver for this kernel, then: modprobe nvidia")
	case len(gpus) == 0:
		c.Found, c.Fix = driver+", and no /dev/nvidia0 or the like", makeNodes+"\nin a batch job, ask for one: "+askForGPU
	case len(control) < 2:
		c.Found, c.Fix = driver+", without /dev/nvidiactl or /dev/nvidia-uvm", makeNodes
	default:
		if c = f.usableNodes(driver, gpus, control); c.State == OK {
			c = f.nvidiaFiles(c.Found)
		}
		return c, true
	}
	c.State, c.Effect = Warning, "programs in containers find no GPU"
	return c, true
}

// nvidiaFiles is about the driver's files, where its GPUs may be used.
func (f *Findings) nvidiaFiles(found string) Check {
	g := &f.GPU
	c := Check{State: Warning, Found: found, Effect: "programs in containers find no GPU"}
	switch kernel := plan.DriverVersion(g.NVIDIA); {
	case g.Libraries == "":
		c.Found += "; its libraries are not found"
		c.Fix = "have the driver's libraries of this version installed, or name their directory in LD_LIBRARY_PATH"
	case g.Libraries != kernel && kernel != "":
		c.Found += fmt.Sprintf("; the libraries in %s are of %s", g.LibraryDir, g.Libraries)
		c.Fix = asRoot("restart the machine, so that the kernel has the driver that was installed")
	case len(g.Problems) > 0:
		c.Found += "; " + strings.Join(g.Problems, "; ")
		c.Effect = "--nv takes another way: " + cmp.Or(g.Way, "none")
		c.Fix = "have specifications of CDI written anew, or removed\n" + asRoot("nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml")
		if !strings.Contains(c.Found, "CDI") && !strings.Contains(c.Found, "out of date") {
			c.Fix = "none is needed; nvidia-smi may tell more"
		}
	default:
		return works("%s; --nv finds them by %s", found, cmp.Or(g.Way, "nothing"))
	}
	return c
}

func (f *Findings) amd() (c Check, here bool) {
	control := f.nodes(func(n Node) bool { return n.Path == "/dev/kfd" })
	if len(control) == 0 {
		return Check{}, false
	}
	return f.usableNodes("AMD driver", f.nodes(func(n Node) bool { return n.Vendor == vendorAMD }), control), true
}

func (f *Findings) intel() (c Check, here bool) {
	gpus := f.nodes(func(n Node) bool { return n.Vendor == vendorIntel || n.Vendor == vendorGaudi })
	if len(gpus) == 0 {
		return Check{}, false
	}
	return f.usableNodes("Intel driver", gpus, nil), true
}

// usableNodes counts the GPUs that may be used, which takes all control nodes.
func (f *Findings) usableNodes(driver string, gpus, control []Node) Check {
	n := countOpen(gpus)
	path, fix := f.closed(append(slices.Clone(control), gpus...))
	if path == "" || n > 0 && countOpen(control) == len(control) {
		return works("%s, GPUs that may be used: %d", driver, n)
	}
	return Check{State: Warning, Found: driver + ", but " + path, Effect: "programs in containers find no GPU", Fix: fix}
}

// nodes are those of GPUs that want says.
func (f *Findings) nodes(want func(Node) bool) []Node {
	var list []Node
	for _, n := range f.GPU.Nodes {
		if want(n) {
			list = append(list, n)
		}
	}
	return list
}

// numbered says whether path is prefix and a number.
func numbered(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && rest != "" && strings.Trim(rest, "0123456789") == ""
}

func countOpen(nodes []Node) int {
	n := 0
	for _, node := range nodes {
		if node.Open == 0 {
			n++
		}
	}
	return n
}

// closed is about the first node that may not be opened; found is empty if all
// may.
func (f *Findings) closed(nodes []Node) (found, fix string) {
	i := slices.IndexFunc(nodes, func(n Node) bool { return n.Open != 0 })
	if i < 0 {
		return "", ""
	}
	n := nodes[i]
	switch {
	case n.Open == syscall.EPERM:
		fix = "ask the batch system for it (" + askForGPU + "): the control group of devices forbids it"
	case n.Open == syscall.EACCES && (n.Path == "/dev/kfd" || strings.HasPrefix(n.Path, "/dev/dri/")):
		fix = asRoot("usermod -aG render,video %s", f.user()) + "\nthen log in again"
	case n.Open == syscall.EACCES:
		fix = asRoot("chmod 0666 %s, and have a rule of udev do so", n.Path)
	}
	return fmt.Sprintf("%s may not be opened: %v", n.Path, n.Open), cmp.Or(fix, remedy(""))
}

// enoughLocked is how many bytes have to be lockable for RDMA to be of use.
const enoughLocked = 64 << 20

func (f *Findings) fabric() Check {
	n := f.Fabric
	if len(n.Ports)+len(n.Nodes) == 0 {
		return Check{State: Absent, Found: "no InfiniBand, Slingshot or Omni-Path", Effect: "ranks on several machines speak TCP",
			Fix: "where there is such a network, have its driver loaded (rdma-core, or the vendor's)"}
	}
	c := Check{State: Warning, Found: n.describe(), Effect: "ranks on several machines speak TCP, or do not start"}
	closed, open := f.closed(n.Nodes)
	switch {
	case len(n.Ports) > 0 && !slices.ContainsFunc(n.Ports, active):
		c.Found += "; no port is active"
		c.Fix = "have cables and the subnet manager looked at: ibstat, ibv_devinfo"
	case len(n.Nodes) == 0:
		c.Found += "; no nodes in /dev/infiniband"
		c.Fix = asRoot("modprobe -a ib_uverbs rdma_ucm") + "\nin a container: start that with --device /dev/infiniband (Docker, Podman)"
	case countOpen(n.Nodes) == 0:
		c.Found, c.Fix = c.Found+"; "+closed, open
	case n.MemLock < enoughLocked:
		c.Found += fmt.Sprintf("; only %s may be locked in memory", size(n.MemLock))
		c.Fix = asRoot("echo '* - memlock unlimited' >/etc/security/limits.d/90-rdma.conf, then log in again") +
			"\nfor jobs of Slurm: LimitMEMLOCK=infinity in slurmd's unit, PropagateResourceLimitsExcept=MEMLOCK in slurm.conf"
	default:
		return works("%s", c.Found)
	}
	return c
}

func active(p Port) bool { return strings.Contains(p.State, "ACTIVE") }

// describe names ports, and devices that have nodes only.
func (n Fabric) describe() string {
	var list []string
	for _, p := range n.Ports {
		list = append(list, fmt.Sprintf("%s (%s, %s)", p.Device, p.Layer, p.Rate))
	}
	for _, node := range n.Nodes {
		switch {
		case numbered(node.Path, "/dev/cxi"):
			list = append(list, node.Path+" (Slingshot)")
		case numbered(node.Path, "/dev/hfi1_"):
			list = append(list, node.Path+" (Omni-Path)")
		}
	}
	if len(list) == 0 {
		return "nodes in /dev/infiniband"
	}
	return strings.Join(list, ", ")
}
