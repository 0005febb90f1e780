package payload

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/view"
)

func file(text string, mode fs.FileMode) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(text), Mode: mode}
}

// files are those of an image with the given ones, on an empty host.
func files(img fstest.MapFS) Files {
	return Files{Tree: view.New(img, fstest.MapFS{}), Image: img}
}

// apps has two applications, and directories that are none.
func apps() fstest.MapFS {
	return fstest.MapFS{
		"bin/sh": file("", 0o755), ".singularity.d/runscript": file("#!/bin/sh\n", 0o755),
		"scif/apps/foo/scif/runscript": file("#!/bin/sh\n", 0o755), "scif/apps/foo/scif/test": file("echo", 0o644),
		"scif/apps/bar/scif/labels.json": file("{}", 0o644), "scif/apps/none/bin/tool": file("", 0o755),
		"scif/apps/file": file("", 0o644), "scif/scif/runscript": file("", 0o755),
	}
}

// checkMissing expects the error that something was not found.
func checkMissing(t *testing.T, err error, message, remedy string) {
	t.Helper()
	var coded interface{ ExitCode() int }
	if err == nil || err.Error() != message || hint.Of(err) != remedy || !errors.As(err, &coded) || coded.ExitCode() != 127 {
		t.Errorf("%v, hint %q; want %s, hint %q, and the exit code 127", err, hint.Of(err), message, remedy)
	}
}

func TestExec(t *testing.T) {
	if got, err := (Files{}).Exec([]string{"a", ""}); err != nil || !slices.Equal(got, []string{"a", ""}) {
		t.Errorf("%q, %v", got, err)
	}
	for _, args := range [][]string{nil, {""}, {"", "a"}} {
		if got, err := (Files{}).Exec(args); err == nil || hint.Of(err) == "" {
			t.Errorf("%q: %q, %v", args, got, err)
		}
	}
}

// TestEvaluates: the runscripts that the peers make of OCI images are known.
func TestEvaluates(t *testing.T) {
	peers := "#!/bin/sh\nOCI_ENTRYPOINT=''\nOCI_CMD='\"sh\"'\neval \"set ${SINGULARITY_OCI_RUN}\"\n"
	for text, want := range map[string]bool{peers: true, "": false, "#!/bin/sh\necho OCI_ENTRYPOINT=''\n": false, strings.Repeat("#", maxScript) + peers: false} {
		f := files(fstest.MapFS{".singularity.d/runscript": file(text, 0o755), "scif/apps/a/scif/runscript": file(text, 0o755)})
		if got := f.Evaluates(Runscript(), ""); got != want {
			t.Errorf("%.40q: %v", text, got)
		}
		if f.Evaluates(Runscript(), "a") {
			t.Errorf("%.40q of an application", text)
		}
	}
	if (Files{Tree: view.New(fstest.MapFS{}, fstest.MapFS{})}).Evaluates(Runscript(), "") {
		t.Error("no runscript evaluates")
	}
}

func TestShell(t *testing.T) {
	img := apps()
	for _, c := range []struct{ add, program, want string }{
		{"", "", "/bin/sh -l"}, {"bin/bash", "", "/bin/bash --norc -l"}, {"", "zsh", "zsh -l"},
	} {
		if c.add != "" {
			img[c.add] = file("", 0o755)
		}
		if got, err := files(img).Shell(c.program, []string{"-l"}); err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%q: %q, %v; want %s", c.program, got, err, c.want)
		}
	}
	_, err := files(fstest.MapFS{}).Shell("", nil)
	checkMissing(t, err, "the image has no shell", "name a program with --shell, or run one with sealift exec")
}

func TestScript(t *testing.T) {
	f := files(apps())
	for _, c := range []struct {
		script    Script
		app, want string
	}{
		{Runscript(), "", "/.singularity.d/runscript a"},
		{Runscript(), "foo", "/scif/apps/foo/scif/runscript a"},
		{Test(), "foo", "/bin/sh /scif/apps/foo/scif/test a"},
	} {
		if got, err := f.Script(c.script, c.app, []string{"a"}); err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%q: %q, %v; want %s", c.app, got, err, c.want)
		}
	}
	_, err := f.Script(Test(), "", nil)
	checkMissing(t, err, "the image has no test script", "build the image with a %test section")
	_, err = f.Script(Test(), "bar", nil)
	checkMissing(t, err, "the application bar has no test script",
		"use sealift exec --app bar IMAGE COMMAND, or an application that has one: foo")
	img := apps()
	delete(img, "scif/apps/foo/scif/runscript")
	_, err = files(img).Script(Runscript(), "foo", nil)
	checkMissing(t, err, "the application foo has no runscript",
		"use sealift exec --app foo IMAGE COMMAND, or build the image with a %apprun foo section")
}

// TestCommand tells what the kernel can start from what a shell has to.
func TestCommand(t *testing.T) {
	for _, c := range []struct {
		text  string
		mode  fs.FileMode
		shell bool
	}{
		{"#!/bin/sh\n", 0o755, false}, {"\x7fELF\x02", 0o755, false}, {"", 0o755, false},
		{"echo", 0o755, true}, {"a", 0o755, true}, {"#!/bin/sh\n", 0o644, true},
	} {
		f := files(fstest.MapFS{"x": file(c.text, c.mode)})
		if got := f.command("/x", nil); slices.Equal(got, []string{"/bin/sh", "/x"}) != c.shell || got[len(got)-1] != "/x" {
			t.Errorf("%q, mode %o: %q", c.text, c.mode, got)
		}
	}
	// What is not the image's own cannot be looked at.
	f := files(fstest.MapFS{})
	f.Tree.Make("/x", 0o755)
	if got := f.command("/x", nil); len(got) != 1 {
		t.Errorf("an entry that was added: %q", got)
	}
}

func TestCheckApp(t *testing.T) {
	f := files(apps())
	for _, app := range []string{"", "foo", "bar"} {
		if err := f.CheckApp(app); err != nil {
			t.Errorf("%s: %v", app, err)
		}
	}
	for _, app := range []string{"magic", "none", "file", ".", "..", "../apps/foo", "foo/", "/foo"} {
		checkMissing(t, f.CheckApp(app), "the image has no application "+app, "choose one that it has: bar, foo")
	}
	checkMissing(t, files(fstest.MapFS{}).CheckApp("foo"), "the image has no application foo",
		"build it with %apprun and other sections of applications; it has none")
}

// TestOddScriptsT84: scripts of applications that are no files, or lead to none within
// the container, are missing, and are not opened to find out.
func TestOddScriptsT84(t *testing.T) {
	link := func(to string) *fstest.MapFile { return file(to, fs.ModeSymlink|0o777) }
	for name, odd := range map[string]*fstest.MapFile{
		"a FIFO": file("", fs.ModeNamedPipe|0o755), "a socket": file("", fs.ModeSocket|0o755), "a device": file("", fs.ModeDevice|fs.ModeCharDevice|0o666),
		"a disk": file("", fs.ModeDevice|0o666), "a directory": file("", fs.ModeDir|0o755), "a link to nothing": link("/nowhere"),
		"a link to itself": link("runscript"), "a link to a FIFO": link("/pipe"), "a link to a directory": link(".."),
		"a link to a file of the host": link("../../../../../../../host/secret"), "an absolute one": link("/host/secret"),
	} {
		img := never{t, fstest.MapFS{
			"pipe": file("", fs.ModeNamedPipe|0o755), "bin/sh": file("", 0o755), "scif/apps/foo/scif/runscript": odd, ".singularity.d/runscript": odd,
		}}
		f := Files{Tree: view.New(img, fstest.MapFS{"host/secret": file("#!/bin/sh\n", 0o755)}), Image: img}
		if err := f.CheckApp("foo"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, app := range []string{"foo", ""} {
			got, err := f.Script(Runscript(), app, nil)
			var coded interface{ ExitCode() int }
			if f.Has(Runscript(), app) || f.Evaluates(Runscript(), app) || !errors.As(err, &coded) || coded.ExitCode() != 127 || hint.Of(err) == "" {
				t.Errorf("%s, application %q: %q, %v", name, app, got, err)
			}
		}
	}
	// A link within the image is as good as a file.
	img := fstest.MapFS{"bin/app": file("#!/bin/sh\n", 0o755), "scif/apps/foo/scif/runscript": link("../../../../../../bin/app")}
	if got, err := files(img).Script(Runscript(), "foo", nil); err != nil || !slices.Equal(got, []string{"/scif/apps/foo/scif/runscript"}) {
		t.Errorf("a link within the image: %q, %v", got, err)
	}
}

// never is an image of which no file but directories may be opened.
type never struct {
	t *testing.T
	fstest.MapFS
}

func (n never) Open(name string) (fs.File, error) {
	f := n.MapFS[name]
	if f != nil && !f.Mode.IsRegular() && !f.Mode.IsDir() && f.Mode&fs.ModeSymlink == 0 {
		n.t.Errorf("%s was opened", name)
	}
	return n.MapFS.Open(name)
}

// unreadable has a directory that cannot be listed.
type unreadable struct{ fstest.MapFS }

func (unreadable) ReadDir(name string) ([]fs.DirEntry, error) {
	return nil, &fs.PathError{Op: "readdir", Path: name, Err: syscall.EIO}
}

func TestCheckAppDamagedImage(t *testing.T) {
	img := unreadable{apps()}
	f := Files{Tree: view.New(img, fstest.MapFS{}), Image: img}
	for _, err := range []error{f.CheckApp("foo"), func() error { _, err := f.Script(Test(), "bar", nil); return err }()} {
		var coded interface{ ExitCode() int }
		if !errors.Is(err, syscall.EIO) || hint.Of(err) == "" || errors.As(err, &coded) {
			t.Errorf("%v", err)
		}
	}
}
