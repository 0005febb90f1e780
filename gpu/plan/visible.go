package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sealift/sealift/gpu/request"
)

// Where NVIDIA's driver has application profiles, and the setting that keeps programs
// of EGL and Vulkan from GPUs that they cannot open.
const profileFile = "/etc/nvidia/nvidia-application-profiles-rc.d/10-container.conf"

// Variables that select GPUs.
const (
	nvidiaVisible = "NVIDIA_VISIBLE_DEVICES"
	cudaVisible   = "CUDA_VISIBLE_DEVICES"
)

// visible sets the variables that say which GPUs there are. Numbers in them are those
// of the container, which count from 0 there if other GPUs are hidden.
func (p *planner) visible() {
	i := slices.IndexFunc(p.Sources, func(s Source) bool { return s.GPUs != nil })
	if i < 0 {
		return
	}
	all := p.Sources[i].GPUs
	chosen := slices.DeleteFunc(slices.Clone(all), func(g GPU) bool { return !slices.Contains(p.Sources[i].Names, g.Name) })
	if len(chosen) == len(all) {
		p.set(nvidiaVisible, "all")
		return
	}
	var ids []string
	for _, g := range chosen {
		ids = append(ids, g.ID())
	}
	if len(ids) == 0 {
		ids = []string{"none"}
	}
	p.set(nvidiaVisible, strings.Join(ids, ","))
	p.cuda(all, chosen)
	if p.profile {
		p.applicationProfile(chosen)
	}
}

// cuda sets CUDA_VISIBLE_DEVICES for a container with chosen GPUs.
func (p *planner) cuda(all, chosen []GPU) {
	value, given := "", false
	for _, e := range p.Environ {
		if v, ok := strings.CutPrefix(e, cudaVisible+"="); ok {
			value, given = v, true
		}
	}
	switch {
	case !p.Hides && given:
		return // the caller's numbers are the container's
	case !p.Hides:
		var ids []string
		for _, g := range chosen {
			if g.UUID == "" && g.Instance < 0 {
				ids = append(ids, strconv.Itoa(slices.IndexFunc(all, func(a GPU) bool { return a.Name == g.Name })))
			} else {
				ids = append(ids, g.ID())
			}
		}
		p.set(cudaVisible, strings.Join(ids, ","))
		return
	case !given:
		return
	}
	var ids []string
	nth := positions(chosen)
	for _, id := range request.CUDA(value) {
		for _, i := range match(all, id) {
			j := slices.IndexFunc(chosen, func(g GPU) bool { return g.Name == all[i].Name })
			switch _, err := strconv.Atoi(id); {
			case j < 0:
			case err == nil:
				ids = append(ids, strconv.Itoa(nth[j]))
			default:
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 && value != "" {
		p.note("%s=%s is for none of the container's GPUs", cudaVisible, value)
	}
	p.set(cudaVisible, strings.Join(slices.Compact(ids), ","))
}

// applicationProfile has EGL and Vulkan use the chosen GPUs only.
func (p *planner) applicationProfile(chosen []GPU) {
	var mask uint64
	for _, g := range chosen {
		if g.Minor < 64 {
			mask |= 1 << g.Minor
		}
	}
	p.Files = append(p.Files, File{profileFile, fmt.Sprintf(`{"profiles": [{"name": "sealift", "settings": ["EGLVisibleDGPUDevices", 0x%x]}],
 "rules": [{"pattern": [], "profile": "sealift"}]}
`, mask)})
}

func (p *planner) set(name, value string) { p.Env = append(p.Env, name+"="+value) }
