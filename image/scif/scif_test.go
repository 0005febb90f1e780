package scif

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/image/definition"
	"github.com/sealift/sealift/image/tree"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// apps returns the applications of a definition's only stage.
func apps(t *testing.T, text string) []definition.App {
	t.Helper()
	r, err := definition.Parse("x.def", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	list, err := r.Apps(&r.Stages[0])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// script returns the text of %post of a definition's only stage.
func script(text, section string) (definition.Script, bool, error) {
	r, err := definition.Parse("x.def", []byte(text))
	if err != nil {
		return definition.Script{}, false, err
	}
	return Script(r, &r.Stages[0], section)
}

func TestScript(t *testing.T) {
	const foo = "\ncd /\n. /scif/apps/foo/scif/env/01-base.sh\ncd /scif/apps/foo\n b\n\ncd /\n"
	for _, c := range []struct {
		text, section, body string
		shell               []string
		line                int
	}{
		{"%post\n a\n%appinstall foo\n b\n", "post", " a\n" + foo, nil, 2},
		{"%appinstall foo\n b\n", "post", foo, nil, 2},
		{"%appinstall foo\n b\n%post\n#!/usr/bin/env bash\n a\n", "post", " a\n" + foo, []string{"/usr/bin/env", "bash"}, 4},
		{"%post\n#!/usr/bin/python3\n a\n%apprun foo\n b\n", "post", " a\n", []string{"/usr/bin/python3"}, 2},
		{"%test\n a\n%appinstall foo\n b\n", "test", " a\n", nil, 2},
	} {
		x, ok, err := script("Bootstrap: x\n"+c.text, c.section)
		if !ok || err != nil || x.Body != c.body || !slices.Equal(x.Shell, c.shell) || x.Line != c.line {
			t.Errorf("%q: %+v, %v, %v", c.text, x, ok, err)
		}
	}
	if x, ok, err := script("Bootstrap: x\n%apprun foo\n b\n", "post"); ok || err != nil {
		t.Errorf("%+v, %v, %v", x, ok, err)
	}
	for text, want := range map[string]string{
		"%appinstall foo\n b\n%post -c python3\n a\n": "x.def:2: %appinstall runs in the interpreter of %post, and that is python3",
		"%appinstall a/b\n b\n":                       `x.def:2:13: application "a/b"`,
		"%post -c\n a\n":                              "x.def:2:7: -c without a shell",
	} {
		if _, _, err := script("Bootstrap: x\n"+text, "post"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

// fromFile returns the applications of testdata/apps.def.
func fromFile(t *testing.T) []definition.App {
	t.Helper()
	text, err := os.ReadFile("testdata/apps.def")
	if err != nil {
		t.Fatal(err)
	}
	return apps(t, string(text))
}

// text returns the content of a file of a tree.
func text(t *testing.T, n *tree.Node) string {
	t.Helper()
	if n.Content == nil {
		return ""
	}
	r, err := n.Content.(tree.Opener).Open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// dump prints a tree with the contents of its files.
func dump(t *testing.T, root *tree.Node) string {
	var b strings.Builder
	for name, n := range root.Walk() {
		if name == "." {
			continue
		}
		fmt.Fprintf(&b, "%06o %d %s\n", n.Mode, n.ModTime, name)
		for line := range strings.Lines(text(t, n)) {
			b.WriteString("    " + line)
		}
	}
	return b.String()
}

func TestPutGolden(t *testing.T) {
	root := tree.NewDir(0o755)
	if err := Put(root, fromFile(t), 7); err != nil {
		t.Fatal(err)
	}
	got := dump(t, root)
	const golden = "testdata/apps.tree"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestPutKeepsWhatTheBaseHas(t *testing.T) {
	root := tree.NewDir(0o755)
	if err := Put(root, apps(t, "Bootstrap: x\n%apprun old\n a\n%appenv foo\n b\n"), 1); err != nil {
		t.Fatal(err)
	}
	if err := root.Insert("scif/apps/foo/bin/tool", &tree.Node{Mode: tree.TypeRegular | 0o755}); err != nil {
		t.Fatal(err)
	}
	if err := Put(root, apps(t, "Bootstrap: x\n%apprun foo\n c\n"), 2); err != nil {
		t.Fatal(err)
	}
	got := dump(t, root)
	for _, want := range []string{
		"040755 1 scif/apps/foo\n", "100755 0 scif/apps/foo/bin/tool\n", "100755 2 scif/apps/foo/scif/runscript\n",
		"100755 1 scif/apps/foo/scif/env/90-environment.sh\n", "100755 1 scif/apps/old/scif/runscript\n",
		"export SCIF_APPRUN_old='/scif/apps/old/scif/runscript'\n", "export SCIF_APPENV_foo=",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestPutFollowsLinksInTheRoot(t *testing.T) {
	root := tree.NewDir(0o755)
	if err := root.Insert("scif", &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "/../opt/scif"}); err != nil {
		t.Fatal(err)
	}
	if err := Put(root, apps(t, "Bootstrap: x\n%apprun foo\n a\n"), 0); err != nil {
		t.Fatal(err)
	}
	if n, err := root.Lookup("opt/scif/apps/foo/scif/runscript"); err != nil || text(t, n) != "#!/bin/sh\n a\n" {
		t.Errorf("%v, %v", n, err)
	}
}

func TestPutErrors(t *testing.T) {
	for _, name := range []string{"scif", "scif/apps/foo", "scif/apps/foo/scif/env", "scif/data/foo/input"} {
		root := tree.NewDir(0o755)
		if err := root.Insert(name, &tree.Node{Mode: tree.TypeRegular | 0o644}); err != nil {
			t.Fatal(err)
		}
		err := Put(root, apps(t, "Bootstrap: x\n\n%apprun foo\n a\n"), 0)
		if err == nil || !strings.Contains(err.Error(), "application foo of line 3: ") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestPutWithoutApplications(t *testing.T) {
	root := tree.NewDir(0o755)
	if err := Put(root, nil, 0); err != nil {
		t.Fatal(err)
	}
	if root.Entries["scif"] != nil || !strings.Contains(dump(t, root), "# Places of the applications.\n") {
		t.Errorf("%s", dump(t, root))
	}
}

// unpack writes a tree below a directory of the host, with that directory in
// place of the root in every script, and returns it.
func unpack(t *testing.T, root *tree.Node) string {
	t.Helper()
	dir := t.TempDir()
	for name, n := range root.Walk() {
		path := filepath.Join(dir, name)
		var err error
		if n.IsDir() {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, []byte(moved(text(t, n), dir)), os.FileMode(n.Mode&0o777))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// moved returns a script for a root at dir.
func moved(script, dir string) string {
	return strings.NewReplacer("/scif/apps", dir+"/scif/apps", "/scif/data", dir+"/scif/data").Replace(script)
}

// sh runs a script, with dir printed as the root.
func sh(t *testing.T, dir, script string, env ...string) (string, error) {
	t.Helper()
	c := exec.Command("/bin/sh", "-e", "-c", script)
	c.Env = append([]string{"PATH=/usr/bin:/bin"}, env...)
	out, err := c.CombinedOutput()
	return strings.ReplaceAll(string(out), dir, ""), err
}

func TestInstallRuns(t *testing.T) {
	list := fromFile(t)
	root := tree.NewDir(0o755)
	if err := Put(root, list, 0); err != nil {
		t.Fatal(err)
	}
	dir := unpack(t, root)
	out, err := sh(t, dir, moved("true \\"+install(list), dir)+"cat "+dir+"/scif/apps/foo/installed "+dir+"/scif/data/bar-2.0/output/log; pwd")
	if want := "foo in /scif/apps/foo\nbar-2.0 after foo, yes\n/\n"; err != nil || out != want {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
	if _, err := sh(t, dir, moved(install(apps(t, "Bootstrap: x\n%appinstall foo\n false\n true\n")), dir)); err == nil {
		t.Error("a failing %appinstall is not noticed")
	}
	if got := install(apps(t, "Bootstrap: x\n%apprun foo\n%appinstall foo\n\n")); got != "" {
		t.Errorf("%q", got)
	}
}

func TestEnvironmentOfAnApplication(t *testing.T) {
	root := tree.NewDir(0o755)
	if err := Put(root, fromFile(t), 0); err != nil {
		t.Fatal(err)
	}
	dir := unpack(t, root)
	const script = `for f in "$D"/.singularity.d/env/*.sh; do . "$f"; done; `
	for _, c := range []struct{ app, print, want string }{
		{"foo", `echo "$SCIF_APPNAME:$WHO:$PATH:$LD_LIBRARY_PATH"`, "foo:foo of /scif/apps/foo:/scif/apps/foo/bin:/scif/apps/foo:/usr/bin:/bin:/scif/apps/foo/lib\n"},
		{"bar-2.0", `echo "$SCIF_APPLIB $WHO$SCIF_APPDATA"`, "/scif/apps/bar-2.0/lib /scif/data/bar-2.0\n"},
		{"", `echo "${SCIF_APPNAME-none} $SCIF_APPROOT_bar_2_0 $SCIF_APPRUN_foo ${SCIF_APPRUN_bar_2_0-none}"`, "none /scif/apps/bar-2.0 /scif/apps/foo/scif/runscript none\n"},
	} {
		out, err := sh(t, dir, script+c.print, "D="+dir, "SINGULARITY_APPNAME="+c.app)
		if err != nil || out != c.want {
			t.Errorf("%s: %q, %v; want %q", c.app, out, err, c.want)
		}
	}
	if out, err := sh(t, dir, script, "D="+dir, "SINGULARITY_APPNAME=magic"); err == nil || out != "this image has no application magic\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// A base image can have applications of any name.
func TestExportsQuoteNames(t *testing.T) {
	root := tree.NewDir(0o755)
	for _, name := range []string{"a b", "$(exit 7)", "it's", "é"} {
		if _, err := root.MkdirAll(Dir(name)+"/scif", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := root.MkdirAll(Dir("plain"), 0o755); err != nil {
		t.Fatal(err)
	}
	script, err := exports(root)
	if err != nil {
		t.Fatal(err)
	}
	out, err := sh(t, "", script+`echo "$SCIF_APPROOT_a_b $SCIF_APPROOT___exit_7_ $SCIF_APPROOT_it_s $SCIF_APPROOT__ ${SCIF_APPROOT_plain-none}"`)
	if want := "/scif/apps/a b /scif/apps/$(exit 7) /scif/apps/it's /scif/apps/é none\n"; err != nil || out != want {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
}
