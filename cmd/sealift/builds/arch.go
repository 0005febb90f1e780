package builds

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/runtime/host"
)

// architectures are names that users and other tools have for those of Go.
var architectures = map[string]string{
	"x86_64": "amd64", "i386": "386", "i686": "386", "aarch64": "arm64", "armhf": "arm", "loongarch64": "loong64",
}

// setTarget sets what the build is for: an architecture, and a variant of it,
// both as flags have them. machine is the architecture of this machine and root
// its file tree.
func setTarget(h *build.Host, arch, variant, machine string, root fs.FS) error {
	h.Native = machine
	if arch == "" {
		h.Arch, h.Variant = machine, variant
		return nil
	}
	known := host.Architectures()
	name := arch
	if n, ok := architectures[arch]; ok {
		name = n
	} else if bits, v, ok := strings.Cut(arch, "v"); ok && (bits == "arm32" || bits == "arm64") && variant == "" {
		name, variant = strings.TrimSuffix(bits, "32"), "v"+v // as in the names of Docker Hub
	}
	if !slices.Contains(known, name) {
		return hint.New(fmt.Sprintf("--arch %s is not known", arch), "use one of %s", strings.Join(known, ", "))
	}
	h.Arch, h.Variant = name, variant
	if (image.Info{Arch: name}).RunsOn(machine) != nil {
		h.Foreign = foreign(root, name, machine)
	}
	return nil
}

// foreign says why programs of another architecture do not run here, nil when
// an emulator runs them.
func foreign(root fs.FS, arch, machine string) error {
	e, found := host.FindEmulator(root, arch)
	switch {
	case !found:
		return hint.New(fmt.Sprintf("this machine is %s and has no emulator for %s", machine, arch),
			"have the administrator install one (Debian: qemu-user-binfmt), build on another machine, or leave scripts and tests out")
	case !e.Open:
		return hint.New(fmt.Sprintf("the emulator %s for %s cannot be seen in a container", e.Path, arch),
			"have the administrator register it with the flag F (Debian: qemu-user-binfmt)")
	}
	return nil
}
