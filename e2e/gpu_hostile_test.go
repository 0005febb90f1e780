package e2e

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/e2e/fixture/elffile"
	"github.com/sealift/sealift/gpu/library"
)

// TestGPUHostile: an image that has something of its own wherever files of the driver
// go, and a library that is to be loaded into every program (T101).
func TestGPUHostile(t *testing.T) {
	asUser(t, "^TestGPUHostile$")
	debian, _, probe := gpuImages(t)
	evil := filepath.Join(t.TempDir(), "evil.so")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", evil, "testdata/gpu/evil.c").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m := gpuMachine{driver: newDriver(t, "-DGPUS=1"), gpus: 1, env: []string{"IMAGE=" + debian, "PROBE=" + probe, "EVIL=" + evil, "VERSION=" + driverVersion}}
	out := m.run(t, `cd $HOME
echo theirs >victim; : >log
s -q build --sandbox image $IMAGE
lib=image/usr/lib/x86_64-linux-gnu
cp $EVIL image/evil.so
for name in libcuda.so.1 libcuda.so.$VERSION libnvidia-ml.so.1 libnvidia-ml.so.$VERSION; do ln -sf $HOME/victim $lib/$name; done
rm -rf image/.singularity.d/libs
ln -s /etc image/.singularity.d/libs
ln -s /opt image/.singularity.d/driver
echo /evil >image/etc/ld.so.conf
echo garbage >image/etc/ld.so.cache
echo 'export LD_PRELOAD=/evil.so' >>image/.singularity.d/env/90-environment.sh
s -q build hostile.sif image
s exec --nv --bind $PROBE:/probe.py --bind $HOME/log:/evil.log hostile.sif python3 /probe.py
mkdir cdi; cat >cdi/a.json <<'E'
{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[{"name":"0","containerEdits":{"deviceNodes":[{"path":"/dev/nvidia0"}]}}],
"containerEdits":{"mounts":[{"hostPath":"/usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15","containerPath":"/usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15"}]}}
E
echo one; s -q exec --nv --cdi-dirs $PWD/cdi --env LD_PRELOAD= hostile.sif sh -c 'ls -l /usr/lib/x86_64-linux-gnu/libcuda*; cat '$HOME/victim
s exec --nv --bind $HOME/log:/evil.log hostile.sif sleep 60 &
for try in $(seq 100); do ! grep -q sleep log || break; sleep 0.1; done
for exe in /proc/[0-9]*/exe; do
	case $(readlink $exe) in
	*/bin/sealift|*/bin/sealift-full|*/sealift-starter) cat ${exe%/exe}/maps >>ours ;;
	*/bin/sleep) kill $(echo $exe | cut -d/ -f3) ;;
	esac
done
wait
grep -q sealift ours && echo looked at ours
grep evil ours
echo log; sort -u log
cat victim
`)
	expect(t, out, []string{"nvml 0", "/libcuda.so." + driverVersion, "from /opt/0/libcuda.so.", "others\n", "/etc/ld.so.cache of the image is replaced", "-> libcuda.so.550.54.15\n", "/libcuda.so.550.54.15\ntheirs\n", "looked at ours\nlog\n", "python3", "theirs\n"},
		[]string{"/evil.so\n", "sealift\n", "libcuda.so.550.54.15 -> /tmp"})
}

// TestGPUHostFiles: files of a driver on the host that are odd (T102).
func TestGPUHostFiles(t *testing.T) {
	asUser(t, "^TestGPUHostFiles$")
	debian, _, probe := gpuImages(t)
	driver := newDriver(t)
	m := gpuMachine{driver: driver, gpus: 1, env: []string{"IMAGE=" + debian, "PROBE=" + probe}}
	for name, l := range map[string]elffile.Library{"libnvidia of two words.so.": {SoName: "libnvidia of two words.so.1"}, "libnvidia-shared.so.": {SoName: "libnvidia-shared.so.1"}} {
		writeFile(t, filepath.Join(driver, "lib", name+driverVersion), string(l.Bytes()))
	}
	if err := os.Chmod(filepath.Join(driver, "lib", "libnvidia-shared.so."+driverVersion), 0o666); err != nil {
		t.Fatal(err)
	}
	out := m.run(t, `cd $HOME; export SEALIFT_GPU_SOURCE=files
s exec --nv --bind $PROBE:/probe.py $IMAGE python3 /probe.py
s -q exec --nv $IMAGE sh -c 'cd /usr/lib/x86_64-linux-gnu; cat "libnvidia of two words.so.`+driverVersion+`" >/dev/null && echo both words; ls libnvidia-shared* 2>/dev/null || echo not shared'
export SEALIFT_GPU_SOURCE=cdi; mkdir cdi; cat >cdi/a.json <<'E'
{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[{"name":"0","containerEdits":{"deviceNodes":[{"path":"/dev/nvidia0"}]}}],
"containerEdits":{"mounts":[{"hostPath":"/usr/lib/x86_64-linux-gnu/libmissing.so.1","containerPath":"/usr/lib/libmissing.so.1"}]}}
E
s exec --nv --cdi-dirs $PWD/cdi $IMAGE true
`)
	expect(t, out, []string{"nvml 0", "libnvidia-shared.so." + driverVersion + " is left out: every user may write to it", "both words\nnot shared\n",
		"/libmissing.so.1, which it names, cannot be used: no such file", "status 0"}, []string{"status 125"})
}

// TestGPUOthers: of AMD's and Intel's GPUs, a container sees those that variables choose.
func TestGPUOthers(t *testing.T) {
	asUser(t, "^TestGPUOthers$")
	debian, _, _ := gpuImages(t)
	driver := t.TempDir()
	if err := os.Mkdir(filepath.Join(driver, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	m := gpuMachine{driver: driver, env: []string{"IMAGE=" + debian}}
	for n, minor := range []int{129, 128, 130} {
		writeFile(t, filepath.Join(driver, "class/kfd/kfd/topology/nodes", fmt.Sprint(n+1), "properties"), fmt.Sprintf("drm_render_minor %d\n", minor))
	}
	for minor, vendor := range map[int]string{128: "0x1002", 129: "0x1002", 130: "0x1002", 131: "0x8086", 132: "0x8086"} {
		writeFile(t, filepath.Join(driver, "class/drm", fmt.Sprintf("renderD%d/device/vendor", minor)), vendor+"\n")
	}
	out := m.run(t, `cd $HOME
see() { s exec "$@" $IMAGE sh -c 'echo $(ls -d /dev/kfd /dev/dri/* 2>/dev/null) ROCR=$ROCR_VISIBLE_DEVICES HIP=$HIP_VISIBLE_DEVICES ZE=$ZE_AFFINITY_MASK.'; }
see --rocm --contain
(export ROCR_VISIBLE_DEVICES=2,0 HIP_VISIBLE_DEVICES=1; see --rocm --contain)
(export ROCR_VISIBLE_DEVICES=1; see --rocm)
(export ROCR_VISIBLE_DEVICES=7; see --rocm --contain)
(export ZE_AFFINITY_MASK=1; see --intel-gpu --contain)
see --contain
`)
	expect(t, out, []string{
		"/dev/dri/renderD128 /dev/dri/renderD129 /dev/dri/renderD130 /dev/kfd ROCR= HIP= ZE=.\nstatus 0\n/dev/dri/renderD129 /dev/kfd ROCR=0 HIP=0 ZE=.\n",
		"/dev/dri/renderD132 /dev/kfd ROCR=1 HIP= ZE=.\n", "ROCR_VISIBLE_DEVICES names the GPU 7, which is not there", "status 125",
		"\n/dev/dri/renderD132 ROCR= HIP= ZE=0.\nstatus 0\nROCR= HIP= ZE=.\n",
	}, nil)
}

// TestGPUJoined: who joins an instance has its GPUs, and is told where it has none.
func TestGPUJoined(t *testing.T) {
	asUser(t, "^TestGPUJoined$")
	debian, _, probe := gpuImages(t)
	m := gpuMachine{driver: newDriver(t), gpus: 2, env: []string{"IMAGE=" + debian, "PROBE=" + probe}}
	m.kernel(t, map[string]string{"nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  " + driverVersion + "  Thu Feb 22 01:44:30 UTC 2024\n"})
	out := m.run(t, `cd $HOME
(export NVIDIA_VISIBLE_DEVICES=1; s instance start --nv --contain --bind $PROBE:/probe.py $IMAGE with)
s instance start $IMAGE without
s exec --nv instance://with python3 /probe.py
echo without; s exec --nv instance://without true
s instance stop --all
echo asks; s exec --nv --env NVIDIA_REQUIRE_CUDA='cuda>=12.8 brand=tesla,driver>=570' $IMAGE true
s exec --nv --env NVIDIA_REQUIRE_CUDA='cuda>=12.4' $IMAGE true
`)
	with, rest, _ := strings.Cut(out, "\nwithout\n")
	expect(t, with, []string{"nvml 0", "nodes nvidia1 nvidiactl\n", "NVIDIA_VISIBLE_DEVICES GPU-00000001-1111"}, []string{"no effect", "status 1"})
	without, asks, _ := strings.Cut(rest, "\nasks\n")
	expect(t, without, []string{"--nv: the instance without was started without, and gets no devices or drivers now", "status 0"}, []string{"status 1"})
	expect(t, asks, []string{"the image asks for NVIDIA_REQUIRE_CUDA=cuda>=12.8 or the like, and the driver is " + driverVersion}, []string{"12.4 or", "status 1"})
}

// TestGPUHelperLibc: the helper starts with an older C library than the one that it was
// built with: it asks for nothing that is newer than RHEL 7's.
func TestGPUHelperLibc(t *testing.T) {
	dir, err := stage()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(filepath.Join(dir, "bin/sealift-gpu-helper"))
	if os.IsNotExist(err) && os.Getenv("CI") != "true" {
		t.Skip("no helper was built: there is no C compiler")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.ImportedSymbols()
	if err != nil {
		t.Fatal(err)
	}
	versions := 0
	for _, s := range symbols {
		v, ok := strings.CutPrefix(s.Version, "GLIBC_")
		if !ok {
			continue // of NVIDIA's library
		}
		versions++
		if library.Compare(v, "2.17") > 0 {
			t.Errorf("%s is of glibc %s", s.Name, v)
		}
	}
	libs, err := f.ImportedLibraries()
	if versions == 0 || err != nil || !strings.Contains(strings.Join(libs, " "), "libdl.so.2 libpthread.so.0") {
		t.Errorf("%d versions, libraries %q, %v", versions, libs, err)
	}
}
