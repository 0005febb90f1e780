package plan

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/sealift/sealift/gpu/require"
)

// installed is what is needed to tell what a driver is.
type installed struct {
	host    fs.FS
	version string // that a specification tells
	compat  bool   // the image brings another libcuda
}

// Unmet says which variables of the container, NAME=value, ask for another driver of
// NVIDIA's than there is, in one line; empty is none. A nil plan has no driver.
func (p *Plan) Unmet(environ []string) []string {
	if p == nil || p.driver.host == nil || !slices.ContainsFunc(environ, asks) {
		return nil
	}
	text, _ := fs.ReadFile(p.driver.host, "proc/driver/nvidia/version") // where there is none, a specification may tell
	h := require.Host{Driver: cmp.Or(DriverVersion(string(text)), p.driver.version), Brand: brand(p.driver.host)}
	if !p.driver.compat {
		h.CUDA = require.CUDA(h.Driver)
	}
	var list []string
	for _, v := range require.Unmet(environ, h) {
		if first, more, _ := strings.Cut(v, " "); more != "" {
			v = first + " or the like"
		}
		list = append(list, v)
	}
	if len(list) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the image asks for %s, and the driver is %s: programs may fail; NVIDIA_DISABLE_REQUIRE=true ends this check", strings.Join(list, "; "), h.Driver)}
}

// asks says whether a variable is about drivers.
func asks(variable string) bool {
	return strings.HasPrefix(variable, "NVIDIA_REQUIRE_") || strings.HasPrefix(variable, "CUDA_VERSION=")
}

// brands are how names of GPUs begin, after NVIDIA, and what NVIDIA's library calls
// these. The first that fits counts.
var brands = []struct{ model, brand string }{
	{"Tesla ", "tesla"}, {"Quadro RTX ", "quadrortx"}, {"Quadro ", "quadro"}, {"GeForce ", "geforce"}, {"TITAN ", "titan"}, {"RTX ", "nvidiartx"}, {"GRID ", "grid"},
}

// brand is that of all GPUs that the kernel tells of, empty where they differ or where
// it does not follow from their names.
func brand(host fs.FS) (common string) {
	files, _ := fs.Glob(host, "proc/driver/nvidia/gpus/*/information") // well-formed
	for i, file := range files {
		text, err := fs.ReadFile(host, file)
		if err != nil {
			return ""
		}
		one := ""
		for line := range strings.Lines(string(text)) {
			model, ok := strings.CutPrefix(line, "Model:")
			model = strings.TrimPrefix(strings.TrimSpace(model), "NVIDIA ")
			if k := slices.IndexFunc(brands, func(b struct{ model, brand string }) bool { return strings.HasPrefix(model, b.model) }); ok && k >= 0 {
				one = brands[k].brand
			}
		}
		if i > 0 && one != common {
			return ""
		}
		common = one
	}
	return common
}
