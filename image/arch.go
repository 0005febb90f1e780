package image

import (
	"fmt"

	"github.com/sealift/sealift/buildcfg/hint"
)

// runnable maps an architecture to another whose programs it runs too.
var runnable = map[string]string{"amd64": "386", "arm64": "arm"}

// RunsOn refuses an image made for other machines than those of the
// architecture arch, by its Go name. An unknown architecture may be any.
func (i Info) RunsOn(arch string) error {
	if i.Arch == "" || arch == "" || i.Arch == arch || runnable[arch] == i.Arch {
		return nil
	}
	return hint.New(fmt.Sprintf("image %s is for %s, but this machine is %s", i.Path, i.Arch, arch),
		"build or pull the image for %s", arch)
}
