package files

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/gpu/mask"
)

// tree is a host with these files; those in /dev are devices. NAME=TEXT has content.
func tree(names ...string) *Host {
	root := fstest.MapFS{}
	for _, name := range names {
		name, text, _ := strings.Cut(name, "=")
		f := &fstest.MapFile{Data: []byte(text)}
		if strings.HasPrefix(name, "/dev/") {
			f.Mode = fs.ModeDevice | fs.ModeCharDevice | 0o666
		}
		root[relative(name)] = f
	}
	return &Host{Root: root, Arch: "amd64"}
}

// text is the printed form of a specification.
func text(s *specs.Spec) string {
	if s == nil {
		return "none"
	}
	var b strings.Builder
	edits := func(e *specs.ContainerEdits) {
		for _, n := range e.DeviceNodes {
			b.WriteString(" " + n.Path)
		}
		for _, m := range e.Mounts {
			b.WriteString(" " + m.HostPath)
			if m.HostPath != m.ContainerPath {
				b.WriteString(">" + m.ContainerPath)
			}
		}
	}
	edits(&s.ContainerEdits)
	for i := range s.Devices {
		b.WriteString("; " + s.Devices[i].Name)
		edits(&s.Devices[i].ContainerEdits)
	}
	return strings.TrimPrefix(strings.TrimPrefix(b.String(), "; "), " ")
}

func TestNVIDIA(t *testing.T) {
	const deb = "/usr/lib/x86_64-linux-gnu/"
	h := tree("/dev/nvidia0", "/dev/nvidia1", "/dev/nvidia10", "/dev/nvidia-uvm", "/dev/nvidiactl", "/dev/nvidia-caps/nvidia-cap1",
		"/proc/driver/nvidia/version=NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Thu\n",
		"/proc/driver/nvidia/gpus/0000:81:00.0/information=Device Minor: \t 0\n", "/proc/driver/nvidia/gpus/0000:01:00.0/information=Device Minor: \t 1\n",
		"/proc/driver/nvidia/gpus/0000:c1:00.0/information=Device Minor: \t 10\n",
		deb+"libcuda.so.535.1.1", deb+"libcuda.so.550.54.15", deb+"libcuda.so.1", deb+"libGL.so.1.7.0", deb+"libnvidia-ml.so.550.54.15",
		deb+"libnvidia-egl-gbm.so.1.1.1", deb+"vdpau/libvdpau_nvidia.so.550.54.15", "/usr/lib/i386-linux-gnu/libcuda.so.550.54.15",
		"/usr/bin/nvidia-smi", "/etc/OpenCL/vendors/nvidia.icd", "/usr/share/glvnd/egl_vendor.d/10_nvidia.json", "/etc/vulkan/icd.d/nvidia_icd.json",
		"/run/nvidia-persistenced/socket")
	common := "/dev/nvidia-uvm /dev/nvidiactl " + deb + "libcuda.so.550.54.15 " + deb + "libnvidia-egl-gbm.so.1.1.1 " + deb + "libnvidia-ml.so.550.54.15 " +
		deb + "vdpau/libvdpau_nvidia.so.550.54.15"
	rest := " /usr/bin/nvidia-smi /usr/share/glvnd/egl_vendor.d/10_nvidia.json /etc/vulkan/icd.d/nvidia_icd.json /etc/OpenCL/vendors/nvidia.icd" +
		" /run/nvidia-persistenced/socket; 0 /dev/nvidia1; 1 /dev/nvidia0; 2 /dev/nvidia10"
	for compat32, more := range map[bool]string{false: "", true: " /usr/lib/i386-linux-gnu/libcuda.so.550.54.15"} {
		s := h.NVIDIA(compat32)
		if got, want := text(s), common+more+rest; got != want {
			t.Errorf("compat32 %v\n%s\n%s", compat32, got, want)
		}
		i := slices.IndexFunc(s.ContainerEdits.Hooks, func(h *specs.Hook) bool { return h.Args[1] == "update-ldcache" })
		if got := strings.Join(s.ContainerEdits.Hooks[i].Args[2:], " "); !strings.HasPrefix(got, "--folder /usr/lib/x86_64-linux-gnu --folder "+deb+"vdpau") {
			t.Error(got)
		}
	}
}

// TestLinkedLibraries: in a container, links stand for a driver's libraries.
func TestLinkedLibraries(t *testing.T) {
	const dir = "/usr/lib64/"
	h := tree(dir+"libcuda.so.550.54.15", "/driver/libnvidia-ml.so.550.54.15")
	for name, to := range map[string]string{"libnvidia-ml.so.550.54.15": "../../driver/libnvidia-ml.so.550.54.15", "libnvidia-ml.so.1": "libnvidia-ml.so.550.54.15", "libnvidia-cfg.so.550.54.15": "nowhere"} {
		h.Root.(fstest.MapFS)[relative(dir+name)] = &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink}
	}
	if got, want := text(h.NVIDIA(false)), dir+"libcuda.so.550.54.15 "+dir+"libnvidia-ml.so.550.54.15"; got != want {
		t.Error(got)
	}
}

func TestElsewhere(t *testing.T) {
	h := tree("/usr/local/nvidia/lib64/libcuda.so.570.1.1", "/usr/local/nvidia/bin/nvidia-smi", "/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json")
	want := "/usr/local/nvidia/lib64/libcuda.so.570.1.1 /usr/local/nvidia/bin/nvidia-smi>/usr/bin/nvidia-smi " +
		"/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json>/usr/share/vulkan/icd.d/nvidia_icd.json"
	if got := text(h.NVIDIA(false)); got != want {
		t.Error(got)
	}
	h.Environ = []string{"LD_LIBRARY_PATH=:relative:/opt/nv/"}
	h.Root.(fstest.MapFS)["opt/nv/libcuda.so.1.2"] = &fstest.MapFile{}
	if got := h.Driver(); got != (Driver{"/opt/nv", "1.2"}) {
		t.Error(got)
	}
}

func TestNothing(t *testing.T) {
	h := tree("/dev/nvidiactl", "/dev/null", "/usr/lib64/libcuda.so.1")
	if s := h.NVIDIA(true); s != nil {
		t.Error(text(s))
	}
	if h.ROCm(h.AMD()) != nil || h.Intel() != nil || h.RDMA() != nil || h.MPS() != nil || h.KernelVersion() != "" {
		t.Error("there is something")
	}
}

func TestInstances(t *testing.T) {
	h := tree("/dev/nvidia0", "/dev/nvidia1", "/dev/nvidia-caps/nvidia-cap1", "/dev/nvidia-caps/nvidia-cap2", "/dev/nvidia-caps/nvidia-cap12",
		"/dev/nvidia-caps/nvidia-cap13", "/dev/nvidia-caps/nvidia-cap21", "/dev/nvidia-caps/nvidia-cap22",
		"/proc/driver/nvidia-caps/mig-minors=config 1\nmonitor 2\ngpu0/gi1/access 12\ngpu0/gi1/ci0/access 13\ngpu0/gi1/ci1/access 14\n"+
			"gpu0/gi2/access 21\ngpu0/gi2/ci0/access 22\ngpu1/gi1/access 147\ngpu1/gi1/ci0/access 148\nx\n")
	c := "/dev/nvidia-caps/nvidia-cap"
	if got, want := text(h.NVIDIA(false)), "0:0 /dev/nvidia0 "+c+"12 "+c+"13; 0:1 /dev/nvidia0 "+c+"21 "+c+"22; 1 /dev/nvidia1"; got != want {
		t.Error(got)
	}
	for mode, want := range map[string]string{"mig-config": "all " + c + "1", "mig-monitor": "all " + c + "2"} {
		if s, err := h.Mode(mode, nil); err != nil || text(s) != want {
			t.Errorf("%s: %v %s", mode, err, text(s))
		}
	}
}

func TestModes(t *testing.T) {
	full := tree("/dev/nvidia-fs0", "/dev/gdrdrv", "/dev/infiniband/uverbs0", "/dev/infiniband/rdma_cm", "/dev/infiniband/umad0", "/dev/nvidia-nvswitchctl",
		"/dev/nvidia-caps-imex-channels/channel0", "/dev/nvidia-caps-imex-channels/channel1", "/etc/cufile.json", "/run/udev/data")
	for _, c := range []struct{ mode, channels, want string }{
		{"gds", "", "/run/udev /etc/cufile.json; all /dev/nvidia-fs0"}, {"gdrcopy", "", "all /dev/gdrdrv"}, {"nvswitch", "", "all /dev/nvidia-nvswitchctl"},
		{"mofed", "", "all /dev/infiniband/uverbs0 /dev/infiniband/rdma_cm"}, {"imex", "channel1", "all /dev/nvidia-caps-imex-channels/channel1"},
		{"imex", "all", "all /dev/nvidia-caps-imex-channels/channel0 /dev/nvidia-caps-imex-channels/channel1"},
	} {
		if s, err := full.Mode(c.mode, []string{c.channels}); err != nil || text(s) != c.want {
			t.Errorf("%s: %v %s", c.mode, err, text(s))
		}
		if s, err := tree().Mode(c.mode, []string{c.channels}); err == nil {
			t.Errorf("%s: %s", c.mode, text(s))
		}
	}
	if got := text(full.RDMA()); got != "all /dev/infiniband/rdma_cm /dev/infiniband/umad0 /dev/infiniband/uverbs0" {
		t.Error(got)
	}
}

// TestNumbered: GPUs are in the order of their vendor's library.
func TestNumbered(t *testing.T) {
	const kfd = "/sys/class/kfd/kfd/topology/nodes/"
	h := tree("/dev/kfd", "/dev/dri/renderD128", "/dev/dri/renderD129", "/dev/dri/renderD130", "/dev/dri/card0",
		kfd+"0/properties=cpu_cores_count 64\ndrm_render_minor 0\n", kfd+"2/properties=unique_id 255\ndrm_render_minor 129\n",
		kfd+"10/properties=unique_id 0\ndrm_render_minor 128\n", kfd+"11/properties=drm_render_minor 140\n", kfd+"12/properties=drm_render_minor x\n")
	if got, want := h.AMD(), []mask.GPU{{Node: "/dev/dri/renderD129", UUID: "GPU-00000000000000ff", Parts: 1}, {Node: "/dev/dri/renderD128", Parts: 1}}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	h = tree("/dev/dri/renderD128", "/dev/dri/renderD129", "/dev/dri/renderD130", "/sys/devices/0000:02:00.0/vendor=0x8086\n",
		"/sys/devices/0000:02:00.0/tile0/id=", "/sys/devices/0000:02:00.0/tile1/id=", "/sys/devices/0000:01:00.0/vendor=0x8086\n",
		"/sys/devices/0000:01:00.0/drm/card1/gt/gt0/id=", "/sys/devices/0000:03:00.0/vendor=0x1002\n")
	for i, at := range []string{"02", "01", "03"} {
		h.Root.(fstest.MapFS)[fmt.Sprintf("sys/class/drm/renderD%d/device", 128+i)] = &fstest.MapFile{Data: []byte("../../../devices/0000:" + at + ":00.0"), Mode: fs.ModeSymlink}
	}
	if got, want := h.Intel(), []mask.GPU{{Node: "/dev/dri/renderD129", Parts: 1}, {Node: "/dev/dri/renderD128", Parts: 2}}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if got := text(h.IntelGPU(h.Intel())); got != "all /dev/dri/renderD129 /dev/dri/renderD128" {
		t.Error(got)
	}
}

func TestOthers(t *testing.T) {
	h := tree("/dev/kfd", "/dev/dri/renderD128", "/dev/dri/renderD129", "/sys/class/drm/renderD128/device/vendor=0x1002\n", "/sys/class/drm/renderD129/device/vendor=0x10de\n",
		"/dev/accel/accel0", "/dev/accel/accel_controlD0", "/dev/accel/accel1", "/sys/class/infiniband/hbl_1/device/infiniband_verbs/uverbs3/dev", "/dev/infiniband/uverbs3",
		"/mps/control")
	if got := text(h.ROCm(h.AMD())); got != "all /dev/kfd /dev/dri/renderD128" {
		t.Error(got)
	}
	for _, c := range []struct {
		modules       []string
		want, missing string
	}{
		{nil, "all /dev/accel/accel0 /dev/accel/accel_controlD0 /dev/accel/accel1 /dev/infiniband/uverbs3", ""},
		{[]string{"0", "7"}, "all /dev/accel/accel0 /dev/accel/accel_controlD0", "7"}, {[]string{}, "none", ""},
	} {
		if s, missing := h.HPU(c.modules); text(s) != c.want || strings.Join(missing, " ") != c.missing {
			t.Errorf("%q: %s %q", c.modules, text(s), missing)
		}
	}
	h.Environ = []string{"CUDA_MPS_PIPE_DIRECTORY=/mps"}
	if got := text(h.MPS()); got != "/mps" {
		t.Error(got)
	}
	if got := text(Nodes([]string{"/dev/x"})); got != "all /dev/x" {
		t.Error(got)
	}
}
