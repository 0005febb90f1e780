package plan

import (
	"strings"
	"testing"
	"testing/fstest"

	specs "tags.cncf.io/container-device-interface/specs-go"
)

// TestUnmet: what an image asks for is held against the driver of NVIDIA's GPUs.
func TestUnmet(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	host := fstest.MapFS{
		"proc/driver/nvidia/version":                       file("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.5  Thu\n"),
		"proc/driver/nvidia/gpus/0000:01:00.0/information": file("Model: \t\t NVIDIA GeForce RTX 3090\nDevice Minor: \t 0\n"),
	}
	spec := &specs.Spec{Kind: "nvidia.com/gpu", ContainerEdits: specs.ContainerEdits{Env: []string{"A=b"}}}
	nv := Source{Spec: spec, GPUs: []GPU{}}
	image := []string{"PATH=/bin", "NVIDIA_REQUIRE_CUDA=cuda>=12.4 brand=tesla,driver>=535,driver<536"}
	both := fstest.MapFS{"proc/driver/nvidia/gpus/0000:02:00.0/information": file("Model: \t\t Tesla T4\n")}
	for name, f := range host {
		both[name] = f
	}
	for name, c := range map[string]struct {
		host    fstest.MapFS
		source  Source
		environ []string
		want    string
	}{
		"not met":        {host, nv, image, "asks for NVIDIA_REQUIRE_CUDA=cuda>=12.4 or the like, and the driver is 535.104.5"},
		"perhaps met":    {both, nv, image, ""},
		"nothing asked":  {host, nv, image[:1], ""},
		"an older image": {host, nv, []string{"CUDA_VERSION=12.5.1"}, "asks for CUDA_VERSION=12.5.1, and"},
		"not NVIDIA's":   {host, Source{Spec: spec}, image, ""},
		"silent kernel":  {fstest.MapFS{}, nv, image, ""},
	} {
		p, err := Compute(Inputs{Sources: []Source{c.source}, Arch: "amd64", Host: c.host})
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(p.Unmet(c.environ), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	var none *Plan
	if got := none.Unmet(image); got != nil {
		t.Error(got)
	}
}
