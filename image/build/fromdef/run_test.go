package fromdef

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/starter/owner"
)

const fromArchive = "Bootstrap: docker-archive\nFrom: base.tar\n"

func TestLayersGoStraightIntoTheImage(t *testing.T) {
	s := newSite(t)
	text := fromArchive + "%help\n Help.\n%environment\n export E=`date`\n%labels\n Mine 1\n"
	if err := s.build(t, text, build.Options{}); err != nil {
		t.Fatal(err)
	}
	f := s.open(t, "out.sif")
	if f.Kind() != image.SIF || f.Arch() != "amd64" {
		t.Errorf("%v for %s", f.Kind(), f.Arch())
	}
	for name, want := range map[string]string{
		"etc/passwd":                                  "root",
		".singularity.d/Singularity":                  text,
		".singularity.d/runscript.help":               " Help.\n",
		".singularity.d/env/90-environment.sh":        "#!/bin/sh\n# Environment from the definition.\n\n export E=`date`\n",
		".singularity.d/env/10-docker2singularity.sh": "#!/bin/sh\n# Environment of the OCI image.\nexport PATH='/app/bin:/bin'\nexport A='it'\\''s $HOME'\n# left out, not a name in sh: \"B.C\"\n",
		".singularity.d/runscript":                    "#!/bin/sh\n# ENTRYPOINT and CMD of the OCI image.\nif [ $# -eq 0 ]; then\n    set -- '$x'\nfi\nexec '/app/run' 'a b' \"$@\"\n",
		"singularity":                                 read(t, f, ".singularity.d/runscript"),
		"environment":                                 read(t, f, ".singularity.d/env/90-environment.sh"),
	} {
		if got := read(t, f, name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	root, err := f.Squash().Tree()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][3]uint32{
		"etc/passwd": {0o100640, 7, 7}, "bin/sh": {0o104755, 0, 0}, "app": {0o40700, 5, 5}, "tmp": {0o41777, 0, 0},
		".singularity.d/runscript": {0o100755, 0, 0}, ".singularity.d/labels.json": {0o100644, 0, 0},
	} {
		n, err := root.Lookup(name)
		if err != nil || [3]uint32{n.Mode, n.UID, n.GID} != want {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
	if got := s.names(t); got != "base.tar out.sif" {
		t.Errorf("left in the directory: %s", got)
	}
}

func TestObjectsOfTheSIF(t *testing.T) {
	s := newSite(t)
	if err := s.build(t, fromArchive, build.Options{}); err != nil {
		t.Fatal(err)
	}
	f := s.open(t, "out.sif")
	if text, err := f.Deffile(); err != nil || string(text) != fromArchive {
		t.Errorf("definition %q, %v", text, err)
	}
	var config map[string]any
	if text, err := f.OCIConfig(); err != nil || json.Unmarshal(text, &config) != nil || config["Entrypoint"] == nil {
		t.Errorf("configuration %q, %v", text, err)
	}
	o, ok := f.SIF().Find(sif.JSON, sif.InspectMetadata)
	if !ok {
		t.Fatal("no inspect metadata")
	}
	text, err := f.SIF().Read(o, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	inside, err := metadata.Read(f.FS())
	if err != nil {
		t.Fatal(err)
	}
	if want, err := json.Marshal(inside); err != nil || !bytes.Equal(text, want) {
		t.Errorf("object\n%s\nfile system\n%s", text, want)
	}
	labels := inside.Data.Attributes.Labels
	for key, want := range map[string]string{
		"org.opencontainers.image.base.name": "docker-archive:base.tar",
		"from":                               "oci", "org.label-schema.schema-version": "1.0", "org.label-schema.build-arch": "amd64",
		"org.label-schema.build-date":                          "Tuesday_14_November_2023_22:13:20_UTC",
		"org.label-schema.usage.singularity.deffile.bootstrap": "docker-archive",
		"org.label-schema.usage.singularity.deffile.from":      "base.tar",
		"org.label-schema.usage.sealift.version":               "1.2",
		"org.opencontainers.image.created":                     "2023-11-14T22:13:20Z",
	} {
		if labels[key] != want {
			t.Errorf("label %s = %q", key, labels[key])
		}
	}
	if !strings.HasPrefix(labels["org.opencontainers.image.base.digest"], "sha256:") {
		t.Errorf("labels %v", labels)
	}
}

func TestPostWritesOverTheBase(t *testing.T) {
	s := newSite(t)
	write(t, s.path("secret"), "host")
	s.env.Host.Environ = []string{"TERM=vt100", "TOKEN=x"}
	s.env.UID = max(s.env.UID, 1) // real root's files keep the owner they have
	s.env.Run = inUpper(t, func(x build.Exec, upper string) {
		script, err := os.ReadFile(upper + "/.post.script")
		if err != nil || string(script) != " make\n" {
			t.Errorf("script %q, %v", script, err)
		}
		if !slices.Equal(x.Args, []string{"/bin/sh", "-ex", "-u", "/.post.script"}) || x.Dir != "/" || x.Mount != "" {
			t.Errorf("%+v", x)
		}
		if !slices.Contains(x.Env, "SING_USER_DEFINED_APPEND_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin") || !slices.Contains(x.Env, "TERM=vt100") || slices.Contains(x.Env, "TOKEN=x") {
			t.Errorf("environment %q", x.Env)
		}
		write(t, upper+"/etc/passwd", "more")
		// As overlayfs copies it up from the image's server.
		if err := unix.Setxattr(upper+"/etc/passwd", owner.Name, owner.Record{UID: 7, GID: 7}.Append(nil), 0); err != nil {
			t.Error(err)
		}
		write(t, upper+"/new", "new")
		write(t, upper+"/.build.labels", "Made here\nfrom post\n")
		write(t, upper+"/.singularity.d/env/91-environment.sh", "export P=1\n")
	})
	text := fromArchive + "%post -u\n make\n%files\n secret /link/../link/secret\n%labels\n Mine 1\n"
	if err := s.build(t, text, build.Options{}); err != nil {
		t.Fatal(err)
	}
	f := s.open(t, "out.sif")
	for name, want := range map[string]string{
		"etc/passwd": "more", "new": "new", "etc/secret": "host", "bin/sh": "binary",
		".singularity.d/env/91-environment.sh": "export P=1\n",
	} {
		if got := read(t, f, name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	root, err := f.Squash().Tree()
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := root.Lookup("etc/passwd"); n.UID != 7 || n.GID != 7 {
		t.Errorf("owner of what the base has: %d:%d", n.UID, n.GID)
	}
	if n, _ := root.Lookup("new"); n.UID != 0 || n.GID != 0 {
		t.Errorf("owner of what is new: %d:%d", n.UID, n.GID)
	}
	if root.Entries[".post.script"] != nil || root.Entries[".build.labels"] != nil {
		t.Error("the build's own files are in the image")
	}
	m, err := metadata.Read(f.FS())
	if err != nil {
		t.Fatal(err)
	}
	if l := m.Data.Attributes.Labels; l["Made"] != "here" || l["from"] != "post" || l["Mine"] != "1" {
		t.Errorf("labels %v", l)
	}
	if got := s.names(t); got != "base.tar out.sif secret" {
		t.Errorf("left in the directory: %s", got)
	}
}

// TestRealRootSetsOwners has a script of real root, whose chown means what it
// says.
func TestRealRootSetsOwners(t *testing.T) {
	s := newSite(t)
	s.env.UID, s.env.GID = 0, 0
	s.env.Run = inUpper(t, func(x build.Exec, upper string) { write(t, upper+"/etc/passwd", "more") })
	if err := s.build(t, fromArchive+"%post\n make\n", build.Options{}); err != nil {
		t.Fatal(err)
	}
	root, err := s.open(t, "out.sif").Squash().Tree()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := root.Lookup("etc/passwd"); err != nil || n.UID != uint32(os.Getuid()) || n.GID != uint32(os.Getgid()) {
		t.Errorf("%+v, %v", n, err)
	}
}

// TestPostSeesWhatSetupLeft: each script writes to a root of its own over what
// the one before left.
func TestPostSeesWhatSetupLeft(t *testing.T) {
	s := newSite(t)
	write(t, s.path("host"), "host")
	var uppers []string
	s.env.Run = inUpper(t, func(x build.Exec, upper string) {
		uppers = append(uppers, upper)
		if x.Mount != "" {
			write(t, upper+"/setup", "setup")
			if !slices.Contains(x.Env, "SEALIFT_ROOTFS="+x.Mount) || !slices.Contains(x.Env, "APPTAINER_ROOTFS="+x.Mount) || x.Dir != s.dir {
				t.Errorf("%+v", x)
			}
			return
		}
		for name, want := range map[string]string{"setup": "setup", "host": "host"} {
			if got, err := image.ReadFile(x.View, name, 100); err != nil || string(got) != want {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	})
	if err := s.build(t, fromArchive+"%setup\n touch\n%post\n make\n%files\n host\n", build.Options{}); err != nil {
		t.Fatal(err)
	}
	if len(uppers) != 2 || uppers[0] == uppers[1] {
		t.Errorf("roots %q", uppers)
	}
	f := s.open(t, "out.sif")
	if read(t, f, "setup") != "setup" || read(t, f, "host") != "host" {
		t.Error("files are missing")
	}
}

func TestStages(t *testing.T) {
	s := newSite(t)
	var tested []string
	s.env.Run = inUpper(t, func(x build.Exec, upper string) {
		if x.Test {
			tested = append(tested, x.Base+strings.Repeat("layer ", len(x.Layers)))
			return
		}
		write(t, upper+"/usr/bin/app", "app")
		if err := os.Symlink("/usr/bin/app", upper+"/short"); err != nil {
			t.Error(err)
		}
	})
	text := fromArchive + "Stage: one\n%post\n make\n%test\n true\n" +
		"Bootstrap: scratch\n%files from one\n /short /bin/\n /lost\n /app /x\n /etc/pass*\n%test\n true\n"
	if err := s.build(t, text, build.Options{}); err == nil || !strings.Contains(err.Error(), "x.def:11:2: %files /lost: /lost: symbolic link to nothing") {
		t.Errorf("error %v", err)
	}
	if err := s.build(t, strings.Replace(text, " /lost\n", "", 1), build.Options{}); err != nil {
		t.Fatal(err)
	}
	f := s.open(t, "out.sif")
	if read(t, f, "bin/short") != "app" || read(t, f, "etc/passwd") != "root" || len(read(t, f, "x/data")) != 400000 {
		t.Error("files are not the stage's")
	}
	root, err := f.Squash().Tree()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := root.Lookup("x/data"); err != nil || n.UID != 5 || n.Mode != 0o100600 {
		t.Errorf("%+v, %v", n, err)
	}
	if len(tested) != 3 || tested[1] != "layer layer layer " || !strings.HasPrefix(tested[2], "/proc/self/fd/") {
		t.Errorf("tested %q", tested)
	}
}

func TestTheBaseOfALocalImageHasAHistory(t *testing.T) {
	s := newSite(t)
	if err := s.build(t, fromArchive+"%environment\n export A=1\n%runscript -e\n one\n%test\n true\n", build.Options{NoTest: true}); err != nil {
		t.Fatal(err)
	}
	const second = "Bootstrap: localimage\nFrom: out.sif\n%environment\n export B=2\n"
	for _, o := range []build.Options{{Output: "two.sif"}, {Output: "dir", Sandbox: true}} {
		if err := s.build(t, second, o); err != nil {
			t.Fatal(err)
		}
		f := s.open(t, o.Output)
		if got := read(t, f, ".singularity.d/env/90-environment.sh"); !strings.HasSuffix(got, "\n export A=1\n\n export B=2\n") {
			t.Errorf("environment %q", got)
		}
		if got := read(t, f, ".singularity.d/bootstrap_history/Apptainer0"); !strings.HasPrefix(got, fromArchive) {
			t.Errorf("history %q", got)
		}
		if read(t, f, ".singularity.d/Singularity") != second || read(t, f, ".singularity.d/runscript") != "#!/bin/sh -e\n one\n" {
			t.Error("wrong definition or runscript")
		}
	}
	if err := s.build(t, "Bootstrap: localimage\nFrom: dir\n", build.Options{Output: "three.sif"}); err != nil {
		t.Fatal(err)
	}
	f := s.open(t, "three.sif")
	if read(t, f, ".singularity.d/bootstrap_history/Apptainer1") != second || read(t, f, "bin/sh") != "binary" {
		t.Error("wrong image from a directory")
	}
}

func TestLayersWithMetadataOfTheirOwn(t *testing.T) {
	s := newSite(t)
	dockerArchive(t, s.path("own.tar"), "amd64", map[string]any{}, []file{
		{".singularity.d/labels.json", `{"old": "label", "n": 1}`, 0o644, 0},
		{".singularity.d/env/50-own.sh", "export OWN=1\n", 0o644, 0},
		{"big", strings.Repeat("x", 300000), 0o644, 0},
	})
	s.env.Run = inUpper(t, func(x build.Exec, upper string) { write(t, upper+"/new", "new") })
	for _, text := range []string{"", "%post\n make\n"} {
		if err := s.build(t, "Bootstrap: docker-archive\nFrom: own.tar\n"+text, build.Options{Force: true}); err != nil {
			t.Fatal(err)
		}
		f := s.open(t, "out.sif")
		m, err := metadata.Read(f.FS())
		if err != nil {
			t.Fatal(err)
		}
		a := m.Data.Attributes
		if a.Labels["old"] != "label" || a.Labels["n"] != "1" || a.Environment["/.singularity.d/env/50-own.sh"] != "export OWN=1\n" || len(read(t, f, "big")) != 300000 {
			t.Errorf("attributes %+v", a)
		}
		o, _ := f.SIF().Find(sif.JSON, sif.InspectMetadata)
		if text, err := f.SIF().Read(o, 1<<20); err != nil || !strings.Contains(string(text), "50-own.sh") {
			t.Errorf("object %s, %v", text, err)
		}
	}
}

func TestReproducible(t *testing.T) {
	s := newSite(t)
	write(t, s.path("host"), "host")
	var images [][]byte
	for i := range 2 {
		s.env.Run = inUpper(t, func(_ build.Exec, upper string) {
			write(t, upper+"/new", "new")
			if err := os.Chtimes(upper+"/new", time.Time{}, s.env.Now.Add(time.Duration(i+1)*time.Hour)); err != nil {
				t.Error(err)
			}
		})
		text := fromArchive + "%files\n host /a/b/\n%post\n make\n"
		if err := s.build(t, text, build.Options{Reproducible: true, Force: true}); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(s.path("out.sif"))
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, b)
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("two builds differ")
	}
	root, err := s.open(t, "out.sif").Squash().Tree()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int64{"new": 1700000000, "a": 1700000000, "a/b": 1700000000, "a/b/host": 1700000000, "etc/passwd": 1000} {
		if n, err := root.Lookup(name); err != nil || n.ModTime != want {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

// TestLeftoversOfKilledBuildsAreRemoved leaves those of builds that may run.
func TestLeftoversOfKilledBuildsAreRemoved(t *testing.T) {
	s := newSite(t)
	write(t, s.path(".sealift-build-1-old/1-upper/file"), "")
	write(t, s.path(".sealift-build-2-new/1-upper/file"), "")
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(s.path(".sealift-build-1-old"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := s.build(t, fromArchive, build.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := s.names(t); got != ".sealift-build-2-new base.tar out.sif" {
		t.Errorf("left in the directory: %s", got)
	}
}

func TestPreRunsOnTheHost(t *testing.T) {
	s := newSite(t)
	s.env.Host.Environ = []string{"PATH=/usr/bin:/bin", "V=value", "APPTAINER_X=1"}
	text := "Bootstrap: scratch\n%pre\n echo $V$APPTAINER_X > made\n%files\n made\n"
	if err := s.build(t, text, build.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s.open(t, "out.sif"), "made"); got != "value\n" {
		t.Errorf("%q", got)
	}
	err := s.build(t, "Bootstrap: scratch\n%pre\n false\n", build.Options{Output: "no.sif"})
	if err == nil || !strings.Contains(err.Error(), "stage 1: %pre of line 2: exit status 1") {
		t.Errorf("error %v", err)
	}
}

// TestPreMayLeaveAProcess: the script has ended well, whoever still has its
// output open.
func TestPreMayLeaveAProcess(t *testing.T) {
	s := newSite(t)
	s.env.Host.Environ = []string{"PATH=/usr/bin:/bin"}
	s.env.Stdout, s.env.Stderr = &bytes.Buffer{}, &bytes.Buffer{}
	text := "Bootstrap: scratch\n%pre\n sleep 30 & echo $! > pid\n"
	if err := s.build(t, text, build.Options{}); err != nil {
		t.Error(err)
	}
	pid, err := os.ReadFile(s.path("pid"))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(pid))); err != nil || unix.Kill(n, unix.SIGKILL) != nil {
		t.Errorf("process %q: %v", pid, err)
	}
}

// TestTheOutputFromBeforeIsNotCopied into the image that replaces it.
func TestTheOutputFromBeforeIsNotCopied(t *testing.T) {
	s := newSite(t)
	for range 2 {
		if err := s.build(t, "Bootstrap: scratch\n%files\n . /all\n", build.Options{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	f := s.open(t, "out.sif")
	if _, err := f.FS().Stat("all/out.sif"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the image holds the one before: %v", err)
	}
	if _, err := f.FS().Stat("all/base.tar"); err != nil {
		t.Error(err)
	}
}

func TestFailuresLeaveNothing(t *testing.T) {
	boom := errors.New("exit status 3")
	for _, c := range []struct {
		name, text string
		o          build.Options
		run        build.Runner
		want, hint string
	}{
		{"missing file", fromArchive + "%files\n nothing* /\n", build.Options{}, nil,
			"x.def:4:2: %files nothing*: no such file in the host: file does not exist", "correct the path"},
		{"missing file of a stage", fromArchive + "Stage: a\n" + fromArchive + "%files from a\n /no\n", build.Options{}, nil,
			"x.def:7:2: %files /no: no such file in stage a", ""},
		{"directory over file", fromArchive + "%files\n ../ /etc/passwd\n", build.Options{}, nil, "x.def:4:2: %files ../: /etc/passwd is no directory", ""},
		{"failing post", fromArchive + "%post\n x\n", build.Options{}, func(context.Context, build.Exec) error { return boom },
			"stage 1: %post of line 3: exit status 3", "--keep-on-error DIR"},
		{"failing setup", fromArchive + "%setup\n x\n", build.Options{}, func(context.Context, build.Exec) error { return boom }, "stage 1: %setup of line 3: exit status 3", ""},
		{"failing test", fromArchive + "%test\n x\n", build.Options{}, func(context.Context, build.Exec) error { return boom },
			"stage 1: %test: exit status 3", "build it with --notest"},
		{"failing test of a sandbox", fromArchive + "%test\n x\n", build.Options{Sandbox: true}, func(context.Context, build.Exec) error { return boom }, "%test: exit status 3", ""},
		{"no runner", fromArchive + "%post\n x\n", build.Options{}, nil, "no way to run a container", ""},
		{"missing base", "Bootstrap: oci\nFrom: nothing\n", build.Options{}, nil, "stage 1: oci:", ""},
		{"missing image", "Bootstrap: localimage\nFrom: nothing.sif\n", build.Options{}, nil, "nothing.sif", ""},
		{"not an image", "Bootstrap: localimage\nFrom: base.tar\n", build.Options{}, nil, "base.tar", ""},
		{"wrong architecture", "Bootstrap: docker-archive\nFrom: arm.tar\n", build.Options{}, nil, "the image is not for linux/amd64", "linux/arm64"},
		{"wrong architecture of an image", "Bootstrap: localimage\nFrom: arm.sif\n", build.Options{}, nil, "arm.sif is for arm64, not amd64", "amd64"},
		{"output exists", fromArchive, build.Options{Output: "base.tar"}, nil, "base.tar", ""},
		{"no such directory", fromArchive, build.Options{Output: "no/out.sif"}, nil, "no such file or directory", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			dockerArchive(t, s.path("arm.tar"), "arm64", map[string]any{}, []file{{"x", "x", 0o644, 0}})
			s.env.Host.Arch = "arm64"
			if err := s.build(t, "Bootstrap: docker-archive\nFrom: arm.tar\n", build.Options{Output: "arm.sif"}); err != nil {
				t.Fatal(err)
			}
			s.env.Host.Arch = "amd64"
			s.env.Run = c.run
			err := s.build(t, c.text, c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), c.hint) {
				t.Errorf("error %v, hint %q; want %s", err, hint.Of(err), c.want)
			}
			if got := s.names(t); got != "arm.sif arm.tar base.tar" {
				t.Errorf("left in the directory: %s", got)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	s := newSite(t)
	steps, err := Compute(parse(t, "x", fromArchive), s.env.Host, build.Options{Output: "out.sif"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.env.Progress = func(e build.Event) {
		if e.State == build.Begun && e.Step.Name() == "image" {
			cancel()
		}
	}
	if err := build.Run(ctx, steps, build.Options{Output: "out.sif"}, s.env); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := s.names(t); got != "base.tar" {
		t.Errorf("left in the directory: %s", got)
	}
}

// TestCancelEndsPre has a script whose child would outlive it.
func TestCancelEndsPre(t *testing.T) {
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	text := "Bootstrap: scratch\n%pre\n sleep 1000 & echo $! > pid.new; mv pid.new pid; wait\n"
	steps, err := Compute(parse(t, "x", text), s.env.Host, build.Options{Output: "out.sif"})
	if err != nil {
		t.Fatal(err)
	}
	s.env.Host.Environ = []string{"PATH=/usr/bin:/bin"}
	done := make(chan error)
	go func() { done <- build.Run(ctx, steps, build.Options{Output: "out.sif"}, s.env) }()
	var pid int
	for deadline := time.Now().Add(5 * time.Second); pid == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if b, err := os.ReadFile(s.path("pid")); err == nil {
			if pid, err = strconv.Atoi(strings.TrimSpace(string(b))); err != nil {
				t.Fatal(err)
			}
		}
	}
	cancel()
	if err := <-done; err == nil || pid == 0 {
		t.Fatalf("pid %d, error %v", pid, err)
	}
	// The child is gone, or a zombie until the init process reaps it.
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(b), ") Z") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s", b)
		}
	}
	if got := s.names(t); got != "base.tar pid" {
		t.Errorf("left in the directory: %s", got)
	}
}

func TestForceReplaces(t *testing.T) {
	s := newSite(t)
	write(t, s.path("out.sif"), "old")
	if err := s.build(t, fromArchive, build.Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v", err)
	}
	if err := s.build(t, fromArchive, build.Options{Force: true}); err != nil {
		t.Fatal(err)
	}
	s.open(t, "out.sif")
}
