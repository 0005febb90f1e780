package fromdef

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
)

// TestUpdate: a definition is carried out over a directory, which stays as it
// was when that fails.
func TestUpdate(t *testing.T) {
	s := newSite(t)
	if err := s.build(t, fromArchive+"%labels\n Old 1\n", build.Options{Output: "box", Sandbox: true}); err != nil {
		t.Fatal(err)
	}
	write(t, s.path("box/mine"), "mine")
	o := build.Options{Output: "box", Sandbox: true, Update: true}
	text := "Bootstrap: docker\nFrom: never-looked-at\n%post\n x\n%labels\n New 2\n"

	boom := errors.New("boom")
	s.env.Run = func(_ context.Context, x build.Exec) error {
		write(t, x.Upper+"/mine", "half")
		return boom
	}
	if err := s.build(t, text, o); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if got := read(t, s.open(t, "box"), "mine"); got != "mine" {
		t.Errorf("a failed update left %q", got)
	}

	s.env.Run = inUpper(t, func(x build.Exec, upper string) {
		if b, err := x.View.ReadFile("mine"); err != nil || string(b) != "mine" {
			t.Errorf("the script sees %q, %v", b, err)
		}
		write(t, upper+"/made", "made")
	})
	if err := s.build(t, text, o); err != nil {
		t.Fatal(err)
	}
	f := s.open(t, "box")
	for name, want := range map[string]string{"mine": "mine", "made": "made", "etc/passwd": "root", ".singularity.d/Singularity": text} {
		if got := read(t, f, name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	labels := read(t, f, ".singularity.d/labels.json")
	if !strings.Contains(labels, `"Old": "1"`) || !strings.Contains(labels, `"New": "2"`) {
		t.Errorf("labels %s", labels)
	}
	if got := s.names(t); got != "base.tar box" {
		t.Errorf("left in the directory: %s", got)
	}
}

func TestUpdateRefuses(t *testing.T) {
	s := newSite(t)
	write(t, s.path("home/file"), "precious")
	write(t, s.path("file"), "")
	for output, want := range map[string]string{
		"none": "update: ", "home": "has no .singularity.d", "file": "not a directory",
	} {
		err := s.build(t, fromArchive, build.Options{Output: output, Sandbox: true, Update: true})
		if err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("%s: %v, hint %q", output, err, hint.Of(err))
		}
	}
	if got := s.names(t); got != "base.tar file home" {
		t.Errorf("left in the directory: %s", got)
	}
}

// TestUpdateIsOfTheLastStage: stages before it are built as ever.
func TestUpdateIsOfTheLastStage(t *testing.T) {
	s := newSite(t)
	if err := s.build(t, fromArchive, build.Options{Output: "box", Sandbox: true}); err != nil {
		t.Fatal(err)
	}
	text := fromArchive + "Stage: a\nBootstrap: scratch\n%files from a\n /etc/passwd /copy\n"
	if err := s.build(t, text, build.Options{Output: "box", Sandbox: true, Update: true}); err != nil {
		t.Fatal(err)
	}
	f := s.open(t, "box")
	if got := read(t, f, "copy") + read(t, f, "etc/passwd"); got != "rootroot" {
		t.Errorf("%q", got)
	}
}

func TestSections(t *testing.T) {
	s := newSite(t)
	ran := 0
	s.env.Run = func(context.Context, build.Exec) error { ran++; return nil }
	text := fromArchive + "%post\n x\n%test\n true\n%labels\n A b\n%files\n base.tar /copied\n%runscript\n run me\n"
	for sections, want := range map[string]string{
		"all": "post test labels files runscript", "none": "", "post": "post", "labels,runscript": "labels runscript", "files,test": "test files",
	} {
		ran = 0
		if err := s.build(t, text, build.Options{Force: true, Sections: strings.Split(sections, ",")}); err != nil {
			t.Fatal(err)
		}
		f := s.open(t, "out.sif")
		var got []string
		done := func(name string, yes bool) {
			if yes {
				got = append(got, name)
			}
		}
		_, test := f.FS().Stat(".singularity.d/test")
		_, copied := f.FS().Stat("copied")
		done("post", ran == 2 || ran == 1 && test != nil)
		done("test", test == nil)
		done("labels", strings.Contains(read(t, f, ".singularity.d/labels.json"), `"A"`))
		done("files", copied == nil)
		done("runscript", strings.Contains(read(t, f, ".singularity.d/runscript"), "run me"))
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %d scripts ran", sections, got, ran)
		}
		if err := os.Remove(s.path("out.sif")); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Compute(parse(t, "x.def", text), s.env.Host, build.Options{Output: "o", Sections: []string{"psot"}})
	if err == nil || hint.Of(err) != "did you mean post?" {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
}

// TestUpdateFillsNoCache: the directory as it was is not kept for other builds.
func TestUpdateFillsNoCache(t *testing.T) {
	s := newCached(t)
	if err := s.build(t, fromArchive, build.Options{Output: "box", Sandbox: true}); err != nil {
		t.Fatal(err)
	}
	write(t, s.path("box/usr/noise"), noise(t))
	o := build.Options{Output: "box", Sandbox: true, Update: true}
	if err := s.build(t, fromArchive+"%post\n make\n", o); err != nil {
		t.Fatal(err)
	}
	list, err := s.env.Cache.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e.Size > 512<<10 {
			t.Errorf("%+v", e)
		}
	}
	if len(list) == 0 || read(t, s.open(t, "box"), "made/make") != "make" {
		t.Errorf("%d entries", len(list))
	}
}
