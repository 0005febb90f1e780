package probe

import (
	"cmp"
	"context"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/gpu/cdifile"
	"github.com/sealift/sealift/gpu/discover"
	"github.com/sealift/sealift/gpu/request"
	"github.com/sealift/sealift/runtime/doctor"
)

// gpuNodes are patterns of device nodes.
var gpuNodes = []string{
	"/dev/nvidia[0-9]*", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/kfd", "/dev/dri/renderD*", "/dev/accel/accel[0-9]*",
}

// gpu looks for devices that compute, and their drivers.
func gpu(ctx context.Context, m *machine) func(*doctor.Findings) {
	g := doctor.GPU{NVIDIA: read("/proc/driver/nvidia/version"), Nodes: nodes(gpuNodes)}
	for i := range g.Nodes {
		name := filepath.Base(g.Nodes[i].Path)
		g.Nodes[i].Vendor = cmp.Or(read("/sys/class/drm/"+name+"/device/vendor"), read("/sys/class/accel/"+name+"/device/vendor"))
	}
	devices, _ := filepath.Glob("/sys/bus/pci/devices/*") // the pattern is well-formed
	for _, dir := range devices {
		// PCI classes 03 and 12: display controllers, and processing accelerators.
		if class := read(dir + "/class"); strings.HasPrefix(class, "0x03") || strings.HasPrefix(class, "0x12") {
			g.PCI = append(g.PCI, read(dir+"/vendor"))
		}
	}
	m.nvidia(ctx, &g)
	return func(f *doctor.Findings) { f.GPU = g }
}

// nvidia finds out what --nv would.
func (m *machine) nvidia(ctx context.Context, g *doctor.GPU) {
	h := discover.Local(m.host.Root, m.Environ, m.host.Arch, m.Program)
	h.Modprobe = "" // nothing is changed
	d := h.Driver()
	g.Libraries, g.LibraryDir = d.Version, d.Dir
	cdi, err := cdifile.Read(request.DefaultCDIDirs())
	if err != nil {
		g.Problems = append(g.Problems, err.Error())
		return
	}
	h.CDI = cdi
	found, err := discover.Find(ctx, &request.Request{NVIDIA: &request.NVIDIA{IDs: []string{"all"}}}, h)
	if err != nil {
		g.Problems = append(g.Problems, err.Error())
		return
	}
	g.Problems = append(g.Problems, found.Warnings...)
	if len(found.Used) > 0 {
		g.Way = found.Used[0]
	}
}

// nodes opens the device nodes that match patterns.
func nodes(patterns []string) []doctor.Node {
	var list []doctor.Node
	for _, pattern := range patterns {
		paths, _ := filepath.Glob(pattern) // well-formed
		for _, path := range paths {
			var st unix.Stat_t
			if unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR {
				list = append(list, doctor.Node{Path: path, Open: open(path)})
			}
		}
	}
	return list
}

// fabricNodes are patterns of device nodes.
var fabricNodes = []string{"/dev/infiniband/uverbs[0-9]*", "/dev/cxi[0-9]*", "/dev/hfi1_[0-9]*"}

// fabric looks for fast networks.
func fabric(context.Context, *machine) func(*doctor.Findings) {
	n := doctor.Fabric{Nodes: nodes(fabricNodes)}
	ports, _ := filepath.Glob("/sys/class/infiniband/*/ports/*") // well-formed
	for _, dir := range ports {
		n.Ports = append(n.Ports, doctor.Port{
			Device: filepath.Base(filepath.Dir(filepath.Dir(dir))),
			State:  read(dir + "/state"), Rate: read(dir + "/rate"), Layer: read(dir + "/link_layer"),
		})
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil {
		n.MemLock = limit.Cur
	}
	return func(f *doctor.Findings) { f.Fabric = n }
}
