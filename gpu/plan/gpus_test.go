package plan

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/fixture/elffile"
)

func TestChoose(t *testing.T) {
	two, mig := GPUs(readSpec(t, "spec-dlopen.json"), fstest.MapFS{}), GPUs(readSpec(t, "spec-mig.json"), fstest.MapFS{})
	for _, c := range []struct {
		gpus []GPU
		ids  string
		want string // names, or the error
	}{
		{two, "all", "0 1"}, {two, "1", "1"}, {two, "1,0", "0 1"}, {two, "", ""},
		{two[1:], "0", "1"}, // what cannot be used is not counted
		{two, "GPU-00000001", "1"}, {two, "gpu-00000001-1111-2222-3333-444444444444", "1"}, {two, "GPU-00000001,1", "1"},
		{two, "GPU-0000000", "the beginning of several"}, {two, "GPU-", "not there"}, {two, "2", "names the GPU 2, which is not there"},
		{two, "0:0", "names the GPU 0:0"}, {two, "x", "not there"}, {nil, "0", "not there"},
		{mig, "0:1", "0:1"}, {mig, "0", "0:0 0:1"}, {mig, "1", "1"}, {mig, "MIG-00000000-1111-2222-3333-444444444401", "0:1"}, {mig, "0:2", "not there"},
		{mig, "MIG-0000", "the beginning of several"},
	} {
		chosen, err := Choose(c.gpus, strings.FieldsFunc(c.ids, func(r rune) bool { return r == ',' }), "a test")
		var names []string
		for _, g := range chosen {
			names = append(names, g.Name)
		}
		if got := strings.Join(names, " "); err == nil && got != c.want || err != nil && (!strings.Contains(err.Error(), c.want) || hint.Of(err) == "" || c.want == "") {
			t.Errorf("%s: %q, %v", c.ids, got, err)
		}
	}
}

func TestGPUs(t *testing.T) {
	node := func(path string) specs.ContainerEdits {
		return specs.ContainerEdits{DeviceNodes: []*specs.DeviceNode{{Path: path}}}
	}
	spec := &specs.Spec{Devices: []specs.Device{
		{Name: "gpu10", ContainerEdits: node("/dev/nvidia10")}, {Name: "gpu2", ContainerEdits: node("/dev/nvidia2")}, {Name: "mig3:x", ContainerEdits: node("/dev/nvidia3")},
		{Name: "none"}, {Name: "all", ContainerEdits: node("/dev/nvidia2")}, {Name: "fabric", ContainerEdits: node("/dev/nvidia-nvswitch0")},
	}}
	host := fstest.MapFS{
		"proc/driver/nvidia/gpus/0000:01:00.0/information": {Data: []byte("Model: \t X\nGPU UUID:   \t GPU-2\nDevice Minor: \t 2\n")},
		"proc/driver/nvidia/gpus/0000:02:00.0/information": {Data: []byte("GPU UUID: GPU-x\n")},
	}
	var got []string
	for _, g := range GPUs(spec, host) {
		got = append(got, g.ID())
	}
	if !slices.Equal(got, []string{"mig3:x", "GPU-2", "gpu10"}) {
		t.Errorf("%q", got)
	}
}

// TestRenumbered: CUDA_VISIBLE_DEVICES in a container that has some of the GPUs.
func TestRenumbered(t *testing.T) {
	all := []GPU{}
	for _, n := range []string{"0", "1", "2", "3"} {
		all = append(all, GPU{Name: n, Index: len(all), Instance: -1, UUID: "GPU-abc" + n})
	}
	for _, c := range []struct {
		hides           bool
		chosen, environ string
		want            string // NAME=value, or nothing
		note            bool
	}{
		{true, "2 3", "CUDA_VISIBLE_DEVICES=3,2", "CUDA_VISIBLE_DEVICES=1,0", false},
		{true, "2 3", "CUDA_VISIBLE_DEVICES=GPU-abc3", "CUDA_VISIBLE_DEVICES=GPU-abc3", false},
		{true, "2 3", "CUDA_VISIBLE_DEVICES=0,3", "CUDA_VISIBLE_DEVICES=1", false},
		{true, "2 3", "CUDA_VISIBLE_DEVICES=0", "CUDA_VISIBLE_DEVICES=", true},
		{true, "2 3", "CUDA_VISIBLE_DEVICES=", "CUDA_VISIBLE_DEVICES=", false},
		{true, "2 3", "HOME=/", "", false},
		{false, "2 3", "CUDA_VISIBLE_DEVICES=3,2", "", false},
		{false, "2 3", "HOME=/", "CUDA_VISIBLE_DEVICES=GPU-abc2,GPU-abc3", false},
		{true, "0 1 2 3", "CUDA_VISIBLE_DEVICES=3,2", "", false},
	} {
		p := &planner{Inputs: Inputs{Hides: c.hides, Environ: []string{c.environ}, Sources: []Source{{GPUs: all, Names: strings.Fields(c.chosen)}}}}
		p.visible()
		got := slices.DeleteFunc(slices.Clone(p.Env), func(e string) bool { return strings.HasPrefix(e, nvidiaVisible) })
		if strings.Join(got, " ") != c.want || (len(p.Notes) > 0) != c.note || len(p.Env) == len(got) {
			t.Errorf("%+v: %q %q", c, p.Env, p.Notes)
		}
	}
	unnamed := []GPU{{Name: "0", Instance: -1}, {Name: "1", Index: 1, Instance: -1}}
	p := &planner{Inputs: Inputs{Sources: []Source{{GPUs: unnamed, Names: []string{"1"}}}}}
	if p.visible(); !slices.Contains(p.Env, "CUDA_VISIBLE_DEVICES=1") {
		t.Errorf("%q", p.Env)
	}
}

func TestStale(t *testing.T) {
	spec := readSpec(t, "spec.json")
	version := func(v string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("NVRM version: NVIDIA UNIX x86_64 Kernel Module  " + v + "  Thu Feb 22\n")}
	}
	host := driver(spec, nil)
	for v, want := range map[string]string{"550.54.15": "", "570.86.10": "the kernel has 570.86.10"} {
		host["proc/driver/nvidia/version"] = version(v)
		if err := Stale(spec, host); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", v, err)
		}
	}
	delete(host, "proc/driver/nvidia/version")
	if err := Stale(spec, host); err != nil {
		t.Error(err)
	}
	delete(host, "driver-root/usr/bin/nvidia-smi")
	if err := Stale(spec, host); err == nil || !strings.Contains(err.Error(), "/driver-root/usr/bin/nvidia-smi, which it names") {
		t.Error(err)
	}
}

// TestLook: what was read once of a library holds as long as the file is the same.
func TestLook(t *testing.T) {
	lib := elffile.Library{SoName: "liba.so.1", Needs: []string{"GLIBC_2.34"}, Defines: []string{"A"}}
	host := fstest.MapFS{"l/liba.so.1": {Data: lib.Bytes()}, "l/libbroken.so": {Data: []byte("x")}, "l/text": {}}
	spec := &specs.Spec{Kind: "x.com/y"}
	for name := range host {
		spec.ContainerEdits.Mounts = append(spec.ContainerEdits.Mounts, &specs.Mount{HostPath: "/" + name, ContainerPath: "/" + name})
	}
	facts := Look(spec, host)
	if len(facts) != 1 || facts["/l/liba.so.1"].Library.SoName != "liba.so.1" {
		t.Fatalf("%+v", facts)
	}
	notes := func() string {
		p, err := Compute(Inputs{Sources: []Source{{Spec: spec, Libraries: facts}}, Arch: "amd64", Host: host, Image: debian("GLIBC_2.36")})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(p.Notes, "\n")
	}
	host["l/liba.so.1"].Data = bytes.Repeat([]byte("x"), len(lib.Bytes())) // of the same size and time
	if got := notes(); strings.Contains(got, "liba.so.1") {
		t.Error(got)
	}
	host["l/liba.so.1"].ModTime = time.Unix(1, 0)
	if got := notes(); !strings.Contains(got, "liba.so.1 is left out") {
		t.Error(got)
	}
}
