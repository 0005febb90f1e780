//go:build cgo

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/gpu/plan"
)

const version = "550.54.15"

// library is one that knows eight GPUs, with what the generator asks besides.
func library() *server.Server {
	lib := dgxa100.New()
	lib.SystemGetDriverVersionFunc = func() (string, nvml.Return) { return version, nvml.SUCCESS }
	for _, d := range lib.Devices {
		d := d.(*server.Device)
		d.GetMaxMigDeviceCountFunc = func() (int, nvml.Return) { return 0, nvml.SUCCESS }
		d.IsMigDeviceHandleFunc = func() (bool, nvml.Return) { return false, nvml.SUCCESS }
	}
	return lib
}

// root is a tree with a driver. Where device nodes can be made, it has those of all GPUs
// but the last.
func root(t *testing.T) (dir string, nodes bool) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"usr/lib64/libcuda.so." + version, "usr/lib64/libnvidia-ml.so." + version, "usr/bin/nvidia-smi", "dev/x"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	nodes = true
	for i := range 7 {
		err := unix.Mknod(filepath.Join(dir, "dev/nvidia"+string(rune('0'+i))), unix.S_IFCHR|0o666, int(unix.Mkdev(195, uint32(i))))
		nodes = nodes && err == nil
	}
	return dir, nodes
}

func TestAsk(t *testing.T) {
	dir, nodes := root(t)
	answer, err := ask(library(), dir, []string{filepath.Join(dir, "usr/lib64")})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"GPU 7 has no device node; as root: nvidia-modprobe -c 7"}
	if !nodes {
		for i := 6; i >= 0; i-- {
			want = append(want, strings.ReplaceAll(want[0], "7", string(rune('0'+i))))
		}
	}
	slices.Sort(want)
	slices.Sort(answer.Warnings)
	if !slices.Equal(answer.Warnings, want) {
		t.Errorf("%q", answer.Warnings)
	}
	var mounts []string
	for _, m := range answer.Spec.ContainerEdits.Mounts {
		mounts = append(mounts, m.ContainerPath)
	}
	for _, want := range []string{"/usr/lib64/libcuda.so." + version, "/usr/lib64/libnvidia-ml.so." + version} {
		if !slices.Contains(mounts, want) {
			t.Errorf("no %s in %q", want, mounts)
		}
	}
	// What it prints is what plans are made of, with a UUID for each GPU.
	gpus := plan.GPUs(answer.Spec, os.DirFS(dir))
	if nodes && (len(gpus) != 7 || gpus[6].Index != 6 || !strings.HasPrefix(gpus[6].UUID, "GPU-")) {
		t.Errorf("%+v", gpus)
	}
}

// TestNoDriver: the library says why it is of no use.
func TestNoDriver(t *testing.T) {
	lib := &mock.Interface{InitFunc: func() nvml.Return { return nvml.ERROR_DRIVER_NOT_LOADED }}
	if answer, err := ask(lib, "/", nil); err == nil || !strings.Contains(err.Error(), "nvmlInit: ") {
		t.Errorf("%+v %v", answer, err)
	}
}

// TestOtherVersion: files that are not those of the driver in the kernel.
func TestOtherVersion(t *testing.T) {
	lib := library()
	lib.SystemGetDriverVersionFunc = func() (string, nvml.Return) { return "999.1.1", nvml.SUCCESS }
	dir, _ := root(t)
	if answer, err := ask(lib, dir, []string{"/usr/lib64"}); err == nil || !strings.Contains(err.Error(), "999.1.1") {
		t.Errorf("%+v %v", answer, err)
	}
}

func TestBeside(t *testing.T) {
	got := beside([]string{"/usr/lib64", "/usr/local/nvidia/lib64", "/usr/lib/x86_64-linux-gnu"})
	if !slices.Equal(got, []string{"/usr/local/nvidia/share"}) {
		t.Errorf("%q", got)
	}
}
