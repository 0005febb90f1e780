package request

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestOf(t *testing.T) {
	all := []string{"all"}
	for name, c := range map[string]struct {
		flags   Flags
		environ string // separated by spaces
		want    Request
	}{
		"nothing":          {Flags{}, "NVIDIA_VISIBLE_DEVICES=all", Request{}},
		"all":              {Flags{NV: true}, "", Request{NVIDIA: &NVIDIA{IDs: all}}},
		"no":               {Flags{NV: true, NVCCLI: true, NoNV: true, ROCm: true, NoROCm: true}, "", Request{}},
		"named":            {Flags{NV: true}, "NVIDIA_VISIBLE_DEVICES=1,GPU-fef8,1", Request{NVIDIA: &NVIDIA{IDs: []string{"1", "GPU-fef8"}, By: "NVIDIA_VISIBLE_DEVICES"}}},
		"MIG":              {Flags{NV: true}, "NVIDIA_VISIBLE_DEVICES=0:1", Request{NVIDIA: &NVIDIA{IDs: []string{"0:1"}, By: "NVIDIA_VISIBLE_DEVICES"}}},
		"none":             {Flags{NV: true}, "NVIDIA_VISIBLE_DEVICES=none", Request{NVIDIA: &NVIDIA{}}},
		"the last counts":  {Flags{NV: true}, "NVIDIA_VISIBLE_DEVICES=0 NVIDIA_VISIBLE_DEVICES=all", Request{NVIDIA: &NVIDIA{IDs: all}}},
		"CUDA, not hidden": {Flags{NV: true}, "CUDA_VISIBLE_DEVICES=1", Request{NVIDIA: &NVIDIA{IDs: all}}},
		"CUDA":             {Flags{NV: true, Contain: true}, "CUDA_VISIBLE_DEVICES=1,0", Request{NVIDIA: &NVIDIA{IDs: []string{"1", "0"}, By: "CUDA_VISIBLE_DEVICES"}}},
		"CUDA, none":       {Flags{NV: true, Contain: true}, "CUDA_VISIBLE_DEVICES=", Request{NVIDIA: &NVIDIA{}}},
		"CUDA is weaker":   {Flags{NV: true, Contain: true}, "CUDA_VISIBLE_DEVICES=1 NVIDIA_VISIBLE_DEVICES=all", Request{NVIDIA: &NVIDIA{IDs: all}}},
		"capabilities":     {Flags{NV: true}, "NVIDIA_DRIVER_CAPABILITIES=compute,compat32", Request{NVIDIA: &NVIDIA{IDs: all, Capabilities: []string{"compute", "compat32"}, Compat32: true}}},
		"all capabilities": {Flags{NV: true, Compat32: true}, "NVIDIA_DRIVER_CAPABILITIES=compute,all", Request{NVIDIA: &NVIDIA{IDs: all, Compat32: true}}},
		"nvccli":           {Flags{NVCCLI: true}, "", Request{NVIDIA: &NVIDIA{IDs: all, Capabilities: []string{"compute", "utility"}}}},
		"modes": {Flags{NV: true}, "NVIDIA_GDS=enabled NVIDIA_MOFED=no NVIDIA_IMEX_CHANNELS=0,3 NVIDIA_MIG_MONITOR_DEVICES=all",
			Request{NVIDIA: &NVIDIA{IDs: all, Modes: []string{"gds", "mig-monitor", "imex"}, IMEX: []string{"0", "3"}}}},
		"devices": {Flags{Devices: []string{"nvidia.com/gpu=0", "/dev//x"}, CDIDirs: []string{"/c"}}, "", Request{
			Names: []string{"nvidia.com/gpu=0"}, Nodes: []string{"/dev/x"}, CDIDirs: []string{"/c"}}},
		"both":        {Flags{NV: true, Devices: []string{"nvidia.com/gpu=1"}}, "", Request{Names: []string{"nvidia.com/gpu=1"}}},
		"others":      {Flags{ROCm: true, IntelHPU: true, RDMA: true}, "HABANA_VISIBLE_DEVICES=0,2", Request{ROCm: true, IntelHPU: true, RDMA: true, HPUs: []string{"0", "2"}}},
		"no HPUs":     {Flags{IntelHPU: true}, "HABANA_VISIBLE_DEVICES=", Request{IntelHPU: true, HPUs: []string{}}},
		"all HPUs":    {Flags{IntelHPU: true}, "HABANA_VISIBLE_DEVICES=all", Request{IntelHPU: true}},
		"from a file": {Flags{NV: true, From: "cdi"}, "", Request{NVIDIA: &NVIDIA{IDs: all, From: "cdi"}}},
	} {
		if c.want.CDIDirs == nil {
			c.want.CDIDirs = DefaultCDIDirs()
		}
		c.want.Contain = c.flags.Contain
		got, err := Of(c.flags, strings.Fields(c.environ))
		if err != nil || !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %v\n%+v %+v\n%+v %+v", name, err, got, got.NVIDIA, c.want, c.want.NVIDIA)
		}
		if asked := !reflect.DeepEqual(c.want, Request{CDIDirs: DefaultCDIDirs()}); got.Any() != asked {
			t.Errorf("%s: anything: %v", name, got.Any())
		}
	}
}

func TestNotes(t *testing.T) {
	for environ, f := range map[string]Flags{
		"NVIDIA_VISIBLE_DEVICES=void": {NV: true}, "NVIDIA_VISIBLE_DEVICES=0,void": {NV: true}, "NVIDIA_VISIBLE_DEVICES=": {NV: true},
		"HOME=/": {NVCCLI: true, Contain: true},
	} {
		got, err := Of(f, []string{environ})
		if err != nil || got.NVIDIA != nil || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "NVIDIA_VISIBLE_DEVICES") {
			t.Errorf("%s: %v %+v", environ, err, got)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		flags   Flags
		environ string
	}{
		`--device "0"`:           {Flags{Devices: []string{"0"}}, ""},
		`--device "a=b"`:         {Flags{Devices: []string{"a=b"}}, ""},
		`--device "a/b/c=d"`:     {Flags{Devices: []string{"a/b/c=d"}}, ""},
		`"everything"`:           {Flags{NV: true}, "NVIDIA_DRIVER_CAPABILITIES=compute,everything"},
		`--gpu-source "rumours"`: {Flags{From: "rumours"}, ""},
	} {
		if _, err := Of(c.flags, []string{c.environ}); err == nil || !strings.Contains(err.Error(), name) || hint.Of(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCUDA(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "0": "0", "0, 1": "0 1", "0,-1,1": "0", "NoDevFiles": "", "MIG-x,GPU-y": "MIG-x GPU-y", "1,1,2": "1", "2,,1": "2",
	} {
		if got := strings.Join(CUDA(value), " "); got != want {
			t.Errorf("%q: %q", value, got)
		}
	}
}
