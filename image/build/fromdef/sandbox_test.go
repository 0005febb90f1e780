package fromdef

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/metadata"
)

func TestSandbox(t *testing.T) {
	s := newSite(t)
	var tested build.Exec
	s.env.Run = inUpper(t, func(x build.Exec, upper string) {
		if x.Test {
			tested = x
			return
		}
		write(t, upper+"/etc/new", "new")
	})
	text := fromArchive + "%post\n x\n%test\n true\n%startscript\n start\n"
	if err := s.build(t, text, build.Options{Output: "box/", Sandbox: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(tested.Base, s.dir) || tested.Base == s.path("box") || tested.Args != nil || tested.Dir != "/" {
		t.Errorf("%+v", tested)
	}
	if slices.ContainsFunc(tested.Env, func(kv string) bool { return strings.HasPrefix(kv, "A=") }) {
		t.Errorf("the test's environment is the image's to set: %q", tested.Env)
	}
	f := s.open(t, "box")
	if f.Kind() != image.Sandbox {
		t.Errorf("%v", f.Kind())
	}
	for name, want := range map[string]string{
		"etc/new": "new", "etc/passwd": "root", ".singularity.d/test": "#!/bin/sh\n true\n", ".singularity.d/startscript": "#!/bin/sh\n start\n",
	} {
		if got := read(t, f, name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	st, err := os.Stat(s.path("box/bin/sh"))
	// Owned by an ordinary caller, a set-user-ID program would be a gift.
	if err != nil || (st.Mode()&os.ModeSetuid != 0) != (os.Geteuid() == 0) || st.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", st, err)
	}
	if got := s.names(t); got != "base.tar box" {
		t.Errorf("left in the directory: %s", got)
	}
}

func TestSandboxIsReplacedOnlyByForce(t *testing.T) {
	s := newSite(t)
	o := build.Options{Output: "box", Sandbox: true}
	if err := s.build(t, fromArchive, o); err != nil {
		t.Fatal(err)
	}
	write(t, s.path("box/mine"), "mine")
	if err := s.build(t, fromArchive, o); err == nil {
		t.Error("an existing directory is no error")
	}
	if _, err := os.Stat(s.path("box/mine")); err != nil {
		t.Error(err)
	}
	o.Force = true
	if err := s.build(t, fromArchive, o); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.path("box/mine")); err == nil {
		t.Error("the old directory is still there")
	}
	write(t, s.path("home/file"), "precious")
	o.Output = "home"
	if err := s.build(t, fromArchive, o); err == nil {
		t.Error("a directory that is no image is replaced")
	}
	if _, err := os.Stat(s.path("home/file")); err != nil {
		t.Error(err)
	}
}

func TestScratchAndJoinedSections(t *testing.T) {
	s := newSite(t)
	text := "Bootstrap: scratch\n%environment\n export A=1\n%labels\n A 1\n B 1\n%environment\n export B=2\n%labels\n B 2\n" +
		"%runscript -e\n#!/usr/bin/env python3\nprint()\n%help\n one\n%help\n two\n"
	if err := s.build(t, text, build.Options{}); err != nil {
		t.Fatal(err)
	}
	f := s.open(t, "out.sif")
	m, err := metadata.Read(f.FS())
	if err != nil {
		t.Fatal(err)
	}
	a := m.Data.Attributes
	if !strings.HasSuffix(a.Environment["/.singularity.d/env/90-environment.sh"], "\n export A=1\n export B=2\n") {
		t.Errorf("environment %q", a.Environment)
	}
	if a.Labels["A"] != "1" || a.Labels["B"] != "2" || a.Helpfile != " one\n two\n" || a.Runscript != "#!/usr/bin/env python3 -e\nprint()\n" {
		t.Errorf("%+v", a)
	}
	if a.Labels["org.label-schema.usage"] != "/.singularity.d/runscript.help" {
		t.Errorf("labels %v", a.Labels)
	}
	if _, err := f.OCIConfig(); err == nil {
		t.Error("an OCI configuration from nowhere")
	}
}

func TestTheConfigurationSurvivesARebuild(t *testing.T) {
	s := newSite(t)
	if err := s.build(t, fromArchive, build.Options{}); err != nil {
		t.Fatal(err)
	}
	s.env.Run = inUpper(t, func(x build.Exec, _ string) {
		if !slices.Contains(x.Env, "SING_USER_DEFINED_APPEND_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin") {
			t.Errorf("environment %q", x.Env)
		}
	})
	if err := s.build(t, "Bootstrap: localimage\nFrom: out.sif\n%post\n x\n", build.Options{Output: "two.sif"}); err != nil {
		t.Fatal(err)
	}
	one, err := s.open(t, "out.sif").OCIConfig()
	if err != nil {
		t.Fatal(err)
	}
	f := s.open(t, "two.sif")
	if two, err := f.OCIConfig(); err != nil || string(two) != string(one) {
		t.Errorf("%s, %v", two, err)
	}
	if got := read(t, f, ".singularity.d/env/10-docker2singularity.sh"); !strings.Contains(got, "/app/bin") {
		t.Errorf("environment %q", got)
	}
}

func TestRecipeForBuilds(t *testing.T) {
	s := newSite(t)
	for source, output := range map[string]string{"docker-archive:base.tar:app:1": "one.sif", "docker-archive:" + s.path("base.tar"): "two.sif"} {
		r, err := RecipeFor(source)
		if err != nil {
			t.Fatal(err)
		}
		steps, err := Compute(r, s.env.Host, build.Options{Output: output})
		if err != nil {
			t.Fatal(err)
		}
		if err := build.Run(t.Context(), steps, build.Options{Output: output}, s.env); err != nil {
			t.Fatal(err)
		}
		if got := read(t, s.open(t, output), "etc/passwd"); got != "root" {
			t.Errorf("%q", got)
		}
	}
	if want := "create one.sif"; !slices.Contains(s.log, want) {
		t.Errorf("told %q", s.log)
	}
}

func TestDamagedArchives(t *testing.T) {
	s := newSite(t)
	dockerArchive(t, s.path("odd.tar"), "amd64", map[string]any{}, []file{{"a", "a", 0o644, 0}})
	b, err := os.ReadFile(s.path("odd.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path("cut.tar"), b[:len(b)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.build(t, "Bootstrap: docker-archive\nFrom: cut.tar\n", build.Options{}); err == nil || !strings.Contains(err.Error(), "cut.tar") {
		t.Errorf("error %v", err)
	}
	if err := s.build(t, "Bootstrap: docker-archive\nFrom: odd.tar:other:2\n", build.Options{}); err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("error %v", err)
	}
	if got := s.names(t); got != "base.tar cut.tar odd.tar" {
		t.Errorf("left in the directory: %s", got)
	}
}

// TestTheBuildDoesNotCopyItself copies the directory that it works in.
func TestTheBuildDoesNotCopyItself(t *testing.T) {
	s := newSite(t)
	s.env.Run = inUpper(t, func(build.Exec, string) {})
	text := fromArchive + "%setup\n x\n%files\n . /all/\n ./ /more\n%post\n x\n"
	for _, o := range []build.Options{{Sandbox: true}, {}} {
		if err := s.build(t, text, o); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"all", "more"} {
			entries, err := fs.ReadDir(s.open(t, "out.sif").FS(), dir)
			if err != nil || len(entries) != 1 || entries[0].Name() != "base.tar" {
				t.Errorf("%v, %v", entries, err)
			}
		}
		if err := os.Rename(s.path("out.sif"), t.TempDir()+"/old"); err != nil {
			t.Fatal(err)
		}
	}
}
