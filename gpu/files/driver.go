package files

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	specs "tags.cncf.io/container-device-interface/specs-go"
)

// Programs of the driver, sockets of its services, and files that tell other libraries
// of it: below /etc and /usr/share, or beside the libraries.
var (
	programs = []string{"nvidia-smi", "nvidia-debugdump", "nvidia-persistenced", "nvidia-cuda-mps-control", "nvidia-cuda-mps-server",
		"nvidia-imex", "nvidia-imex-ctl"}
	sockets = []string{"/run/nvidia-persistenced/socket", "/run/nvidia-fabricmanager/socket"}
	configs = []string{"glvnd/egl_vendor.d/10_nvidia.json", "egl/egl_external_platform.d/10_nvidia_wayland.json",
		"egl/egl_external_platform.d/15_nvidia_gbm.json", "egl/egl_external_platform.d/20_nvidia_xcb.json",
		"egl/egl_external_platform.d/20_nvidia_xlib.json", "vulkan/icd.d/nvidia_icd.json", "vulkan/icd.d/nvidia_icd.x86_64.json",
		"vulkan/icd.d/nvidia_icd.aarch64.json", "vulkan/implicit_layer.d/nvidia_layers.json", "OpenCL/vendors/nvidia.icd", "nvidia/nvoptix.bin"}
)

// Directories of 32-bit libraries.
var dirs32 = []string{"/usr/lib/i386-linux-gnu", "/usr/lib/i386-linux-gnu/nvidia/current", "/usr/lib32", "/usr/lib"}

// driverFiles adds the files of a driver, and what is to be done with them: in the form
// of hooks.
func (h *Host) driverFiles(e *specs.ContainerEdits, d Driver, compat32 bool) {
	dirs := []string{d.Dir}
	if compat32 {
		dirs = append(dirs, dirs32...)
	}
	folders := []string{"update-ldcache"}
	for _, dir := range dirs {
		if len(folders) > 1 && dir == d.Dir {
			continue // /usr/lib may be both
		}
		for _, sub := range []string{"", "vdpau"} {
			if n := len(e.Mounts); h.libraries(e, path.Join(dir, sub), d.Version) > n {
				folders = append(folders, "--folder", path.Join(dir, sub))
			}
		}
	}
	for _, name := range programs {
		if file := h.first(name, "/usr/bin", "/bin", "/usr/sbin", path.Join(d.Dir, "../bin")); file != "" {
			e.Mounts = append(e.Mounts, mount(file, "/usr/bin/"+name, "ro"))
		}
	}
	for _, name := range configs {
		file := h.first(name, "/usr/share", "/etc", path.Join(d.Dir, "../share"))
		target := file
		if !strings.HasPrefix(file, "/etc/") {
			target = "/usr/share/" + name
		}
		if strings.HasPrefix(name, "OpenCL/") {
			target = "/etc/" + name
		}
		if file != "" {
			e.Mounts = append(e.Mounts, mount(file, target, "ro"))
		}
	}
	for _, name := range sockets {
		if h.exists(name) {
			e.Mounts = append(e.Mounts, mount(name, name, "noexec"))
		}
	}
	hook := func(args ...string) {
		e.Hooks = append(e.Hooks, &specs.Hook{HookName: "createContainer", Path: "nvidia-cdi-hook", Args: append([]string{"nvidia-cdi-hook"}, args...)})
	}
	hook("create-symlinks",
		"--link", "libcuda.so.1::"+d.Dir+"/libcuda.so",
		"--link", "libnvidia-opticalflow.so.1::"+d.Dir+"/libnvidia-opticalflow.so",
		"--link", "libGLX_nvidia.so."+d.Version+"::"+d.Dir+"/libGLX_indirect.so.0",
		"--link", "../libnvidia-allocator.so.1::"+d.Dir+"/gbm/nvidia-drm_gbm.so")
	hook(folders...)
	hook("enable-cuda-compat", "--host-driver-version="+d.Version)
	hook("update-application-profile")
}

// libraries adds those of a directory that belong to a version of the driver, and says
// how many mounts there are then. Links to them are made anew.
func (h *Host) libraries(e *specs.ContainerEdits, dir, version string) int {
	entries, _ := fs.ReadDir(h.Root, relative(dir)) // what cannot be read has none
	for _, d := range entries {
		name := d.Name()
		if !strings.HasPrefix(name, "lib") || strings.ContainsAny(name, ":\n") {
			continue
		}
		// In a container, a link may stand for the file.
		whole := strings.HasSuffix(name, ".so."+version) && (d.Type().IsRegular() || d.Type() == fs.ModeSymlink && h.exists(path.Join(dir, name)))
		if whole || d.Type().IsRegular() && strings.HasPrefix(name, "libnvidia-egl-") && strings.Contains(name, ".so.") {
			e.Mounts = append(e.Mounts, mount(path.Join(dir, name), path.Join(dir, name), "ro"))
		}
	}
	return len(e.Mounts)
}

// first returns the first file of a name in dirs, empty for none.
func (h *Host) first(name string, dirs ...string) string {
	i := slices.IndexFunc(dirs, func(dir string) bool { return h.exists(path.Join(dir, name)) })
	if i < 0 {
		return ""
	}
	return path.Join(dirs[i], name)
}

func mount(source, target string, flags ...string) *specs.Mount {
	return &specs.Mount{HostPath: source, ContainerPath: target, Options: append(flags, "nosuid", "nodev", "rbind", "rprivate")}
}
