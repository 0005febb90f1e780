package files

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/gpu/mask"
)

// AMD returns AMD's GPUs in the order in which ROCr numbers them, which is that of the
// kernel's topology.
func (h *Host) AMD() (gpus []mask.GPU) {
	if !h.isDevice("/dev/kfd") {
		return nil
	}
	const topology = "/sys/class/kfd/kfd/topology/nodes"
	nodes := h.names(topology)
	slices.SortFunc(nodes, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }) // they are numbers
	for _, n := range nodes {
		minor, id := 0, uint64(0)
		for line := range strings.Lines(h.read(path.Join(topology, n, "properties"))) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch v, err := strconv.ParseUint(value, 10, 64); {
			case err != nil:
			case key == "drm_render_minor":
				minor = int(v)
			case key == "unique_id":
				id = v
			}
		}
		g := mask.GPU{Node: fmt.Sprintf("/dev/dri/renderD%d", minor), Parts: 1}
		if id != 0 {
			g.UUID = fmt.Sprintf("GPU-%016x", id)
		}
		if minor > 0 && h.isDevice(g.Node) {
			gpus = append(gpus, g)
		}
	}
	if len(gpus) == 0 {
		gpus = h.graphics("0x1002")
	}
	return gpus
}

// Intel returns Intel's GPUs in the order of the PCI bus, as Level Zero numbers those of
// one kind.
func (h *Host) Intel() []mask.GPU {
	gpus := h.graphics("0x8086")
	bus := map[string]string{}
	for i, g := range gpus {
		device := "/sys/class/drm/" + path.Base(g.Node) + "/device"
		if to, err := fs.ReadLink(h.Root, relative(device)); err == nil {
			bus[g.Node] = path.Base(to)
		}
		// The drivers xe and i915 have a directory for each tile.
		tiles, _ := fs.Glob(h.Root, relative(device)+"/tile[0-9]*") // well-formed
		if len(tiles) == 0 {
			tiles, _ = fs.Glob(h.Root, relative(device)+"/drm/card[0-9]*/gt/gt[0-9]*")
		}
		gpus[i].Parts = max(1, len(tiles))
	}
	slices.SortStableFunc(gpus, func(a, b mask.GPU) int { return cmp.Compare(bus[a.Node], bus[b.Node]) })
	return gpus
}

// graphics are the render nodes of a vendor, in the order of their numbers.
func (h *Host) graphics(vendor string) (gpus []mask.GPU) {
	for _, node := range h.devices("/dev/dri/renderD*") {
		if h.vendor(node) == vendor {
			gpus = append(gpus, mask.GPU{Node: node, Parts: 1})
		}
	}
	return gpus
}

// ROCm returns a specification of GPUs of AMD's; nil is none. The images bring the
// libraries: those of a host would need its C library.
func (h *Host) ROCm(gpus []mask.GPU) *specs.Spec {
	if !h.isDevice("/dev/kfd") {
		return nil
	}
	return nodes("amd.com/gpu", append([]string{"/dev/kfd"}, names(gpus)...))
}

// IntelGPU returns a specification of GPUs of Intel's; nil is none.
func (h *Host) IntelGPU(gpus []mask.GPU) *specs.Spec { return nodes("intel.com/gpu", names(gpus)) }

func names(gpus []mask.GPU) (list []string) {
	for _, g := range gpus {
		list = append(list, g.Node)
	}
	return list
}
