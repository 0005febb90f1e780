// Package files finds devices and drivers by looking at the files of a host: names in
// /dev, libraries where distributions have them, and what the kernel says in /proc and
// /sys.
//
// Input: a file tree, rooted at /. Output: specifications of CDI, in the form in which
// vendors' tools write them. It is pure, and opens no device.
package files

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/gpu/plan"
)

// Host is what is looked at.
type Host struct {
	Root fs.FS
	// Environ is the caller's environment, NAME=value.
	Environ []string
	// Arch is the architecture, by Go's name.
	Arch string
}

// Kind is that of NVIDIA's GPUs.
const Kind = "nvidia.com/gpu"

// NVIDIA returns a specification of the GPUs that have device nodes, and of the
// driver's files; nil where there is neither.
func (h *Host) NVIDIA(compat32 bool) *specs.Spec {
	s := &specs.Spec{Version: "0.5.0", Kind: Kind}
	e := &s.ContainerEdits
	for _, name := range []string{"nvidia-modeset", "nvidia-uvm", "nvidia-uvm-tools", "nvidiactl"} {
		if node := "/dev/" + name; h.isDevice(node) {
			e.DeviceNodes = append(e.DeviceNodes, &specs.DeviceNode{Path: node})
		}
	}
	s.Devices = h.gpus()
	if d := h.Driver(); d.Version != "" {
		h.driverFiles(e, d, compat32)
	}
	if len(s.Devices) == 0 && len(e.Mounts) == 0 {
		return nil
	}
	return s
}

// gpus are those with device nodes, numbered in the order of the PCI bus, with their
// instances (MIG).
func (h *Host) gpus() (devices []specs.Device) {
	bus := h.busLocations()
	var minors []int
	for _, name := range h.names("/dev") {
		rest, ok := strings.CutPrefix(name, "nvidia")
		if n, err := strconv.Atoi(rest); ok && err == nil && h.isDevice("/dev/"+name) {
			minors = append(minors, n)
		}
	}
	slices.SortFunc(minors, func(a, b int) int { return cmp.Or(cmp.Compare(bus[a], bus[b]), cmp.Compare(a, b)) })
	for i, minor := range minors {
		node := &specs.DeviceNode{Path: fmt.Sprintf("/dev/nvidia%d", minor)}
		instances := h.instances(minor)
		if len(instances) == 0 {
			devices = append(devices, specs.Device{Name: strconv.Itoa(i), ContainerEdits: specs.ContainerEdits{DeviceNodes: []*specs.DeviceNode{node}}})
		}
		for j, caps := range instances {
			e := specs.ContainerEdits{DeviceNodes: []*specs.DeviceNode{node}}
			for _, n := range caps {
				e.DeviceNodes = append(e.DeviceNodes, &specs.DeviceNode{Path: capability(n)})
			}
			devices = append(devices, specs.Device{Name: fmt.Sprintf("%d:%d", i, j), ContainerEdits: e})
		}
	}
	return devices
}

// busLocations are where GPUs are on the PCI bus, by their minor numbers.
func (h *Host) busLocations() map[int]string {
	found := map[int]string{}
	files, _ := fs.Glob(h.Root, "proc/driver/nvidia/gpus/*/information") // well-formed
	for _, file := range files {
		for line := range strings.Lines(h.read("/" + file)) {
			key, value, _ := strings.Cut(line, ":")
			if n, err := strconv.Atoi(strings.TrimSpace(value)); key == "Device Minor" && err == nil {
				found[n] = path.Base(path.Dir(file))
			}
		}
	}
	return found
}

// instances are the capabilities, as numbers of nodes, of each instance of a GPU that
// exists: the kernel lists all that there could be.
func (h *Host) instances(minor int) [][2]int {
	found := map[string][2]int{}
	gi := map[string]int{}
	for line := range strings.Lines(h.read("/proc/driver/nvidia-caps/mig-minors")) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(number)
		parts := strings.Split(name, "/")
		if err != nil || parts[0] != fmt.Sprintf("gpu%d", minor) || !h.isDevice(capability(n)) {
			continue
		}
		switch {
		case len(parts) == 3: // gpu0/gi1/access
			gi[parts[1]] = n
		case len(parts) == 4 && gi[parts[1]] > 0: // gpu0/gi1/ci0/access
			found[parts[1]+"/"+parts[2]] = [2]int{gi[parts[1]], n}
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b [2]int) int { return cmp.Or(a[0]-b[0], a[1]-b[1]) })
}

func capability(n int) string { return fmt.Sprintf("/dev/nvidia-caps/nvidia-cap%d", n) }

// Driver is where the libraries of NVIDIA's driver are. The version is that of
// libcuda, empty where there is none.
type Driver struct{ Dir, Version string }

var triplets = map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu", "ppc64le": "powerpc64le-linux-gnu"}

// Driver looks for the libraries where distributions and administrators put them. Of
// several versions in a directory, that of the kernel counts.
func (h *Host) Driver() Driver {
	dirs := []string{"/usr/lib64", "/usr/lib/" + triplets[h.Arch], "/usr/lib/" + triplets[h.Arch] + "/nvidia/current"}
	for _, e := range h.Environ {
		if list, ok := strings.CutPrefix(e, "LD_LIBRARY_PATH="); ok {
			dirs = append(dirs, strings.Split(list, ":")...)
		}
	}
	dirs = append(dirs, "/usr/lib64/nvidia", "/usr/local/nvidia/lib64", "/run/opengl-driver/lib", "/usr/lib/wsl/lib", "/usr/lib")
	kernel := h.KernelVersion()
	for _, dir := range dirs {
		if !path.IsAbs(dir) {
			continue
		}
		best := ""
		for _, name := range h.names(dir) {
			v, ok := strings.CutPrefix(name, "libcuda.so.")
			if ok && strings.Contains(v, ".") && (best == "" || best != kernel) {
				best = v
			}
		}
		if best != "" {
			return Driver{path.Clean(dir), best}
		}
	}
	return Driver{}
}

// KernelVersion is the version of NVIDIA's kernel module, empty where it is not loaded.
func (h *Host) KernelVersion() string {
	return plan.DriverVersion(h.read("/proc/driver/nvidia/version"))
}

// names lists a directory, sorted; one that cannot be read has none.
func (h *Host) names(dir string) (names []string) {
	entries, _ := fs.ReadDir(h.Root, relative(dir))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// read returns a file's text; one that cannot be read has none.
func (h *Host) read(name string) string {
	text, _ := fs.ReadFile(h.Root, relative(name))
	return string(text)
}

func (h *Host) isDevice(name string) bool {
	info, err := fs.Stat(h.Root, relative(name))
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}

func (h *Host) exists(name string) bool {
	_, err := fs.Stat(h.Root, relative(name))
	return err == nil
}

func relative(name string) string {
	if name = strings.TrimPrefix(path.Clean(name), "/"); name == "" {
		return "."
	}
	return name
}
