package fromdef

import (
	"os"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
)

const withApps = `%post
    make all
%appinstall foo
    make foo
%appfiles foo
    tool /bin/
    tool ../../../etc/
    tool
%apprun foo
    exec tool
%appfiles bar
    /etc/passwd
`

// The applications are there when %post and %appinstall run, and stay; what
// %appfiles copies stays below the application.
func TestApplications(t *testing.T) {
	s := newSite(t)
	write(t, s.path("tool"), "tool")
	ran := 0
	s.env.Run = inUpper(t, func(x build.Exec, upper string) {
		ran++
		env, err := x.View.ReadFile("scif/apps/foo/scif/env/01-base.sh")
		if err != nil || !strings.Contains(string(env), "SCIF_APPROOT='/scif/apps/foo'") {
			t.Errorf("%q, %v", env, err)
		}
		script, err := os.ReadFile(upper + "/.post.script")
		if err != nil || !strings.HasPrefix(string(script), "    make all\n") || !strings.Contains(string(script), "cd /scif/apps/foo\n    make foo\n") {
			t.Errorf("%q, %v", script, err)
		}
		write(t, upper+"/scif/apps/foo/lib/made", "made")
	})
	if err := s.build(t, fromArchive+withApps, build.Options{}); err != nil {
		t.Fatal(err)
	}
	f := s.open(t, "out.sif")
	for name, want := range map[string]string{
		"scif/apps/foo/bin/tool": "tool", "scif/apps/foo/tool": "tool", "scif/apps/foo/etc/tool": "tool", "scif/apps/foo/lib/made": "made",
		"scif/apps/foo/scif/runscript": "#!/bin/sh\n    exec tool\n", "etc/passwd": "root",
	} {
		if got := read(t, f, name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if ran != 1 || read(t, f, "scif/apps/bar/etc/passwd") == "root" || !strings.Contains(read(t, f, ".singularity.d/env/94-appsbase.sh"), "SCIF_APPRUN_foo") {
		t.Errorf("%d scripts; %q", ran, read(t, f, ".singularity.d/env/94-appsbase.sh"))
	}
}

func TestApplicationFileIsMissing(t *testing.T) {
	s := newSite(t)
	err := s.build(t, fromArchive+"%appfiles foo\n    nothing\n", build.Options{})
	if err == nil || !strings.Contains(err.Error(), "x.def:4:5: %appfiles nothing: no such file in the host") || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
}
