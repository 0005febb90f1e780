package spec

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/fixture/elffile"
	"github.com/sealift/sealift/gpu/files"
	gpu "github.com/sealift/sealift/gpu/plan"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/host"
)

// gpuMachine is a machine with two GPUs and a driver, and an image with glibc.
func gpuMachine(t *testing.T, kind string) (*host.Facts, image.Info, []gpu.Source) {
	t.Helper()
	f := parseFacts(t, baseSection(t, "facts")+"device dev/nvidia0\ndevice dev/nvidia1\ndevice dev/nvidiactl\n")
	lib := elffile.Library{SoName: "libcuda.so.1"}.Bytes()
	f.Root.(hostFS).MapFS["usr/lib64/libcuda.so.550.54.15"] = &fstest.MapFile{Data: lib, Mode: 0o644}
	f.Environ = append(f.Environ, "CUDA_VISIBLE_DEVICES=1")
	img := parseImage(t, baseSection(t, "image")+kind+"dir lib64\nfile lib64/libc.so.6 "+strings.Repeat("x", 10)+"\n")
	h := files.Host{Root: f.Root, Arch: "amd64"}
	spec := h.NVIDIA(false)
	if spec == nil {
		t.Fatal("no GPU is found")
	}
	return f, img, []gpu.Source{{Spec: spec, Names: []string{"1"}, From: "a test", Explicit: true, GPUs: gpu.GPUs(spec, f.Root)}}
}

// TestGPU: where devices, files and variables of a GPU are in containers of all kinds.
func TestGPU(t *testing.T) {
	for name, c := range map[string]struct {
		kind string
		r    Request
		want []string
		not  []string
	}{
		"the host's /dev": {"", Request{}, []string{"bind /usr/lib64/libcuda.so.550.54.15", "CUDA_VISIBLE_DEVICES=1"}, []string{"bind /dev/nvidia"}},
		"a minimal /dev":  {"", Request{Contain: true}, []string{"bind /dev/nvidia1", "bind /dev/nvidiactl", "CUDA_VISIBLE_DEVICES=0"}, []string{"/dev/nvidia0"}},
		"a clean environment": {"", Request{ContainAll: true, Env: []string{"NVIDIA_VISIBLE_DEVICES=mine"}},
			[]string{"CUDA_VISIBLE_DEVICES=0", "NVIDIA_VISIBLE_DEVICES=mine"}, []string{"NVIDIA_VISIBLE_DEVICES=1"}},
		"a directory": {"sandbox /img\n", Request{}, []string{"symlink @skel/.singularity.d/libs/libcuda.so.1 /usr/lib64/libcuda.so.1"}, nil},
		"in place":    {"sandbox /img\n", Request{Writable: true, Contain: true}, []string{"note: 6 files of drivers are not shown", "bind /dev/nvidia1"}, []string{"libcuda.so.1\""}},
		"the user's":  {"", Request{Binds: []string{"/data:/usr/lib64"}}, []string{"bind /data /usr/lib64"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f, img, sources := gpuMachine(t, c.kind)
			c.r.Action, c.r.Args, c.r.GPU = Exec, []string{"true"}, &gpu.Inputs{Sources: sources}
			got, err := computeCase(t, c.r, f, img, baseSection(t, "volume"))
			if err != nil {
				t.Fatal(err, hint.Of(err))
			}
			text := printed(got, nil)
			for _, w := range c.want {
				if !strings.Contains(text, w) {
					t.Errorf("no %q in\n%s", w, text)
				}
			}
			for _, n := range c.not {
				if strings.Contains(text, n) {
					t.Errorf("%q in\n%s", n, text)
				}
			}
		})
	}
}

// TestGPUNodeElsewhere: a named device whose node is under another name on the host
// cannot be in the host's /dev.
func TestGPUNodeElsewhere(t *testing.T) {
	f, img, sources := gpuMachine(t, "")
	sources[0].Spec.Devices[1].ContainerEdits.DeviceNodes[0].Path = "/dev/nvidia7"
	sources[0].Spec.Devices[1].ContainerEdits.DeviceNodes[0].HostPath = "/dev/nvidia1"
	r := Request{Action: Exec, Args: []string{"true"}, GPU: &gpu.Inputs{Sources: sources}}
	if _, err := computeCase(t, r, f, img, ""); err == nil || !strings.Contains(err.Error(), "device /dev/nvidia7") || hint.Of(err) == "" {
		t.Errorf("%v", err)
	}
	sources[0].Explicit = false
	c, err := computeCase(t, r, f, img, "")
	if err != nil || !strings.Contains(strings.Join(c.Notes, "\n"), "device /dev/nvidia7 is not shown") {
		t.Errorf("%v", err)
	}
	r.Contain = true
	if c, err = computeCase(t, r, f, img, ""); err != nil || !strings.Contains(printed(c, nil), "bind /dev/nvidia1 /dev/nvidia7") {
		t.Errorf("%v", err)
	}
}

// TestGPULinks: files of a driver are links into one mount of their directory, where the
// container can have both.
func TestGPULinks(t *testing.T) {
	const lib, link = "/usr/lib64/libnvidia-d.so.550.54.15", "symlink /usr/lib64/libnvidia-d.so.550.54.15 /.singularity.d/driver/0/libnvidia-d.so.550.54.15"
	linked, mounted := []string{"bind /usr/lib64 /.singularity.d/driver/0 ro,nosuid,nodev", link}, []string{"bind " + lib + " " + lib}
	for name, c := range map[string]struct {
		image string
		r     Request
		want  []string
		not   []string
	}{
		"an image":    {"", Request{}, linked, append(mounted, "bind /usr/lib64/libcuda")},
		"its own":     {"file " + lib[1:] + " theirs\n", Request{}, linked, mounted},
		"its link":    {"link " + lib[1:] + " /etc/passwd\n", Request{}, linked, append(mounted, "bind "+lib+" /etc/passwd")},
		"a directory": {"sandbox /img\n", Request{}, append(linked[:1:1], "symlink @skel"+link[len("symlink "):]), mounted},
		"in place":    {"sandbox /img\nfile " + lib[1:] + "\n", Request{Writable: true}, mounted, []string{"driver/0"}},
		"elsewhere":   {"link .singularity.d/driver /opt/x\ndir opt/x\n", Request{}, []string{"bind /usr/lib64 /opt/x/0 ", "symlink " + lib + " /opt/x/0/libnvidia-d"}, mounted},
		"on the host": {"link .singularity.d/driver /tmp\n", Request{}, mounted, []string{"driver/0", "/tmp/0"}},
		"a mount":     {"", Request{NoMount: []string{"dev"}, Binds: []string{"/data:" + lib}}, append(linked, "bind /data /.singularity.d/driver/0/libnvidia-d"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			f, img, sources := gpuMachine(t, c.image)
			root := f.Root.(hostFS).MapFS
			for _, l := range []string{"a", "b", "c", "d"} {
				root["usr/lib64/libnvidia-"+l+".so.550.54.15"] = &fstest.MapFile{Data: elffile.Library{SoName: "libnvidia-" + l + ".so.1"}.Bytes(), Mode: 0o644}
			}
			root["data"] = &fstest.MapFile{Mode: 0o644}
			h := files.Host{Root: f.Root, Arch: "amd64"}
			sources[0].Spec = h.NVIDIA(false)
			c.r.Action, c.r.Args, c.r.GPU = Exec, []string{"true"}, &gpu.Inputs{Sources: sources}
			got, err := computeCase(t, c.r, f, img, "")
			if err != nil {
				t.Fatal(err, hint.Of(err))
			}
			text := printed(got, nil)
			for _, w := range c.want {
				if !strings.Contains(text, w) {
					t.Errorf("no %q in\n%s", w, text)
				}
			}
			for _, n := range c.not {
				if strings.Contains(text, n) {
					t.Errorf("%q in\n%s", n, text)
				}
			}
		})
	}
}

// baseSection is what the cases of TestPlans start from.
func baseSection(t *testing.T, name string) string {
	t.Helper()
	base, err := txtar.ParseFile("testdata/base.txt")
	if err != nil {
		t.Fatal(err)
	}
	return section(base, name)
}
