package fromdef

import (
	"os"
	"strings"
	"testing"

	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
)

// What a hostile base or script can leave where the build writes: nothing of
// the host may change, and the image must get what belongs there.
func TestHostileBase(t *testing.T) {
	s := newSite(t)
	victim := s.path("victim")
	write(t, victim+"/file", "untouched")
	dockerArchive(t, s.path("evil.tar"), "amd64", map[string]any{}, []file{
		{".singularity.d", "-> " + victim, 0o777, 0},
		{"etc", "-> " + victim, 0o777, 0},
		{"mnt", "-> ../../../.." + victim, 0o777, 0},
		{".build.labels", "-> /etc/passwd", 0o777, 0},
		{"opt", "-> " + victim, 0o777, 0},
		{"a/", "", 0o755, 0}, {"a/b", "-> ../../../../../.." + victim, 0o777, 0},
	})
	write(t, s.path("data"), "data")
	text := "Bootstrap: docker-archive\nFrom: evil.tar\n%files\n data /opt/file\n data /a/b/file\n data ../../../etc/new\n%post\n x\n%labels\n K v\n"
	s.env.Run = inUpper(t, func(build.Exec, string) {})
	if err := s.build(t, text, build.Options{}); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(victim)
	if got, _ := os.ReadFile(victim + "/file"); err != nil || len(names) != 1 || string(got) != "untouched" {
		t.Errorf("the host changed: %v %q, %v", names, got, err)
	}
	f := s.open(t, "out.sif")
	root, err := f.Squash().Tree()
	if err != nil {
		t.Fatal(err)
	}
	if n := root.Entries[".singularity.d"]; !n.IsDir() || root.Entries[".build.labels"] != nil {
		t.Errorf("%+v", n)
	}
	if read(t, f, victim[1:]+"/file") != "data" || read(t, f, victim[1:]+"/new") != "data" {
		t.Error("files are not where the image's links lead inside the image")
	}
}

func TestHostileScripts(t *testing.T) {
	for name, harm := range map[string]func(upper string) error{
		"labels link":      func(u string) error { return os.Symlink("/etc/passwd", u+"/.build.labels") },
		"labels directory": func(u string) error { return os.MkdirAll(u+"/.build.labels/x", 0o700) },
		"metadata link": func(u string) error {
			return os.Symlink("/tmp", u+"/.singularity.d")
		},
		"locked root": func(u string) error { return os.Chmod(u, 0) },
		"locked directory": func(u string) error {
			if err := os.Mkdir(u+"/locked", 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(u+"/locked/file", []byte("x"), 0); err != nil {
				return err
			}
			return os.Chmod(u+"/locked", 0)
		},
		"no script left": func(u string) error { return os.Remove(u + "/.post.script") },
		"set-id":         func(u string) error { return os.WriteFile(u+"/suid", nil, 0o755|os.ModeSetuid) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.env.Run = inUpper(t, func(_ build.Exec, upper string) {
				if err := harm(upper); err != nil {
					t.Error(err)
				}
			})
			if err := s.build(t, fromArchive+"%post\n x\n", build.Options{}); err != nil {
				t.Fatal(err)
			}
			f := s.open(t, "out.sif")
			if _, err := metadata.Read(f.FS()); err != nil {
				t.Error(err)
			}
			if got := read(t, f, ".singularity.d/Singularity"); !strings.HasPrefix(got, fromArchive) {
				t.Errorf("definition %q", got)
			}
			if got := s.names(t); got != "base.tar out.sif" {
				t.Errorf("left in the directory: %s", got)
			}
		})
	}
}

// TestStageNamesT72: the name of a stage is a name among stages, and no path.
func TestStageNamesT72(t *testing.T) {
	for _, name := range []string{"..", "../x", "/", "/etc", "a/../../b", ".", "x\\y", "{}", "$HOME", "-f", strings.Repeat("n", 5000)} {
		s := newSite(t)
		write(t, s.path("x"), "untouched")
		s.env.Run = inUpper(t, func(_ build.Exec, upper string) {
			write(t, upper+"/made", "stage")
			if err := os.Symlink("/", upper+"/top"); err != nil {
				t.Error(err)
			}
		})
		text := fromArchive + "Stage: " + name + "\n%post\n x\nBootstrap: scratch\n%files from " + name + "\n /made /from-stage\n /top/etc/passwd /passwd\n"
		if err := s.build(t, text, build.Options{}); err != nil {
			t.Errorf("%.20q: %v", name, err)
			continue
		}
		f := s.open(t, "out.sif")
		if read(t, f, "from-stage") != "stage" || read(t, f, "passwd") != "root" {
			t.Errorf("%.20q: files are not the stage's", name)
		}
		if got, err := os.ReadFile(s.path("x")); string(got) != "untouched" || err != nil || s.names(t) != "base.tar out.sif x" {
			t.Errorf("%.20q: there is %s, and %q (%v)", name, s.names(t), got, err)
		}
	}
}

func TestLabelsOfPostAreBounded(t *testing.T) {
	s := newSite(t)
	s.env.Run = inUpper(t, func(_ build.Exec, upper string) { write(t, upper+"/.build.labels", strings.Repeat("x", 1<<20+1)) })
	err := s.build(t, fromArchive+"%post\n x\n", build.Options{})
	if err == nil || !strings.Contains(err.Error(), "/.build.labels has 1048577 bytes; expected at most 1048576") {
		t.Errorf("error %v", err)
	}
}

func TestSetupCannotPlantThePostScript(t *testing.T) {
	s := newSite(t)
	write(t, s.path("victim"), "untouched")
	s.env.Run = inUpper(t, func(x build.Exec, upper string) {
		if x.Mount == "" {
			if text, err := os.ReadFile(upper + "/.post.script"); err != nil || string(text) != " y\n" {
				t.Errorf("%%post is %q, %v", text, err)
			}
		} else if err := os.Symlink(s.path("victim"), upper+"/.post.script"); err != nil {
			t.Error(err)
		}
	})
	if err := s.build(t, fromArchive+"%setup\n x\n%post\n y\n", build.Options{}); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(s.path("victim")); err != nil || string(got) != "untouched" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFormatOfTheImage(t *testing.T) {
	s := newSite(t)
	s.env.Run = inUpper(t, func(build.Exec, string) {})
	for _, text := range []string{fromArchive, fromArchive + "%post\n x\n"} {
		if err := s.build(t, text, build.Options{Codec: codec.Choice{ID: format.Gzip}, BlockSize: 1 << 16, Force: true}); err != nil {
			t.Fatal(err)
		}
		super := s.open(t, "out.sif").Squash().Super()
		if super.Compression != format.Gzip || super.BlockSize != 1<<16 || super.ModTime != 1700000000 {
			t.Errorf("%+v", super)
		}
	}
	if err := s.build(t, fromArchive, build.Options{BlockSize: 1000, Output: "bad.sif"}); err == nil || !strings.Contains(err.Error(), "block size 1000") {
		t.Errorf("error %v", err)
	}
	if err := s.build(t, fromArchive, build.Options{BlockSize: 1 << 16, Output: "zstd.sif"}); err != nil {
		t.Fatal(err)
	}
	if c := s.open(t, "zstd.sif").Squash().Super().Compression; c != format.Zstd {
		t.Errorf("compression %d", c)
	}
}
