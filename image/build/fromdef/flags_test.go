package fromdef

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/definition"
)

// TestKeepOnError: what a script that failed left becomes a directory, and
// nothing else does.
func TestKeepOnError(t *testing.T) {
	boom := errors.New("exit status 3")
	for _, c := range []struct {
		name, text string
		o          build.Options
		made       string
	}{
		{"post", fromArchive + "%post\n x\n", build.Options{}, "made"},
		{"setup", fromArchive + "%setup\n x\n", build.Options{}, "made"},
		{"test", fromArchive + "%test\n x\n", build.Options{}, ".singularity.d/test"},
		{"test of a sandbox", fromArchive + "%test\n x\n", build.Options{Sandbox: true}, ".singularity.d/test"},
		{"earlier stage", fromArchive + "Stage: a\n%post\n x\n" + fromArchive, build.Options{}, "made"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			s.env.Run = func(_ context.Context, x build.Exec) error {
				if x.Upper != "" {
					write(t, x.Upper+"/made", "half")
				}
				return boom
			}
			c.o.KeepOnError = "kept"
			err := s.build(t, c.text, c.o)
			if !errors.Is(err, boom) || !strings.Contains(hint.Of(err), "sealift shell kept") {
				t.Errorf("error %v, hint %q, log %q", err, hint.Of(err), s.log)
			}
			if got := s.names(t); got != "base.tar kept" {
				t.Errorf("left in the directory: %s", got)
			}
			for _, name := range []string{c.made, "etc/passwd"} {
				if _, err := os.Stat(s.path("kept/" + name)); err != nil {
					t.Error(err)
				}
			}
			if _, err := os.Lstat(s.path("kept/.post.script")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the script is kept: %v", err)
			}
		})
	}
}

// TestKeepNothing: the directory does not appear when nothing fails, when the
// build fails otherwise, or when it is interrupted, and is checked first.
func TestKeepNothing(t *testing.T) {
	s := newSite(t)
	o := build.Options{Output: "out.sif", KeepOnError: "kept"}
	if err := s.build(t, fromArchive, o); err != nil || s.names(t) != "base.tar out.sif" {
		t.Errorf("%v, left %s", err, s.names(t))
	}
	o.Force = true
	if err := s.build(t, fromArchive+"%files\n none /\n", o); err == nil || s.names(t) != "base.tar out.sif" {
		t.Errorf("%v, left %s", err, s.names(t))
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.env.Run = func(ctx context.Context, _ build.Exec) error { cancel(); return ctx.Err() }
	steps, err := Compute(parse(t, "x", fromArchive+"%post\n x\n"), s.env.Host, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := build.Run(ctx, steps, o, s.env); !errors.Is(err, context.Canceled) || s.names(t) != "base.tar out.sif" {
		t.Errorf("%v, left %s", err, s.names(t))
	}
	write(t, s.path("kept/precious"), "")
	s.log = nil
	if err := s.build(t, fromArchive, o); err == nil || !strings.Contains(err.Error(), "kept") || len(s.log) != 1 {
		t.Errorf("%v, log %q", err, s.log)
	}
}

// TestTmpDir: temporary files go where they are to, and go.
func TestTmpDir(t *testing.T) {
	s := newSite(t)
	tmp := t.TempDir()
	s.env.Run = inUpper(t, func(x build.Exec, upper string) {
		if rel, err := filepath.Rel(tmp, upper); err != nil || !strings.HasPrefix(rel, ".sealift-build-") {
			t.Errorf("upper directory %s", upper)
		}
		write(t, upper+"/made", "x")
	})
	if err := s.build(t, fromArchive+"%post\n x\n", build.Options{TmpDir: tmp}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s.open(t, "out.sif"), "made"); got != "x" {
		t.Errorf("%q", got)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	if err := s.build(t, fromArchive, build.Options{Output: "no.sif", TmpDir: "none"}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestFixPerms(t *testing.T) {
	for _, sandbox := range []bool{false, true} {
		s := newSite(t)
		dockerArchive(t, s.path("base.tar"), "amd64", map[string]any{}, []file{
			{"locked/", "", 0o055, 0}, {"locked/file", "text", 0o004, 0}, {"locked/run", "x", 0o011, 0},
			{"locked/link", "-> file", 0o777, 0}, {"usual", "x", 0o644, 0},
		})
		o := build.Options{Output: "out", Sandbox: sandbox, FixPerms: true}
		if err := s.build(t, fromArchive, o); err != nil {
			t.Fatal(err)
		}
		f := s.open(t, "out")
		for name, want := range map[string]os.FileMode{
			"locked": 0o755 | os.ModeDir, "locked/file": 0o604, "locked/run": 0o711, "locked/link": 0o777 | os.ModeSymlink, "usual": 0o644,
		} {
			if info, err := f.FS().Lstat(name); err != nil || info.Mode() != want {
				t.Errorf("sandbox %v: %s: %v, %v", sandbox, name, info, err)
			}
		}
	}
}

// TestForeign: scripts of another architecture need an emulator, and what runs
// none does not.
func TestForeign(t *testing.T) {
	host := build.Host{Arch: "arm64", Dir: "/", Foreign: hint.New("no emulator", "install one")}
	for text, want := range map[string]string{
		"%post\n x\n":                 "x.def:3: %post runs programs for arm64: no emulator",
		"%test\n x\n":                 "x.def:3: %test runs",
		"%appinstall a\n x\n":         "x.def:3: %post runs",
		"%setup\n x\n%pre\n x\n":      "",
		"%files\n a\n%labels\n A b\n": "",
	} {
		_, err := Compute(parse(t, "x.def", fromArchive+text), host, build.Options{Output: "o"})
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		var at *definition.Error
		if err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) != "install one" || !errors.As(err, &at) {
			t.Errorf("%q: %v, hint %q", text, err, hint.Of(err))
		}
	}
	if _, err := Compute(parse(t, "x.def", fromArchive+"%test\n x\n"), host, build.Options{Output: "o", NoTest: true}); err != nil {
		t.Error(err)
	}
	if _, err := Compute(parse(t, "x.def", fromArchive), host, build.Options{Output: "o", Profile: "x"}); err == nil || hint.Of(err) != "install one" {
		t.Error(err)
	}
}

// TestVariant: the best image of an index for a variant is taken.
func TestVariant(t *testing.T) {
	host := build.Host{Arch: "arm", Variant: "v6", Dir: "/"}
	steps, err := Compute(parse(t, "x.def", "Bootstrap: oci\nFrom: dir\n"), host, build.Options{Output: "o"})
	if err != nil || !strings.HasSuffix(steps[1].String(), "for linux/arm/v6") {
		t.Errorf("%v, %v", steps, err)
	}
}

// TestOpenScriptsAreAlwaysRun: nobody knows what a script reads that sees files
// of the host, so its layer is not kept, and what follows depends on what it
// left.
func TestOpenScriptsAreAlwaysRun(t *testing.T) {
	s := newCached(t)
	text := fromArchive + "%post\n x\n%files\n data /data\n"
	write(t, s.path("data"), "data")
	runs := 0
	s.env.Open = true
	s.env.Run = inUpper(t, func(_ build.Exec, upper string) {
		runs++
		write(t, upper+"/made", strings.Repeat("x", runs))
	})
	for _, name := range []string{"one.sif", "two.sif"} {
		if err := s.build(t, text, build.Options{Output: name}); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, s.open(t, "two.sif"), "made"); runs != 2 || got != "xx" {
		t.Errorf("%d runs made %q", runs, got)
	}
	s.env.Open = false
	if err := s.build(t, text, build.Options{Output: "three.sif"}); err != nil || runs != 3 {
		t.Errorf("%v: a layer of another build was used, after %d runs", err, runs)
	}
}
