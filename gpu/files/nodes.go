package files

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "tags.cncf.io/container-device-interface/specs-go"
)

// all is the device of specifications that have no other.
const all = "all"

// nodes returns a specification with one device of these nodes, and nil without any.
func nodes(kind string, names []string) *specs.Spec {
	if len(names) == 0 {
		return nil
	}
	var e specs.ContainerEdits
	for _, name := range names {
		e.DeviceNodes = append(e.DeviceNodes, &specs.DeviceNode{Path: name})
	}
	return &specs.Spec{Version: "0.5.0", Kind: kind, Devices: []specs.Device{{Name: all, ContainerEdits: e}}}
}

// devices lists device nodes that match patterns of paths.
func (h *Host) devices(patterns ...string) (names []string) {
	for _, pattern := range patterns {
		files, _ := fs.Glob(h.Root, relative(pattern)) // patterns are well-formed
		for _, file := range files {
			if h.isDevice("/" + file) {
				names = append(names, "/"+file)
			}
		}
	}
	return names
}

// vendor is the PCI vendor of a graphics device.
func (h *Host) vendor(node string) string {
	return strings.TrimSpace(h.read("/sys/class/drm/" + path.Base(node) + "/device/vendor"))
}

// HPU returns Intel's Gaudi accelerators, those with the numbers in modules or all if
// it is nil, and their network adapters; nil is none. missing are numbers that are not
// there.
func (h *Host) HPU(modules []string) (spec *specs.Spec, missing []string) {
	var names []string
	for _, node := range h.devices("/dev/accel/accel[0-9]*") {
		n := strings.TrimPrefix(path.Base(node), "accel")
		if modules != nil && !slices.Contains(modules, n) {
			continue
		}
		names = append(names, node)
		names = append(names, h.devices("/dev/accel/accel_controlD"+n)...)
		for _, adapter := range []string{"hbl_", "hlib_"} {
			for _, verbs := range h.names("/sys/class/infiniband/" + adapter + n + "/device/infiniband_verbs") {
				names = append(names, h.devices("/dev/infiniband/"+verbs)...)
			}
		}
	}
	for _, m := range modules {
		if !slices.Contains(names, "/dev/accel/accel"+m) {
			missing = append(missing, m)
		}
	}
	return nodes("intel.com/hpu", names), missing
}

// RDMA returns the nodes of InfiniBand, RoCE and the like; nil is none.
func (h *Host) RDMA() *specs.Spec {
	return nodes("sealift/rdma", h.devices("/dev/infiniband/*"))
}

// Nodes returns a specification of nodes that the user named.
func Nodes(names []string) *specs.Spec { return nodes("sealift/node", names) }

// Mode returns what NVIDIA's driver has for a mode: gds, mofed, gdrcopy, nvswitch,
// imex, mig-config, mig-monitor. IMEX channels are numbers, or all. The error says
// what is not there.
func (h *Host) Mode(mode string, channels []string) (*specs.Spec, error) {
	const imex = "/dev/nvidia-caps-imex-channels/channel"
	var names []string
	switch mode {
	case "gds":
		names = h.devices("/dev/nvidia-fs*")
	case "mofed":
		names = h.devices("/dev/infiniband/uverbs*", "/dev/infiniband/rdma_cm")
	case "gdrcopy":
		names = h.devices("/dev/gdrdrv")
	case "nvswitch":
		names = h.devices("/dev/nvidia-nvswitch*")
	case "mig-config", "mig-monitor":
		names = h.migNode(strings.TrimPrefix(mode, "mig-"))
	case "imex":
		if slices.Contains(channels, all) {
			names = h.devices(imex + "*")
			break
		}
		for _, c := range channels {
			node := imex + strings.TrimPrefix(c, "channel")
			if !h.isDevice(node) {
				return nil, fmt.Errorf("there is no IMEX channel %s", c)
			}
			names = append(names, node)
		}
	}
	spec := nodes("nvidia.com/"+mode, names)
	if spec == nil {
		return nil, fmt.Errorf("there are no device nodes for %s", mode)
	}
	if mode == "gds" {
		for _, file := range []string{"/run/udev", "/etc/cufile.json"} {
			if h.exists(file) {
				spec.ContainerEdits.Mounts = append(spec.ContainerEdits.Mounts, mount(file, file, "ro"))
			}
		}
	}
	return spec, nil
}

// migNode is the node that lets its holder configure or monitor all instances.
func (h *Host) migNode(what string) []string {
	for line := range strings.Lines(h.read("/proc/driver/nvidia-caps/mig-minors")) {
		if name, number, _ := strings.Cut(strings.TrimSpace(line), " "); name == what {
			if n, err := strconv.Atoi(number); err == nil && h.isDevice(capability(n)) {
				return []string{capability(n)}
			}
		}
	}
	return nil
}

// MPS returns the directory in which CUDA's multi-process service listens; nil is
// none.
func (h *Host) MPS() *specs.Spec {
	dir := "/tmp/nvidia-mps"
	for _, e := range h.Environ {
		if v, ok := strings.CutPrefix(e, "CUDA_MPS_PIPE_DIRECTORY="); ok && path.IsAbs(v) {
			dir = path.Clean(v)
		}
	}
	if !h.exists(dir + "/control") {
		return nil
	}
	return &specs.Spec{Version: "0.5.0", Kind: "nvidia.com/mps", ContainerEdits: specs.ContainerEdits{Mounts: []*specs.Mount{mount(dir, dir)}}}
}
