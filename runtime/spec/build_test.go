package spec

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/identity"
	"github.com/sealift/sealift/runtime/layout"
	"github.com/sealift/sealift/starter/plan"
)

// machine returns the machine and the image of testdata/base.txt with changes.
func machine(t *testing.T, facts, img string) (*host.Facts, image.Info) {
	t.Helper()
	base, err := txtar.ParseFile("testdata/base.txt")
	if err != nil {
		t.Fatal(err)
	}
	return parseFacts(t, section(base, "facts")+facts), parseImage(t, section(base, "image")+img)
}

func request(img image.Info) BuildRequest {
	return BuildRequest{
		Base: img, Upper: "/build/upper", Work: "/build/work", Args: []string{"/bin/sh", "-e", "/.post.script"},
		Env: []string{"PATH=/bin", "A=1"},
	}
}

func computeBuild(t *testing.T, b BuildRequest, f *host.Facts) *Container {
	t.Helper()
	c, err := ComputeBuild(b, f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Encode(&c.Plan); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBuild(t *testing.T) {
	f, img := machine(t, "subids 100000 65536\n", "")
	c := computeBuild(t, request(img), f)
	want := `clone user mount pid
uidmap 0 1000 1
gidmap 0 1000 1
session /tmp mode=0755,size=50%
mkdir @image 0755
fuse @image ""
overlay / @image /build/upper /build/work nosuid,nodev
mount tmpfs /tmp nosuid,nodev mode=1777
mount tmpfs /var/tmp nosuid,nodev mode=1777
mount proc /proc nosuid,nodev,noexec ""
bind /sys /sys nosuid,nodev,noexec
bind /dev /dev nosuid
bind /etc/hosts /etc/hosts ro,nosuid,nodev
bind /etc/resolv.conf /etc/resolv.conf ro,nosuid,nodev
pivot
dropcaps all
init
umask 22
closefds
env PATH=/bin
env A=1
cwd /
exec /bin/sh -e /.post.script
`
	if got := c.Plan.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if c.Owner == nil || *c.Owner != (Owner{0, 0}) {
		t.Errorf("owner %v", c.Owner)
	}
}

func TestBuildByRoot(t *testing.T) {
	f, img := machine(t, "uid 0\ngid 0\nadmin yes\n", "")
	c := computeBuild(t, request(img), f)
	if c.Plan.Clone.User || c.Owner != nil {
		t.Errorf("root needs no user namespace: %+v, owner %v", c.Plan.Clone, c.Owner)
	}
	// Nor may it change the machine by the kernel's files.
	for _, name := range []string{"/proc/sys", "/proc/sysrq-trigger", "/sys"} {
		if guard := plan.Do(plan.Bind, name, name, "ro,nosuid,nodev,noexec,try"); !slices.ContainsFunc(c.Plan.Ops, func(op plan.Op) bool { return op.String() == guard.String() }) {
			t.Errorf("%s is not read-only:\n%s", name, c.Plan.String())
		}
	}
}

// TestBuildEmulatesRoot has an ordinary user, for whom the image server hides
// owners even where nothing can be written.
func TestBuildEmulatesRoot(t *testing.T) {
	f, img := machine(t, "", "")
	f.UserNotify = true
	for _, upper := range []bool{true, false} {
		b := request(img)
		b.Emulation = identity.EmulateFast
		if !upper {
			b.Upper, b.Work = "", ""
		}
		c := computeBuild(t, b, f)
		if got := c.Plan.String(); !strings.Contains(got, "pivot\nemulate fast \"\"\ndropcaps all\ninit\n") || c.Owner == nil {
			t.Errorf("owner %v\n%s", c.Owner, got)
		}
	}
	b := request(img)
	b.Emulation = identity.EmulateAuto
	f.UserNotify = false
	if got := computeBuild(t, b, f).Plan.String(); !strings.Contains(got, "emulate silent \"\"\n") {
		t.Errorf("without user notification:\n%s", got)
	}
	b.Emulation = identity.EmulateFull
	if _, err := ComputeBuild(b, f); err == nil || hint.Of(err) == "" {
		t.Errorf("full emulation without user notification: %v", err)
	}
	root, img := machine(t, "uid 0\ngid 0\nadmin yes\n", "")
	b = request(img)
	b.Emulation = identity.EmulateFull
	if c := computeBuild(t, b, root); strings.Contains(c.Plan.String(), "emulate") {
		t.Errorf("real root:\n%s", c.Plan.String())
	}
}

// TestBuildOnLayers has a server for each layer. The topmost one shows what is
// missing, with the modes that the directories on the way have below.
func TestBuildOnLayers(t *testing.T) {
	f, img := machine(t, "", "rm proc\ndir etc 0710\nrm etc/hosts\n")
	b := request(img)
	b.Layers = 2
	c := computeBuild(t, b, f)
	got := c.Plan.String()
	for _, line := range []string{
		"mkdir @image/0 0755\nfuse @image/0 \"\"\nmkdir @image/1 0755\nfuse @image/1 \"\"\n",
		"overlay / @image/0:@image/1 /build/upper /build/work nosuid,nodev\n",
		"image mkdir /etc 0710\nimage mkfile /etc/hosts 0644\n", "image mkdir /proc 0755\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing in\n%s", line, got)
		}
	}
	if want := []layout.Served{{Target: "@image/0", Volume: -1, InRoot: true}, {Target: "@image/1", Volume: -1, Layer: 1, InRoot: true}}; !reflect.DeepEqual(c.Served, want) {
		t.Errorf("served: %+v", c.Served)
	}
}

// TestBuildFromNothing has no lower file system but the mount points.
func TestBuildFromNothing(t *testing.T) {
	f, _ := machine(t, "", "")
	c := computeBuild(t, request(image.Info{}), f)
	got := c.Plan.String()
	for _, line := range []string{"mkdir @image 0755\n", "mkdir @image/proc 0755\n", "overlay / @image /build/upper"} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing in\n%s", line, got)
		}
	}
	if len(c.Plan.Image) > 0 || strings.Contains(got, "fuse") || c.Owner != nil {
		t.Errorf("there is no image to serve:\n%s", got)
	}
}

func TestBuildOnSandbox(t *testing.T) {
	f, img := machine(t, "fuse no\n", "sandbox /data/box\n")
	c := computeBuild(t, request(img), f)
	if got := c.Plan.String(); !strings.Contains(got, "overlay / /data/box /build/upper /build/work") {
		t.Errorf("got\n%s", got)
	}
}

func TestBuildOptions(t *testing.T) {
	f, img := machine(t, "dir var/tmp/b\n", "rm etc/resolv.conf\nlink etc/resolv.conf /run/x\n")
	b := request(img)
	b.Tmp, b.Dir, b.Binds = "/var/tmp/b", "/etc", []string{"/data:/in:ro"}
	c := computeBuild(t, b, f)
	got := c.Plan.String()
	for _, line := range []string{
		"bind /var/tmp/b /tmp nosuid,nodev\n", "bind /var/tmp/b /var/tmp nosuid,nodev\n", "bind /data /in ro,nosuid,nodev\n",
		"image write /etc/resolv.conf 0644 \"\"\n", "cwd /etc\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing in\n%s", line, got)
		}
	}
}

// TestBuildBare leaves the program what it is given and what the image has.
func TestBuildBare(t *testing.T) {
	f, img := machine(t, "dir build/m\n", "file .singularity.d/env/90-environment.sh \"export A=2\"\n")
	f.UserNotify = true
	b := request(img)
	b.Bare, b.NoNetwork, b.Emulation = true, true, identity.EmulateFull
	b.User = &plan.User{UID: 7, GID: 8, Groups: []uint32{8, 9}}
	b.Attached = []bind.Attached{
		{Source: "/build/m", Target: "/src", ReadOnly: true}, {Source: "/build/m", Target: "/w"}, {Target: "/m/n", Size: 4096},
	}
	c := computeBuild(t, b, f)
	got := c.Plan.String()
	for _, line := range []string{
		"clone user mount pid net\n", "bind /build/m /src ro,nosuid,nodev\n", "bind /build/m /w nosuid,nodev\n",
		"mount tmpfs /m/n nosuid,nodev mode=1777,size=4096\n", "image mkdir /src 0755\n", "init\nuser 7 8 8 9\n", "env A=1\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing in\n%s", line, got)
		}
	}
	if strings.Contains(got, "tmpfs /tmp") || strings.Contains(got, "/var/tmp") {
		t.Errorf("/tmp is hidden:\n%s", got)
	}
}

// TestBuildUser: who only root is mapped for cannot be another one for real.
func TestBuildUser(t *testing.T) {
	f, img := machine(t, "", "")
	b := request(img)
	b.Emulation, b.User = identity.EmulateOff, &plan.User{UID: 7}
	if _, err := ComputeBuild(b, f); err == nil || !strings.Contains(hint.Of(err), "--root-emulation") {
		t.Errorf("without emulation: %v", err)
	}
	b.User = &plan.User{}
	if got := computeBuild(t, b, f).Plan.String(); !strings.Contains(got, "user 0 0\n") {
		t.Errorf("root:\n%s", got)
	}
	root, img := machine(t, "uid 0\ngid 0\nadmin yes\n", "")
	b = request(img)
	b.User = &plan.User{UID: 7}
	if got := computeBuild(t, b, root).Plan.String(); !strings.Contains(got, "user 7 0\n") {
		t.Errorf("real root:\n%s", got)
	}
}

// TestBuildTest runs the image's test on a root that cannot be changed.
func TestBuildTest(t *testing.T) {
	f, img := machine(t, "", "file .singularity.d/test \"#!/bin/sh\" 0755\nfile .singularity.d/env/90-environment.sh \"export A=$A$A\"\n")
	b := request(img)
	b.Test, b.Args, b.Upper, b.Work = true, nil, "", ""
	c := computeBuild(t, b, f)
	got := c.Plan.String()
	if !strings.Contains(got, "fuse / \"\"\n") || !strings.Contains(got, "env A=11\n") || !strings.HasSuffix(got, "\nexec /.singularity.d/test\n") || c.Owner != nil {
		t.Errorf("owner %v\n%s", c.Owner, got)
	}
}

func TestBuildScriptsInShell(t *testing.T) {
	f, img := machine(t, "", "file .singularity.d/env/90-environment.sh \"export B=$(x)\"\n")
	got := computeBuild(t, request(img), f).Plan.Process
	if got.Args[0] != "/bin/sh" || got.Args[1] != "-c" || !slices.Contains(got.Env, "A=1") {
		t.Errorf("%q with %q", got.Args, got.Env)
	}
}

// TestBuildOnHost is %setup: a host program that sees the root in a directory.
func TestBuildOnHost(t *testing.T) {
	f, img := machine(t, "", "file .singularity.d/env/90-environment.sh \"export A=image\"\n")
	b := request(img)
	b.Mount, b.Dir, b.Args = "/build/root", "/home/alice/work", []string{"/bin/sh", "/build/setup"}
	c := computeBuild(t, b, f)
	want := `clone user mount pid
uidmap 0 1000 1
gidmap 0 1000 1
session /tmp mode=0755,size=50%
mkdir @image 0755
fuse @image ""
bind / / ""
overlay /build/root @image /build/upper /build/work nosuid,nodev
mount proc /proc nosuid,nodev,noexec ""
pivot
dropcaps all
init
umask 22
closefds
env PATH=/bin
env A=1
cwd /home/alice/work
exec /bin/sh /build/setup
`
	if got := c.Plan.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestBuildOnHostEmulates has root emulated beneath the mount only, and not at
// all where nothing would come of it.
func TestBuildOnHostEmulates(t *testing.T) {
	for name, c := range map[string]struct {
		facts string
		e     identity.Emulation
		want  string
	}{
		"full":                   {"notify yes\n", identity.EmulateFull, "mount proc /proc nosuid,nodev,noexec \"\"\npivot\nemulate full /build/root\ndropcaps all\n"},
		"auto":                   {"notify yes\n", identity.EmulateAuto, "emulate full /build/root\n"},
		"no notification":        {"", identity.EmulateAuto, "\"\"\npivot\ndropcaps all\n"},
		"/proc is partly hidden": {"notify yes\nprocmasked yes\n", identity.EmulateAuto, "nosuid,nodev\npivot\ndropcaps all\n"},
		"off":                    {"notify yes\n", identity.EmulateOff, "\"\"\npivot\ndropcaps all\n"},
		"real root":              {"notify yes\nuid 0\ngid 0\nadmin yes\n", identity.EmulateFull, "overlay /build/root @image /build/upper /build/work nosuid\nmount proc /proc nosuid,nodev,noexec \"\"\npivot\ndropcaps all\n"},
	} {
		f, img := machine(t, c.facts, "")
		b := request(img)
		b.Mount, b.Emulation = "/build/root/", c.e
		if got := computeBuild(t, b, f).Plan.String(); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q is missing in\n%s", name, c.want, got)
		}
	}
}

// TestBuildOnReadOnlyHost leaves the usual places for temporary files writable.
func TestBuildOnReadOnlyHost(t *testing.T) {
	f, img := machine(t, "", "")
	b := request(img)
	b.Mount, b.ReadOnly, b.Tmp = "/build/root", true, "/build/tmp"
	want := `bind / / ro
bind /tmp /tmp try
bind /var/tmp /var/tmp try
bind /dev/shm /dev/shm try
bind /build/tmp /build/tmp try
overlay /build/root @image`
	if got := computeBuild(t, b, f).Plan.String(); !strings.Contains(got, want) {
		t.Errorf("%s\nis missing in\n%s", want, got)
	}
}

func TestBuildFails(t *testing.T) {
	for name, c := range map[string]struct {
		facts, img string
		change     func(*BuildRequest)
	}{
		"no user namespaces":  {facts: "userns no\n"},
		"no fuse":             {facts: "fuse no\n"},
		"wrong machine":       {img: "arch arm64\n"},
		"no upper":            {change: func(b *BuildRequest) { b.Upper = "" }},
		"nothing to write on": {change: func(b *BuildRequest) { b.Upper, b.Work, b.Base = "", "", image.Info{} }},
		"no command":          {change: func(b *BuildRequest) { b.Args = nil }},
		"no test":             {change: func(b *BuildRequest) { b.Test = true }},
		"mount is relative":   {change: func(b *BuildRequest) { b.Mount = "x" }},
		"mount of nothing":    {change: func(b *BuildRequest) { b.Mount, b.Upper, b.Work = "/m", "", "" }},
		"scripts need a shell": {
			img: "file .singularity.d/env/90-environment.sh \"A=$(x)\"\nrm bin/sh\n",
		},
		"bad bind":        {change: func(b *BuildRequest) { b.Binds = []string{"/nowhere"} }},
		"bad bind syntax": {change: func(b *BuildRequest) { b.Binds = []string{"/data:x"} }},
		"no tmp":          {img: "rm tmp\nfile tmp\n"},
	} {
		f, img := machine(t, c.facts, c.img)
		b := request(img)
		if c.change != nil {
			c.change(&b)
		}
		if _, err := ComputeBuild(b, f); err == nil || hint.Of(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, hint.Of(err))
		}
	}
}

// TestActionScripts looks at what the golden files leave out.
func TestActionScripts(t *testing.T) {
	f, img := machine(t, "", "dir .singularity.d/actions\nfile .singularity.d/actions/exec old 0755\n")
	c, err := Compute(Request{Action: Exec, Args: []string{"true"}}, f, img)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, op := range c.Plan.Image {
		if name, ok := strings.CutPrefix(op.Args[0], "/.singularity.d/actions/"); ok {
			names = append(names, name)
			if op.Verb != plan.Write || op.Args[1] != "0755" || !strings.HasPrefix(op.Args[2], "#!/bin/sh\n") {
				t.Errorf("%v", op)
			}
		}
	}
	if want := []string{"exec", "run", "shell", "start", "test"}; !slices.Equal(names, want) {
		t.Errorf("actions %q", names)
	}
}

// TestHostileImage has everything that is mounted on be a link, a file or
// missing. Every plan is either refused with a hint or stays inside.
func TestHostileImage(t *testing.T) {
	targets := []string{"etc", "etc/resolv.conf", "etc/hosts", "etc/passwd", "etc/group", "etc/localtime", "proc", "sys", "dev",
		"tmp", "var", "var/tmp", "home", "home/alice", "root", ".singularity.d", ".singularity.d/env", ".singularity.d/runscript", "in"}
	for _, name := range targets {
		for _, entry := range []string{"link NAME /etc/shadow", "link NAME ../../../../../victim", "link NAME /proc/self/root/etc",
			"link NAME NAME", "link NAME .", "link NAME ..", "file NAME", "device NAME", "dir NAME"} {
			f, img := machine(t, "", "rm "+name+"\n"+strings.ReplaceAll(entry, "NAME", name)+"\n")
			for _, r := range []Request{
				{Action: Exec, Args: []string{"true"}, Binds: []string{"/data:/in/x"}},
				{Action: Run, Contain: true, WritableTmpfs: true}, {Action: Shell, Fakeroot: true},
			} {
				c, err := Compute(r, f, img)
				if err != nil {
					if hint.Of(err) == "" {
						t.Errorf("%s: no hint: %v", entry, err)
					}
					continue
				}
				for _, op := range append(c.Plan.Image, c.Plan.Ops...) {
					for _, arg := range op.Args {
						if strings.Contains(arg, "/../") {
							t.Errorf("%s on %s: %v", entry, name, op)
						}
					}
				}
			}
		}
	}
}

// TestBuildBinds: binds and mounts lie over what a build mounts itself, with
// relative sources where the build was started.
func TestBuildBinds(t *testing.T) {
	f, img := machine(t, "", "")
	b := request(img)
	b.Binds, b.Mounts, b.BindDir = []string{"tmp:/tmp/x:ro"}, []string{"type=bind,src=/etc,dst=/opt/etc"}, "/"
	got := computeBuild(t, b, f).Plan.String()
	for _, line := range []string{"bind /tmp /tmp/x ro,nosuid,nodev\n", "bind /etc /opt/etc nosuid,nodev\n"} {
		if strings.Index(got, line) < strings.Index(got, "mount tmpfs /tmp ") || !strings.Contains(got, line) {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
	b.Binds = []string{"/none"}
	if _, err := ComputeBuild(b, f); err == nil || hint.Of(err) == "" {
		t.Errorf("a missing source: %v", err)
	}
	b.Mount = "/somewhere"
	if c, err := ComputeBuild(b, f); err != nil || strings.Contains(c.Plan.String(), "/opt/etc") {
		t.Errorf("on the host: %v", err)
	}
}

func TestBuildWritableTmpfs(t *testing.T) {
	f, img := machine(t, "", "")
	b := request(img)
	b.WritableTmpfs = true
	if got := computeBuild(t, b, f).Plan.String(); !strings.Contains(got, "overlay / @image /build/upper /build/work") {
		t.Errorf("what is writable has to stay so:\n%s", got)
	}
	b.Upper, b.Work = "", ""
	c := computeBuild(t, b, f)
	if got := c.Plan.String(); !strings.Contains(got, "overlay / @image @rw/upper @rw/work") || c.Owner == nil {
		t.Errorf("owner %v\n%s", c.Owner, got)
	}
}
