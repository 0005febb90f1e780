package plan

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/e2e/fixture/elffile"
	"github.com/sealift/sealift/gpu/ldcache"
	"github.com/sealift/sealift/gpu/request"
)

var update = flag.Bool("update", false, "write the plans in testdata anew")

func readSpec(t *testing.T, name string) *specs.Spec {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var s specs.Spec
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// driver is a host that has what a specification names. Libraries have the names that
// its links give them, and need an old glibc unless needs says more.
func driver(spec *specs.Spec, needs map[string]string) fstest.MapFS {
	names := map[string]string{}
	for _, h := range spec.ContainerEdits.Hooks {
		for _, v := range options(h.Args, "--link") {
			if text, at, _ := strings.Cut(v, "::"); !strings.HasSuffix(at, ".so") {
				names[text] = path.Base(at)
			}
		}
	}
	host := fstest.MapFS{}
	for _, m := range spec.ContainerEdits.Mounts {
		base := path.Base(m.HostPath)
		host[relative(m.HostPath)] = &fstest.MapFile{}
		if isLibrary(base) {
			glibc := []string{"GLIBC_2.2.5"}
			if v := needs[strings.SplitAfter(base, ".so")[0]]; v != "" {
				glibc = append(glibc, v)
			}
			soname := names[base]
			if soname == "" {
				soname = base
			}
			host[relative(m.HostPath)].Data = elffile.Library{SoName: soname, Needs: glibc}.Bytes()
		}
	}
	return host
}

// debian is an image with glibc and a cache of ld.so.
func debian(glibc string) fstest.MapFS {
	const dir = "/usr/lib/x86_64-linux-gnu"
	libc := elffile.Library{SoName: "libc.so.6", Defines: []string{"GLIBC_2.2.5", glibc, "GLIBC_PRIVATE"}}
	cache := ldcache.Cache{Entries: []ldcache.Entry{{Name: "libc.so.6", Path: dir + "/libc.so.6", Flags: 0x303}}}
	return fstest.MapFS{
		relative(dir + "/libc.so.6"): {Data: libc.Bytes()}, "etc/ld.so.cache": {Data: cache.Bytes()}, "etc/ld.so.conf.d/libc.conf": {},
	}
}

func with(image fstest.MapFS, files fstest.MapFS) fstest.MapFS {
	for name, f := range files {
		image[name] = f
	}
	return image
}

// text is the printed form of a plan.
func (p *Plan) text() string {
	var b strings.Builder
	binds := func(what string, list []Bind) {
		for _, d := range list {
			fmt.Fprintf(&b, "%s %s", what, d.Target)
			for _, flag := range []struct {
				on   bool
				text string
			}{{d.Source != d.Target, "=" + d.Source}, {d.ReadOnly, "ro"}, {d.NoExec, "noexec"}, {d.Needed, "needed"}} {
				if flag.on {
					b.WriteString(" " + flag.text)
				}
			}
			b.WriteString("\n")
		}
	}
	binds("device", p.Devices)
	binds("bind", p.Binds)
	for _, l := range p.Links {
		fmt.Fprintf(&b, "link %s -> %s\n", l.Path, l.Text)
	}
	for _, f := range p.Files {
		if c, err := ldcache.Parse([]byte(f.Content)); err == nil {
			fmt.Fprintf(&b, "cache %s\n", f.Path)
			for _, e := range c.Entries {
				fmt.Fprintf(&b, "  %s (%#x) => %s\n", e.Name, e.Flags, e.Path)
			}
			continue
		}
		fmt.Fprintf(&b, "file %s %q\n", f.Path, f.Content)
	}
	for _, e := range p.Env {
		fmt.Fprintf(&b, "env %s\n", e)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note %s\n", n)
	}
	return b.String()
}

func TestPlans(t *testing.T) {
	busybox := fstest.MapFS{"lib/ld-musl-x86_64.so.1": {}, "bin/busybox": {}}
	compute := &request.NVIDIA{Capabilities: []string{"compute", "utility"}}
	forward := func(note string) fstest.MapFS {
		lib := elffile.Library{SoName: "libcuda.so.1", Note: note}
		return with(debian("GLIBC_2.36"), fstest.MapFS{
			"usr/local/cuda/compat/libcuda.so.570.86.10": {Data: lib.Bytes()}, "usr/local/cuda/compat/libcuda.so.1": {Data: lib.Bytes()},
		})
	}
	for name, c := range map[string]struct {
		spec  string
		names []string
		in    Inputs
		needs map[string]string
	}{
		"all":             {"spec.json", []string{"0", "1"}, Inputs{Image: debian("GLIBC_2.36"), Hides: true}, nil},
		"one hidden":      {"spec-dlopen.json", []string{"1"}, Inputs{Image: debian("GLIBC_2.36"), Hides: true, NVIDIA: compute, Environ: []string{"CUDA_VISIBLE_DEVICES=1"}}, nil},
		"one not hidden":  {"spec-dlopen.json", []string{"1"}, Inputs{Image: debian("GLIBC_2.36"), NVIDIA: compute}, nil},
		"none":            {"spec-dlopen.json", nil, Inputs{Image: debian("GLIBC_2.36"), NVIDIA: compute}, nil},
		"MIG":             {"spec-mig.json", []string{"0:1"}, Inputs{Image: debian("GLIBC_2.36"), Hides: true, NVIDIA: compute}, nil},
		"old glibc":       {"spec.json", []string{"0", "1"}, Inputs{Image: debian("GLIBC_2.17"), NVIDIA: compute}, map[string]string{"libcuda.so": "GLIBC_2.27", "libnvidia-ml.so": "GLIBC_2.17"}},
		"musl":            {"spec.json", []string{"0", "1"}, Inputs{Image: busybox, NVIDIA: compute}, nil},
		"empty":           {"spec.json", []string{"0", "1"}, Inputs{NVIDIA: compute}, nil},
		"forward":         {"spec.json", []string{"0", "1"}, Inputs{Image: forward(`note{"Driver":[535,550]}`), NVIDIA: compute}, nil},
		"forward, no":     {"spec.json", []string{"0", "1"}, Inputs{Image: forward(`note{"Driver":[535]}`), NVIDIA: compute}, nil},
		"forward, silent": {"spec.json", []string{"0", "1"}, Inputs{Image: forward(""), NVIDIA: compute}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			spec := readSpec(t, c.spec)
			host := driver(spec, c.needs)
			c.in.Host, c.in.Arch = host, "amd64"
			c.in.Sources = []Source{{Spec: spec, Names: c.names, From: c.spec, GPUs: GPUs(spec, host)}}
			p, err := Compute(c.in)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", strings.NewReplacer(" ", "-", ",", "").Replace(name)+".plan")
			if *update {
				if err := os.WriteFile(file, []byte(p.text()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil || p.text() != string(want) {
				t.Errorf("%v; run with -update and look at the difference\n%s", err, p.text())
			}
		})
	}
}

// one is a plan for a specification of one device, x.com/y=z.
func one(t *testing.T, common, device specs.ContainerEdits, in Inputs) *Plan {
	t.Helper()
	spec := &specs.Spec{Kind: "x.com/y", Devices: []specs.Device{{Name: "z", ContainerEdits: device}}, ContainerEdits: common}
	in.Arch = "amd64"
	if in.Host == nil {
		in.Host = fstest.MapFS{}
	}
	in.Sources = []Source{{Spec: spec, Names: []string{"z"}, From: "a test", Explicit: true}}
	p, err := Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOtherVendors(t *testing.T) {
	node := func(path, host string) *specs.DeviceNode { return &specs.DeviceNode{Path: path, HostPath: host} }
	p := one(t, specs.ContainerEdits{
		Env: []string{"A=1"}, AdditionalGIDs: []uint32{5}, NetDevices: []*specs.LinuxNetDevice{{Name: "eth0"}},
		Hooks: []*specs.Hook{{Path: "/usr/bin/other", Args: []string{"other"}}, {Path: "/usr/bin/nvidia-ctk", Args: []string{"nvidia-ctk", "hook", "new"}},
			{Path: "/usr/bin/nvidia-ctk", Args: []string{"nvidia-ctk", "hook", "create-symlinks", "--link=../card0::/dev/dri/by-path/x"}}},
	}, specs.ContainerEdits{
		DeviceNodes: []*specs.DeviceNode{node("/dev/dri/card0", "/root/dev/card0"), node("/dev/dri/card0", "")},
		Mounts:      []*specs.Mount{{HostPath: "/a", ContainerPath: "/b/../c", Options: []string{"ro", "noexec"}}, {HostPath: "/x", ContainerPath: "/lib/firmware/x"}},
	}, Inputs{Hides: true})
	want := `device /dev/dri/card0 =/root/dev/card0 needed
bind /c =/a ro noexec
link /dev/dri/by-path/x -> ../card0
env A=1
note groups that a specification wants are those of the caller only
note network devices and cache allocation of a specification are left out
note hook /usr/bin/other is not run
note hook nvidia-ctk new is not known and not run
`
	if got := p.text(); got != want {
		t.Errorf("%s", got)
	}
}

// TestUnfit: libraries that are left out, each with one line.
func TestUnfit(t *testing.T) {
	lib := func(l elffile.Library) *fstest.MapFile { return &fstest.MapFile{Data: l.Bytes()} }
	host := fstest.MapFS{
		"l/libglvnd.so.0": lib(elffile.Library{SoName: "libGLX.so.0"}), "l/libbroken.so": {Data: []byte("x")}, "l/lib32.so.1": lib(elffile.Library{Machine: 3}),
		"l/libnew.so.1": lib(elffile.Library{SoName: "libnew.so.1", Needs: []string{"GLIBC_2.38"}}), "l/libgood.so.1": lib(elffile.Library{SoName: "libgood.so.1"}),
		"l/libshared.so.1": {Data: elffile.Library{SoName: "libshared.so.1"}.Bytes(), Mode: 0o777}, "l/lib of two.so.1": {},
	}
	image := with(debian("GLIBC_2.36"), fstest.MapFS{"usr/lib/libGLX.so.0": {}})
	var edits specs.ContainerEdits
	for _, name := range []string{"libglvnd.so.0", "libbroken.so", "lib32.so.1", "libnew.so.1", "libgood.so.1", "libmissing.so.1", "libshared.so.1", "lib of two.so.1"} {
		edits.Mounts = append(edits.Mounts, &specs.Mount{HostPath: "/l/" + name, ContainerPath: "/l/" + name})
	}
	p := one(t, edits, specs.ContainerEdits{}, Inputs{Host: host, Image: image})
	if len(p.Binds) != 1 || p.Binds[0].Target != "/l/libgood.so.1" {
		t.Errorf("%s", p.text())
	}
	for _, want := range []string{"libglvnd.so.0 is left out: the image has its own libGLX.so.0", "libbroken.so is left out", "libmissing.so.1 is left out: file does not exist",
		"libshared.so.1 is left out: every user may write to it", "lib of two.so.1 is left out",
		"libnew.so.1 is left out: it needs glibc 2.38, and the image has 2.36"} {
		if !slices.ContainsFunc(p.Notes, func(n string) bool { return strings.HasPrefix(n, want) }) {
			t.Errorf("no %q in %q", want, p.Notes)
		}
	}
}

// TestOwners: libraries are root's, the caller's, or of a root that has no id here.
func TestOwners(t *testing.T) {
	host := fstest.MapFS{}
	var edits specs.ContainerEdits
	for owner, name := range map[uint32]string{0: "libroots.so.1", 1000: "libmine.so.1", 65534: "libouter.so.1", 1001: "libtheirs.so.1"} {
		host["l/"+name] = &fstest.MapFile{Data: elffile.Library{SoName: name}.Bytes(), Mode: 0o755, Sys: &syscall.Stat_t{Uid: owner}}
		edits.Mounts = append(edits.Mounts, &specs.Mount{HostPath: "/l/" + name, ContainerPath: "/l/" + name})
	}
	p := one(t, edits, specs.ContainerEdits{}, Inputs{Host: host, Image: debian("GLIBC_2.36"), UID: 1000})
	if len(p.Binds) != 3 || len(p.Notes) != 1 || p.Notes[0] != "libtheirs.so.1 is left out: it belongs to the user 1001" {
		t.Errorf("%s", p.text())
	}
}

// TestHostileImage: what an image says is taken for nothing but data.
func TestHostileImage(t *testing.T) {
	image := with(debian("GLIBC_2.36"), fstest.MapFS{"etc/ld.so.cache": {Data: []byte("junk")}, "usr/lib/x86_64-linux-gnu/libstdc++.so.6": {Data: []byte("\x7fELF")}})
	host := fstest.MapFS{"l/liba.so.1": {Data: elffile.Library{SoName: "liba.so.1"}.Bytes()}, "l/libb.so.1": {Data: elffile.Library{SoName: "../libb.so.1"}.Bytes()}}
	p := one(t, specs.ContainerEdits{Mounts: []*specs.Mount{{HostPath: "/l/liba.so.1", ContainerPath: "/l/liba.so.1"}, {HostPath: "/l/libb.so.1", ContainerPath: "/l/libb.so.1"}}},
		specs.ContainerEdits{}, Inputs{Host: host, Image: image})
	if len(p.Files) == 0 || p.Files[0].Path != "/etc/ld.so.cache" || len(p.Links) > 0 || len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "is replaced") {
		t.Errorf("%s", p.text())
	}
}

func TestRefusedSpecs(t *testing.T) {
	for name, e := range map[string]specs.ContainerEdits{
		"device node":     {DeviceNodes: []*specs.DeviceNode{{Path: "dev/x"}}},
		"mount of":        {Mounts: []*specs.Mount{{HostPath: "/x", ContainerPath: "x"}}},
		"not an absolute": {Mounts: []*specs.Mount{{HostPath: "/x\x00", ContainerPath: "/x"}}},
	} {
		spec := &specs.Spec{Kind: "x.com/y", ContainerEdits: e}
		if _, err := Compute(Inputs{Sources: []Source{{Spec: spec, From: "a test"}}}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Compute(Inputs{Sources: []Source{{Spec: &specs.Spec{Kind: "x.com/y"}, Names: []string{"z"}, From: "a test"}}}); err == nil || !strings.Contains(err.Error(), "no device x.com/y=z") {
		t.Error(err)
	}
}
