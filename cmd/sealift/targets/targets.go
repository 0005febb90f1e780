// Package targets is the platform that a command is for.
//
// Input: the values of --arch, --arch-variant and --platform. Output: what a
// build or pull needs to know of it.
package targets

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/runtime/host"
)

// architectures are names that users and other tools have for those of Go.
var architectures = map[string]string{
	"x86_64": "amd64", "i386": "386", "i686": "386", "aarch64": "arm64", "armhf": "arm", "loongarch64": "loong64",
}

// Flags say what an image is for.
type Flags struct{ arch, variant, platform string }

// Add adds the flags; variable is that of --arch.
func (f *Flags) Add(flags *pflag.FlagSet, usage, variable string) {
	flags.StringVar(&f.arch, "arch", "", usage)
	ui.Bind(flags, "arch", variable)
	flags.StringVar(&f.variant, "arch-variant", "", "`variant` of the architecture, such as v7 of arm")
	ui.Bind(flags, "arch-variant", variable+"_VARIANT")
	flags.StringVar(&f.platform, "platform", "", "the same as `OS/ARCHITECTURE[/VARIANT]`, such as linux/arm64")
	ui.Bind(flags, "platform", "PLATFORM")
}

// Set sets what h is for. root is the file tree of this machine.
func (f *Flags) Set(h *build.Host, root fs.FS) error {
	arch, variant := f.arch, f.variant
	if f.platform != "" {
		if arch != "" || variant != "" {
			return errors.New("--platform says what --arch and --arch-variant do; use one way")
		}
		parts := strings.Split(f.platform, "/")
		if len(parts) < 2 || len(parts) > 3 || parts[0] != "linux" {
			return hint.New(fmt.Sprintf("--platform %s is none that images are made for", f.platform), "write linux/ARCHITECTURE or linux/ARCHITECTURE/VARIANT")
		}
		arch = parts[1]
		if len(parts) == 3 {
			variant = parts[2]
		}
	}
	return setTarget(h, arch, variant, runtime.GOARCH, root)
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
