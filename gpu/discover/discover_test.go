package discover

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/gpu/cdifile"
	"github.com/sealift/sealift/gpu/files"
	"github.com/sealift/sealift/gpu/request"
)

const version = "/proc/driver/nvidia/version=Kernel Module  550.54.15  Thu\n"

// machine is a host with these files; those in /dev are devices, of which some are
// closed: NAME=ERROR.
func machine(names ...string) *Host {
	root, closed := fstest.MapFS{}, map[string]error{}
	for _, name := range names {
		name, text, _ := strings.Cut(name, "=")
		f := &fstest.MapFile{Data: []byte(text)}
		if strings.HasPrefix(name, "/dev/") {
			f.Mode = fs.ModeDevice | fs.ModeCharDevice | 0o666
			switch text {
			case "EPERM":
				closed[name] = syscall.EPERM
			case "EACCES":
				closed[name] = syscall.EACCES
			}
		}
		root[name[1:]] = f
	}
	return &Host{
		Host: files.Host{Root: root, Arch: "amd64"}, Patience: 10 * time.Second, Locked: muchLocked,
		Access: func(node string) error {
			if root[node[1:]] == nil {
				return syscall.ENOENT
			}
			return closed[node]
		},
	}
}

func gpus(n int) []string {
	names := []string{version, "/usr/lib64/libcuda.so.550.54.15", "/dev/nvidiactl", "/dev/nvidia-uvm"}
	for i := range n {
		names = append(names, "/dev/nvidia"+string(rune('0'+i)))
	}
	return names
}

// spec is a CDI specification of so many GPUs, for a version of the driver.
func spec(kind string, n int, version string) string {
	s := specs.Spec{Version: "0.5.0", Kind: kind}
	s.ContainerEdits.Mounts = []*specs.Mount{{HostPath: "/usr/lib64/libcuda.so." + version, ContainerPath: "/usr/lib64/libcuda.so." + version}}
	for i := range n {
		name := string(rune('0' + i))
		s.Devices = append(s.Devices, specs.Device{Name: name, ContainerEdits: specs.ContainerEdits{DeviceNodes: []*specs.DeviceNode{{Path: "/dev/nvidia" + name}}}})
	}
	text, _ := json.Marshal(s) // of plain values
	return string(text)
}

func cdi(t *testing.T, texts ...string) CDI {
	t.Helper()
	dir := t.TempDir()
	for i, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := cdifile.Read([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// helper is a program that does what a script says.
func helper(t *testing.T, script string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "helper")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

func answer(n int) string {
	return `cat <<'E'
{"spec":` + spec(files.Kind, n, "550.54.15") + `,"warnings":["careful"]}
E`
}

// describe tells what was found.
func describe(f *Found) string {
	var list []string
	for _, s := range f.Sources {
		text := s.Spec.Kind + "=" + strings.Join(s.Names, ",")
		if s.Explicit {
			text += "!"
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

func TestFind(t *testing.T) {
	nv := func(ids ...string) *request.Request {
		n := &request.NVIDIA{IDs: ids}
		if len(ids) > 0 && ids[0] != "all" {
			n.By = "NVIDIA_VISIBLE_DEVICES"
		}
		return &request.Request{NVIDIA: n}
	}
	from := func(source string) *request.Request {
		return &request.Request{NVIDIA: &request.NVIDIA{IDs: []string{"all"}, From: source}}
	}
	good, old := cdi(t, spec(files.Kind, 2, "550.54.15")), cdi(t, spec(files.Kind, 2, "535.1.1"))
	conflict := cdi(t, spec(files.Kind, 1, "550.54.15"), spec(files.Kind, 1, "550.54.15"))
	none := cdi(t)
	two := machine(gpus(2)...)
	for name, c := range map[string]struct {
		r       *request.Request
		h       *Host
		cdi     CDI
		helper  string
		want    string
		used    string
		warning string // or the error
	}{
		"cdi":                   {nv("all"), two, good, "exit 1", "nvidia.com/gpu=0,1", "CDI specification", ""},
		"helper":                {nv("all"), two, none, answer(2), "nvidia.com/gpu=0,1", "NVIDIA's library", "careful"},
		"files":                 {nv("all"), two, none, "", "nvidia.com/gpu=0,1", "driver's files", ""},
		"stale":                 {nv("all"), two, old, answer(1), "nvidia.com/gpu=0", "NVIDIA's library", "is out of date and not used"},
		"conflict":              {nv("all"), two, conflict, answer(1), "nvidia.com/gpu=0", "NVIDIA's library", "conflicting device"},
		"helper fails":          {nv("all"), two, none, "echo no NVML >&2; exit 1", "nvidia.com/gpu=0,1", "driver's files", "could not be asked"},
		"helper dies":           {nv("all"), two, none, "echo undefined symbol: x >&2; exit 127", "nvidia.com/gpu=0,1", "driver's files", "undefined symbol"},
		"helper prints":         {nv("all"), two, none, "echo hello", "nvidia.com/gpu=0,1", "driver's files", "invalid character"},
		"helper prints no spec": {nv("all"), two, none, "echo {}", "nvidia.com/gpu=0,1", "driver's files", "no specification"},
		"only cdi":              {from("cdi"), two, old, answer(2), "", "", "neither a GPU"},
		"only the helper":       {from("helper"), two, good, "", "", "", "no helper is installed"},
		"only files":            {from("files"), two, good, answer(2), "nvidia.com/gpu=0,1", "driver's files", ""},
		"no GPU":                {nv("all"), machine("/dev/null"), none, answer(2), "", "", "neither a GPU nor a driver"},
		"no GPU but a driver":   {nv("all"), machine(gpus(0)...), none, "", "nvidia.com/gpu=", "driver's files", "only the driver"},
		"no GPU, one named":     {nv("0"), machine("/dev/null"), none, "", "", "", "NVIDIA_VISIBLE_DEVICES names 0, but neither"},
		"none":                  {nv(), two, none, "", "nvidia.com/gpu=", "driver's files", ""},
		"named":                 {nv("1"), two, none, "", "nvidia.com/gpu=1!", "driver's files", ""},
		"not there":             {nv("7"), two, none, "", "", "", "names the GPU 7, which is not there"},
		"control group":         {nv("all"), machine(append(gpus(3), "/dev/nvidia1=EPERM")...), good, "", "nvidia.com/gpu=0", "CDI", ""},
		"numbers in it":         {nv("0"), machine(append(gpus(3), "/dev/nvidia0=EPERM")...), none, "", "nvidia.com/gpu=1!", "files", ""},
		"all closed":            {nv("all"), machine(append(gpus(1), "/dev/nvidia0=EACCES")...), none, "", "nvidia.com/gpu=", "files", "/dev/nvidia0: permission denied"},
		"closed":                {&request.Request{Names: []string{"nvidia.com/gpu=1"}}, machine(append(gpus(2), "/dev/nvidia1=EPERM")...), good, "", "", "", "--device nvidia.com/gpu=1: device node /dev/nvidia1 may not be used: operation not permitted"},
		"closed, by number":     {nv("1"), machine(append(gpus(2), "/dev/nvidia1=EPERM")...), none, "", "", "", "/dev/nvidia1 may not be used"},
		"device":                {&request.Request{Names: []string{"nvidia.com/gpu=1", "nvidia.com/gpu=0"}}, two, good, "", "nvidia.com/gpu=1,0!", "CDI", ""},
		"device without CDI":    {&request.Request{Names: []string{"nvidia.com/gpu=1"}}, two, none, answer(2), "nvidia.com/gpu=1!", "NVIDIA's library", "careful"},
		"device of others":      {&request.Request{Names: []string{"x.com/nic=0"}}, two, none, "", "", "", "device x.com/nic=0 is in no file"},
		"stale device":          {&request.Request{Names: []string{"nvidia.com/gpu=0"}}, two, old, "", "", "", "is out of date"},
		"node":                  {&request.Request{Nodes: []string{"/dev/nvidia0"}}, two, none, "", "sealift/node=all!", "--device", ""},
		"a file":                {&request.Request{Nodes: []string{"/usr/lib64/libcuda.so.550.54.15"}}, two, none, "", "", "", "is not a device node"},
		"no node":               {&request.Request{Nodes: []string{"/dev/x"}}, two, none, "", "", "", "device node /dev/x may not be used: no such file"},
		"others":                {&request.Request{ROCm: true, RDMA: true, IntelHPU: true}, machine("/dev/kfd", "/dev/infiniband/rdma_cm", "/dev/accel/accel0"), none, "", "amd.com/gpu=all intel.com/hpu=all sealift/rdma=all", "--rocm", ""},
		"no others":             {&request.Request{ROCm: true, RDMA: true, IntelHPU: true}, two, none, "", "", "", "--rocm: no AMD GPU"},
		"closed others":         {&request.Request{ROCm: true}, machine("/dev/kfd=EACCES"), none, "", "", "", "--rocm: /dev/kfd may not be used"},
		"no module":             {&request.Request{IntelHPU: true, HPUs: []string{"5"}}, two, none, "", "", "", "modules that are not there: 5"},
		"modes":                 {&request.Request{NVIDIA: &request.NVIDIA{Modes: []string{"gdrcopy", "gds"}}}, machine(append(gpus(1), "/dev/gdrdrv", "/dev/nvidia-caps-imex-channels/channel0")...), none, "", "nvidia.com/gpu= nvidia.com/gdrcopy=all nvidia.com/imex=all", "", "no device nodes for gds"},
		"no channel":            {&request.Request{NVIDIA: &request.NVIDIA{Modes: []string{"imex"}, IMEX: []string{"3"}}}, two, none, "", "", "", "no IMEX channel 3"},
	} {
		t.Run(name, func(t *testing.T) {
			h := *c.h
			if c.helper != "" {
				h.Helper = helper(t, c.helper)
			}
			h.CDI = c.cdi
			f, err := Find(t.Context(), c.r, &h)
			if err != nil {
				if c.want != "" || c.warning == "" || !strings.Contains(err.Error(), c.warning) || hint.Of(err) == "" {
					t.Errorf("%v; hint %q", err, hint.Of(err))
				}
				return
			}
			warnings := strings.Join(f.Warnings, "\n")
			if got := describe(f); got != c.want || !strings.Contains(strings.Join(f.Used, "\n"), c.used) || !strings.Contains(warnings, c.warning) || (warnings == "") != (c.warning == "") {
				t.Errorf("%s\nused %q\nwarnings %q", got, f.Used, f.Warnings)
			}
		})
	}
}

// TestHelperIsAlone: the helper gets no variable of the caller, and not all the time
// that it wants.
func TestHelperIsAlone(t *testing.T) {
	t.Setenv("LD_BIND_NOW", "1")
	h := machine(gpus(1)...)
	h.Helper = helper(t, `echo "$LD_BIND_NOW$HOME-$LD_LIBRARY_PATH-$*" >&2; exit 1`)
	r := &request.Request{NVIDIA: &request.NVIDIA{IDs: []string{"all"}}}
	f, err := Find(t.Context(), r, h)
	if err != nil || !slices.ContainsFunc(f.Warnings, func(w string) bool { return strings.HasSuffix(w, ": -/usr/lib64---lib-dirs /usr/lib64") }) {
		t.Errorf("%v %+v", err, f)
	}
	h.Helper, h.Patience = helper(t, "exec sleep 60"), 50*time.Millisecond
	started := time.Now()
	f, err = Find(t.Context(), r, h)
	if err != nil || !strings.Contains(strings.Join(f.Warnings, "\n"), "did not answer within 50ms") || time.Since(started) > 30*time.Second {
		t.Errorf("%v %+v", err, f)
	}
}

// TestModprobe: what is missing is made, on the host.
func TestModprobe(t *testing.T) {
	h := machine(version, "/dev/nvidia0", "/dev/nvidiactl", "/usr/lib64/libcuda.so.550.54.15")
	made := filepath.Join(t.TempDir(), "made")
	h.Modprobe = helper(t, `echo "$*" >`+made)
	access := h.Access
	h.Access = func(node string) error {
		if _, err := os.Stat(made); err == nil && strings.HasPrefix(node, "/dev/nvidia-uvm") {
			return nil
		}
		return access(node)
	}
	r := &request.Request{NVIDIA: &request.NVIDIA{IDs: []string{"all"}}}
	f, err := Find(t.Context(), r, h)
	if err != nil || len(f.Warnings) > 0 {
		t.Fatalf("%v %q", err, f.Warnings)
	}
	if args, err := os.ReadFile(made); err != nil || string(args) != "-u -c 0\n" {
		t.Errorf("%v %q", err, args)
	}
	if nodes := f.Sources[0].Spec.ContainerEdits.DeviceNodes; len(nodes) != 3 {
		t.Errorf("%d nodes", len(nodes))
	}
	h.Access, h.Modprobe = access, helper(t, "echo no module >&2; exit 1")
	if f, err = Find(t.Context(), r, h); err != nil || !strings.Contains(strings.Join(f.Warnings, ""), "/dev/nvidia-uvm is missing: ") {
		t.Errorf("%v %q", err, f.Warnings)
	}
}

// TestRecall: what took long to find is found once, until something changes.
func TestRecall(t *testing.T) {
	r := &request.Request{NVIDIA: &request.NVIDIA{IDs: []string{"all"}}, CDIDirs: []string{"/etc/cdi"}}
	var kept *Kept
	find := func(h *Host, r *request.Request, script string) *Found {
		t.Helper()
		h.Helper, h.CDI = helper(t, script), cdi(t)
		h.Helper, h.key = "/helper", "" // one that is always the same, in its place
		h.Recall(r, func() *Kept { return kept })
		h.Helper = helper(t, script)
		f, err := Find(t.Context(), r, h)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	quiet := strings.ReplaceAll(answer(2), `"careful"`, "")
	f := find(machine(gpus(2)...), r, quiet)
	if kept = f.Keep; kept == nil || kept.From != "NVIDIA's library" {
		t.Fatalf("%+v", f)
	}
	f = find(machine(gpus(2)...), r, "echo asked again >&2; exit 1")
	if f.Keep != nil || len(f.Warnings) > 0 || describe(f) != "nvidia.com/gpu=0,1" || !strings.HasSuffix(f.Used[0], "as an earlier start has found it") {
		t.Errorf("%s %+v", describe(f), f)
	}
	other := machine(gpus(2)...)
	other.Root.(fstest.MapFS)["etc/cdi/a.json"] = &fstest.MapFile{}
	stale := machine(gpus(2)...)
	delete(stale.Root.(fstest.MapFS), "usr/lib64/libcuda.so.550.54.15")
	for name, h := range map[string]*Host{
		"control group": machine(append(gpus(2), "/dev/nvidia1=EPERM")...), "fewer": machine(gpus(1)...), "CDI": other, "no library": stale,
	} {
		if f := find(h, r, quiet); h.Recalled() || f.Keep == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
	// What is to be told again is not kept, nor what is not asked for.
	kept = nil
	if f := find(machine(gpus(2)...), r, answer(2)); f.Keep != nil {
		t.Errorf("%+v", f)
	}
	only := &request.Request{NVIDIA: &request.NVIDIA{IDs: []string{"all"}, From: "helper"}}
	if f := find(machine(gpus(2)...), only, quiet); f.Keep != nil {
		t.Errorf("%+v", f)
	}
}

// TestNumbered: of GPUs that variables number, a container without others has the chosen
// ones, and numbers that fit.
func TestNumbered(t *testing.T) {
	amd := []string{"/dev/kfd", "/dev/dri/renderD128", "/dev/dri/renderD129=EPERM", "/dev/dri/renderD130"}
	for n := range 3 {
		amd = append(amd, fmt.Sprintf("/sys/class/kfd/kfd/topology/nodes/%d/properties=drm_render_minor %d\n", n+1, 128+n))
	}
	intel := []string{"/dev/dri/renderD128", "/dev/dri/renderD129", "/sys/class/drm/renderD128/device/vendor=0x8086\n", "/sys/class/drm/renderD129/device/vendor=0x8086\n"}
	rocm, contained := &request.Request{ROCm: true}, &request.Request{ROCm: true, Contain: true}
	for name, c := range map[string]struct {
		r             *request.Request
		names         []string
		environ, want string // or the error, or the warning
	}{
		"not contained": {rocm, amd, "ROCR_VISIBLE_DEVICES=1", "/dev/kfd /dev/dri/renderD128 /dev/dri/renderD130"},
		"all":           {contained, amd, "", "/dev/kfd /dev/dri/renderD128 /dev/dri/renderD130"},
		"one":           {contained, amd, "ROCR_VISIBLE_DEVICES=1", "/dev/kfd /dev/dri/renderD130 ROCR_VISIBLE_DEVICES=0"},
		"none of them":  {contained, amd, "HIP_VISIBLE_DEVICES=2", "HIP_VISIBLE_DEVICES names the GPU 2, which is not there"},
		"closed":        {contained, []string{"/dev/kfd", "/dev/dri/renderD129=EPERM", amd[5]}, "", "--rocm: no GPU may be used here: /dev/dri/renderD129: operation not permitted"},
		"intel":         {&request.Request{IntelGPU: true, Contain: true}, intel, "ZE_AFFINITY_MASK=1", "/dev/dri/renderD129 ZE_AFFINITY_MASK=0"},
		"no intel":      {&request.Request{IntelGPU: true}, amd, "", "--intel-gpu: no GPU of Intel's"},
	} {
		h := machine(c.names...)
		h.Environ = strings.Fields(c.environ)
		got := ""
		f, err := Find(t.Context(), c.r, h)
		switch {
		case err != nil:
			got = err.Error()
		case len(f.Sources) == 0:
			got = strings.Join(f.Warnings, "\n")
		default:
			var list []string
			e := &f.Sources[0].Spec.Devices[0].ContainerEdits
			for _, n := range e.DeviceNodes {
				list = append(list, n.Path)
			}
			got = strings.Join(append(list, e.Env...), " ")
		}
		if !strings.HasPrefix(got, c.want) || err == nil && len(f.Sources) > 0 && got != c.want {
			t.Errorf("%s: %q, not %q", name, got, c.want)
		}
	}
}

// TestLockedMemory: adapters reach only what programs may lock.
func TestLockedMemory(t *testing.T) {
	h := machine("/dev/infiniband/uverbs0")
	r := &request.Request{RDMA: true}
	if f, err := Find(t.Context(), r, h); err != nil || len(f.Warnings) > 0 {
		t.Errorf("%v %q", err, f.Warnings)
	}
	h.Locked = 8 << 20
	f, err := Find(t.Context(), r, h)
	if err != nil || len(f.Warnings) != 1 || !strings.Contains(f.Warnings[0], "may lock 8192 KiB of memory") || describe(f) != "sealift/rdma=all" {
		t.Errorf("%v %q", err, f.Warnings)
	}
	if f, err = Find(t.Context(), r, machine("/dev/null")); err != nil || strings.Contains(f.Warnings[0], "KiB") {
		t.Errorf("%v %q", err, f.Warnings)
	}
}
