package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/e2e/fixture/elffile"
)

const driverVersion = "550.54.15"

// gpuMachine is a machine with a driver of NVIDIA's and GPUs that are none: a library
// that knows them, and nodes that are /dev/null's.
type gpuMachine struct {
	driver string // see testdata/gpu/machine.sh
	gpus   int
	mig    int
	env    []string
}

// newDriver makes what a driver installs. The flags are of the compiler, for nvml.c.
func newDriver(t *testing.T, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	lib := filepath.Join(dir, "lib")
	if err := os.MkdirAll(lib, 0o755); err != nil {
		t.Fatal(err)
	}
	compile := func(source, soname string, flags ...string) {
		name := strings.TrimSuffix(soname, "1") + driverVersion
		args := append([]string{"-shared", "-fPIC", "-Wl,-soname," + soname, "-o", filepath.Join(lib, name)}, append(flags, "-xc", source)...)
		if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := os.Symlink(name, filepath.Join(lib, soname)); err != nil {
			t.Fatal(err)
		}
	}
	compile("testdata/gpu/nvml.c", "libnvidia-ml.so.1", append(flags, `-DDRIVER="`+driverVersion+`"`)...)
	for _, name := range []string{"libcuda.so.1", "libnvidia-cfg.so.1", "libnvidia-ptxjitcompiler.so.1", "libnvidia-nvvm.so.1"} {
		compile("/dev/null", name)
	}
	// No image is so new.
	newest := elffile.Library{SoName: "libnvidia-opencl.so.1", Needs: []string{"GLIBC_2.99"}}
	if err := os.WriteFile(filepath.Join(lib, "libnvidia-opencl.so."+driverVersion), newest.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// kernel has the kernel's files say something.
func (m gpuMachine) kernel(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		writeFile(t, filepath.Join(m.driver, "proc", name), text)
	}
}

// run runs a shell script on the machine as the user that runs the test. In it, s is
// sealift without the capabilities that made the machine.
func (m gpuMachine) run(t *testing.T, script string) string {
	t.Helper()
	dir, err := stage()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-Um", "--map-current-user", "--keep-caps"}
	if os.Geteuid() == 0 {
		args = []string{"-m"}
	}
	cmd := exec.Command("unshare", append(args, "sh", "testdata/gpu/machine.sh", m.driver, fmt.Sprint(m.gpus), fmt.Sprint(m.mig))...)
	s := "s() { setpriv --inh-caps=-all --ambient-caps=-all " + filepath.Join(dir, "bin/sealift") + ` "$@"; echo "status $?"; }` + "\n"
	cmd.Stdin = strings.NewReader(s + script)
	home := t.TempDir()
	cmd.Env = append([]string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + home}, m.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return string(out)
}

// expect compares what a script prints with what it is to print, and not to.
func expect(t *testing.T, out string, want, not []string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("no %q in\n%s", w, out)
		}
	}
	for _, n := range not {
		if strings.Contains(out, n) {
			t.Errorf("%q in\n%s", n, out)
		}
	}
}

// gpuProbe loads the driver's libraries as a program does, and says what it sees.
const gpuProbe = `
import ctypes, os, re
lib = ctypes.CDLL("libnvidia-ml.so.1")
for name in "libcuda.so.1", "libcuda.so": ctypes.CDLL(name)
print("nvml", lib.nvmlInit_v2())
print("from", *sorted({m for m in re.findall(r"(/\S*lib(?:cuda|nvidia)\S*)", open("/proc/self/maps").read())}))
print("others", *sorted({m for m in re.findall(r"(/\.singularity\.d/driver/\S*|/opt/0/\S*)", open("/proc/self/maps").read()) if not re.search("lib(cuda|nvidia)", m)}))
print("nodes", *sorted(d for d in os.listdir("/dev") if re.match(r"nvidia\d|nvidiactl", d)), *(sorted(os.listdir("/dev/nvidia-caps")) if os.path.isdir("/dev/nvidia-caps") else []))
for name in "NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES": print(name, os.environ.get(name))
`

// gpuImages returns the Debian image and a file with gpuProbe.
func gpuImages(t *testing.T) (debian, busybox, probe string) {
	t.Helper()
	env := images(t)
	if env["DEBIAN"] == "" || env["BUSYBOX"] == "" {
		t.Skip("no images") // link has failed in CI
	}
	var err error
	if debian, err = buildOnce(env["STAGE"], "PY", "oci:"+env["DEBIAN"]); err != nil {
		t.Fatal(err)
	}
	if busybox, err = buildOnce(env["STAGE"], "BB", "oci:"+env["BUSYBOX"]); err != nil {
		t.Fatal(err)
	}
	probe = filepath.Join(t.TempDir(), "probe.py")
	if err := os.WriteFile(probe, []byte(gpuProbe), 0o644); err != nil {
		t.Fatal(err)
	}
	return debian, busybox, probe
}

// TestGPU starts containers with GPUs, and loads the driver's libraries there.
func TestGPU(t *testing.T) {
	asUser(t, "^TestGPU$")
	debian, busybox, probe := gpuImages(t)
	two := gpuMachine{driver: newDriver(t), gpus: 2, env: []string{"IMAGE=" + debian, "BUSYBOX=" + busybox, "PROBE=" + probe}}
	const (
		run    = `s -v exec --nv --bind $PROBE:/probe.py $IMAGE python3 /probe.py`
		hidden = `s exec --nv --contain --bind $PROBE:/probe.py $IMAGE python3 /probe.py`
		uuid1  = "GPU-00000001-1111-2222-3333-444444444444"
	)
	loads := []string{"status 0", "nvml 0", "/libcuda.so." + driverVersion}
	for name, c := range map[string]struct {
		script    string
		want, not []string
	}{
		"all": {run, append(loads, "from NVIDIA's library", "nodes nvidia0 nvidia1 nvidiactl", "NVIDIA_VISIBLE_DEVICES all", "CUDA_VISIBLE_DEVICES None",
			"libnvidia-opencl.so."+driverVersion+" is left out: it needs glibc 2.99"), nil},
		"again":        {strings.Replace(run, "s -v", "s -q", 1) + "\n" + run, append(loads, "from NVIDIA's library, as an earlier start has found it"), nil},
		"by files":     {`export SEALIFT_GPU_SOURCE=files; ` + run, append(loads, "from the driver's files"), nil},
		"hidden":       {`export NVIDIA_VISIBLE_DEVICES=1 CUDA_VISIBLE_DEVICES=1; ` + hidden, append(loads, "nodes nvidia1 nvidiactl", "NVIDIA_VISIBLE_DEVICES "+uuid1, "CUDA_VISIBLE_DEVICES 0\n"), nil},
		"by CUDA":      {`export CUDA_VISIBLE_DEVICES=GPU-00000001; ` + hidden, append(loads, "nodes nvidia1 nvidiactl", "CUDA_VISIBLE_DEVICES GPU-00000001\n"), nil},
		"not hidden":   {`export NVIDIA_VISIBLE_DEVICES=GPU-00000001; ` + run, append(loads, "nodes nvidia0 nvidia1", "CUDA_VISIBLE_DEVICES "+uuid1), nil},
		"a device":     {`s exec --contain --device nvidia.com/gpu=1 --bind $PROBE:/probe.py $IMAGE python3 /probe.py`, append(loads, "nodes nvidia1 nvidiactl"), nil},
		"a node":       {`s exec --contain --device /dev/nvidia1 $IMAGE ls /dev`, []string{"status 0", "nvidia1"}, []string{"nvidia0", "nvidiactl"}},
		"not there":    {`export NVIDIA_VISIBLE_DEVICES=7; ` + run, []string{"status 125", "names the GPU 7, which is not there"}, []string{"nvml 0"}},
		"no node":      {`s exec --device /dev/nvidia9 $IMAGE true`, []string{"status 125", "/dev/nvidia9 may not be used: no such file"}, nil},
		"no CDI":       {`s exec --device x.com/y=0 $IMAGE true`, []string{"status 125", "device x.com/y=0 is in no file"}, nil},
		"void":         {`export NVIDIA_VISIBLE_DEVICES=void; s exec --nv --contain $IMAGE ls /dev`, []string{"status 0", "gets no GPU"}, []string{"nvidia0"}},
		"taken back":   {`export APPTAINER_NV=1; s exec --no-nv --contain $IMAGE ls /dev`, []string{"status 0"}, []string{"nvidia0"}},
		"others":       {`s exec --rocm --intel-hpu --rdma $IMAGE true`, []string{"status 0", "no AMD GPU", "no Gaudi", "/dev/infiniband"}, nil},
		"busybox":      {`s exec --nv --contain $BUSYBOX ls /dev`, []string{"status 0", "nvidia0"}, nil},
		"in memory":    {strings.Replace(run, "--nv", "--nv --writable-tmpfs", 1), loads, nil},
		"unpacked":     {strings.Replace(run, "--nv", "--nv --unsquash", 1), loads, nil},
		"overlay":      {`mkdir o; ` + strings.Replace(run, "--nv", "--nv --overlay $PWD/o", 1) + `; echo kept $(find o/upper ! -type d)`, append(loads, "kept\n"), nil},
		"root":         {strings.Replace(run, "--nv", "--nv --fakeroot --ignore-subuid", 1), loads, nil},
		"capabilities": {`export NVIDIA_DRIVER_CAPABILITIES=utility; s exec --nv $IMAGE sh -c 'ls /usr/lib/*/libnvidia-ml.so.1 /usr/lib/*/libcuda.so.1'`, []string{"libnvidia-ml.so.1", "cannot access"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, two.run(t, "cd $HOME\n"+c.script), c.want, c.not)
		})
	}
}

// TestGPUDirectories: images that are directories, with and without what images have.
func TestGPUDirectories(t *testing.T) {
	asUser(t, "^TestGPUDirectories$")
	debian, busybox, probe := gpuImages(t)
	m := gpuMachine{driver: newDriver(t), gpus: 1, env: []string{"IMAGE=" + debian, "BUSYBOX=" + busybox, "PROBE=" + probe}}
	out := m.run(t, `cd $HOME
s -q build --sandbox image $IMAGE
python() { s exec --nv "$@" --bind $PROBE:/probe.py image python3 /probe.py; }
echo a cache; python
rm image/etc/ld.so.cache
echo no cache; python
rm -f image/usr/lib/*/libcuda*; ln -s $HOME/victim image/usr/lib/x86_64-linux-gnu/libcuda.so.1; ln -s /etc/passwd image/usr/lib/x86_64-linux-gnu/libcuda.so.`+driverVersion+`
echo theirs >victim
echo garbage >image/etc/ld.so.cache
echo hostile; python
cat victim
echo its own; s exec --nv --writable image true
s -q build --sandbox musl $BUSYBOX
mkdir -p musl/lib; : >musl/lib/ld-musl-x86_64.so.1
echo musl; s exec --nv musl ls -l /.singularity.d/libs
`)
	parts := strings.Split(out, "\nno cache\n")
	if len(parts) != 2 {
		t.Fatal(out)
	}
	expect(t, parts[0], []string{"status 0\na cache\n", "nvml 0"}, nil)
	rest := parts[1]
	for _, c := range []struct{ next, want string }{
		{"\nhostile\n", "nvml 0"}, {"\nits own\n", "nvml 0"}, {"\nmusl\n", "files of drivers are not shown"}, {"\x00", "libcuda.so.1 -> /usr/lib/"},
	} {
		part, after, _ := strings.Cut(rest, c.next)
		expect(t, part, []string{c.want, "status 0"}, nil)
		rest = after
	}
	expect(t, out, []string{"theirs\n", "the image's C library is musl"}, nil)
}

// TestGPUTrouble: drivers and specifications that are of no use.
func TestGPUTrouble(t *testing.T) {
	asUser(t, "^TestGPUTrouble$")
	debian, _, probe := gpuImages(t)
	env := []string{"IMAGE=" + debian, "PROBE=" + probe}
	const run = `cd $HOME
s -v exec --nv --bind $PROBE:/probe.py $IMAGE python3 /probe.py
`
	broken := gpuMachine{driver: newDriver(t, "-DFAIL=9"), gpus: 1, env: env}
	expect(t, broken.run(t, `cd $HOME; s -v exec --nv $IMAGE true; s exec --nv --gpu-source helper $IMAGE true`),
		[]string{"could not be asked: ", "nvmlInit: ", "from the driver's files", "status 0", "neither a GPU nor a driver"}, []string{"status 1"})
	none := gpuMachine{driver: newDriver(t, "-DGPUS=0"), env: env}
	expect(t, none.run(t, run+`export NVIDIA_VISIBLE_DEVICES=0; s exec --nv $IMAGE true; s exec --device nvidia.com/gpu=0 $IMAGE true`),
		[]string{"--nv: no GPU was found, only the driver", "nvml 0", "status 0", "names the GPU 0, which is not there", "status 125"}, nil)
	empty := gpuMachine{driver: t.TempDir(), env: env}
	if err := os.Mkdir(filepath.Join(empty.driver, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	expect(t, empty.run(t, `s exec --nv $IMAGE true`), []string{"neither a GPU nor a driver of NVIDIA's was found", "status 0"}, nil)

	one := gpuMachine{driver: newDriver(t, "-DGPUS=1"), gpus: 1, env: env}
	spec := func(version string) string {
		lib := "/usr/lib/x86_64-linux-gnu/libcuda.so." + version
		return fmt.Sprintf(`{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[{"name":"0","containerEdits":{"deviceNodes":[{"path":"/dev/nvidia0"}]}}],
"containerEdits":{"mounts":[{"hostPath":%q,"containerPath":"/lib/x86_64-linux-gnu/libcuda.so.%s","options":["ro"]}]}}`, lib, version)
	}
	// Debian's /lib is a link.
	cdi := `cd $HOME; mkdir cdi; cat >cdi/a.json <<'E'
` + spec(driverVersion) + `
E
`
	expect(t, one.run(t, cdi+`s -v exec --nv --cdi-dirs $PWD/cdi $IMAGE python3 -c 'import ctypes; ctypes.CDLL("libcuda.so.1")'`),
		[]string{"from the CDI specification ", "status 0"}, []string{"warning"})
	expect(t, one.run(t, cdi+`cp cdi/a.json cdi/b.json; s -v exec --nv --cdi-dirs $PWD/cdi $IMAGE true; s exec --device nvidia.com/gpu=0 --cdi-dirs $PWD/cdi $IMAGE true`),
		[]string{"conflicting device", "from NVIDIA's library", "status 0"}, []string{"status 125"})
	expect(t, one.run(t, strings.ReplaceAll(cdi, driverVersion, "535.1.1")+`s -v exec --nv --cdi-dirs $PWD/cdi $IMAGE true; s exec --device nvidia.com/gpu=0 --cdi-dirs $PWD/cdi $IMAGE true`),
		[]string{"is out of date and not used", "from NVIDIA's library", "status 0", "status 125"}, nil)
}

// writeFile writes a file, and makes its directories.
func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestGPUInstances: of a GPU that is parted (MIG), a container sees what was chosen.
func TestGPUInstances(t *testing.T) {
	asUser(t, "^TestGPUInstances$")
	debian, _, probe := gpuImages(t)
	m := gpuMachine{driver: newDriver(t, "-DMIG0=2"), gpus: 2, mig: 2, env: []string{"IMAGE=" + debian, "PROBE=" + probe}}
	m.kernel(t, map[string]string{
		"nvidia/version":         "NVRM version: NVIDIA UNIX x86_64 Kernel Module  " + driverVersion + "  Thu Feb 22 01:44:30 UTC 2024\n",
		"nvidia-caps/mig-minors": "config 1\nmonitor 2\ngpu0/gi1/access 12\ngpu0/gi1/ci0/access 13\ngpu0/gi2/access 21\ngpu0/gi2/ci0/access 22\n",
	})
	for _, source := range []string{"helper", "files"} {
		out := m.run(t, `cd $HOME; export SEALIFT_GPU_SOURCE=`+source+`
probe() { NVIDIA_VISIBLE_DEVICES=$1 s exec --nv --contain --bind $PROBE:/probe.py $IMAGE python3 /probe.py; }
probe 0:1
probe 1
export NVIDIA_MIG_MONITOR_DEVICES=all
probe 0
s doctor gpu
`)
		expect(t, out, []string{"NVIDIA driver " + driverVersion + ", GPUs that may be used: 2; --nv finds them by NVIDIA's library", "nodes nvidia0 nvidiactl nvidia-cap21 nvidia-cap22\n", "nodes nvidia1 nvidiactl\n",
			"nodes nvidia0 nvidiactl nvidia-cap12 nvidia-cap13 nvidia-cap2 nvidia-cap21 nvidia-cap22\n"}, []string{"status 125"})
		if source == "helper" {
			expect(t, out, []string{"NVIDIA_VISIBLE_DEVICES MIG-00000000-1111-2222-3333-444444444401\n"}, nil)
		}
	}
}
