package plan

import (
	"path"
	"slices"
	"strings"
)

// parts says which capability needs a file, by the beginning of its name. The longest
// beginning counts. What is not here comes with every capability.
var parts = []struct{ prefix, capability string }{
	{"libnvidia-ml.", "utility"}, {"libnvidia-cfg.", "utility"}, {"libnvidia-nscq", "utility"},
	{"nvidia-smi", "utility"}, {"nvidia-debugdump", "utility"}, {"nvidia-persistenced", "utility"},

	{"libcuda.", "compute"}, {"libcudadebugger.", "compute"}, {"libnvidia-opencl.", "compute"}, {"libnvidia-gpucomp.", "compute"},
	{"libnvidia-ptxjitcompiler.", "compute"}, {"libnvidia-allocator.", "compute"}, {"libnvidia-nvvm", "compute"},
	{"libnvidia-pkcs11", "compute"}, {"libnvidia-tileiras", "compute"}, {"nvidia-cuda-mps-", "compute"}, {"nvidia.icd", "compute"},

	{"libvdpau_nvidia.", "video"}, {"libnvidia-encode.", "video"}, {"libnvidia-opticalflow.", "video"}, {"libnvcuvid.", "video"},

	{"libnvidia-eglcore.", "graphics"}, {"libnvidia-glcore.", "graphics"}, {"libnvidia-tls.", "graphics"}, {"libnvidia-glsi.", "graphics"},
	{"libnvidia-fbc.", "graphics"}, {"libnvidia-rtcore.", "graphics"}, {"libnvoptix.", "graphics"}, {"nvoptix.bin", "graphics"},
	{"libGLX_nvidia.", "graphics"}, {"libEGL_nvidia.", "graphics"}, {"libGLESv1_CM_nvidia.", "graphics"}, {"libGLESv2_nvidia.", "graphics"},
	{"libnvidia-glvkspirv.", "graphics"}, {"libnvidia-cbl.", "graphics"}, {"libnvidia-egl-", "graphics"}, {"libnvidia-vulkan-producer.", "graphics"},
	{"10_nvidia", "graphics"}, {"15_nvidia", "graphics"}, {"20_nvidia", "graphics"}, {"nvidia_icd", "graphics"}, {"nvidia_layers", "graphics"},

	{"nvidia_drv.so", "display"}, {"libglxserver_nvidia.", "display"}, {"xorg.conf", "display"}, {"libnvidia-ngx.", "ngx"},
}

// wants says whether a file of NVIDIA's driver, or of anything else, is wanted.
func (p *planner) wants(target string) bool {
	if p.NVIDIA == nil || p.NVIDIA.Capabilities == nil {
		return !strings.Contains(target, "/xorg.conf.d/") // no X server is in a container
	}
	has := p.NVIDIA.Capabilities
	base := path.Base(target)
	for _, part := range parts {
		if strings.HasPrefix(base, part.prefix) {
			// What has a display draws on it.
			return slices.Contains(has, part.capability) || part.capability == "graphics" && slices.Contains(has, "display")
		}
	}
	return true
}
