package metadata

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift/image/tree"
)

// install writes the metadata below a directory of the host, with that
// directory in place of the root in every script.
func install(t *testing.T, files Files) string {
	t.Helper()
	root := tree.NewDir(0o755)
	Layout(root, 0)
	files.Put(root, 0)
	dir := t.TempDir()
	for name, n := range root.Entries[Dir].Walk() {
		path := filepath.Join(dir, Dir, name)
		if n.IsDir() {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		r, err := n.Content.(tree.Opener).Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		moved := strings.ReplaceAll(string(text), "/"+Dir, filepath.Join(dir, Dir))
		if err := os.WriteFile(path, []byte(moved), os.FileMode(n.Mode&0o777)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, Dir)
}

func TestActions(t *testing.T) {
	dir := install(t, Files{
		ociEnvironment: "export A=oci B=oci\n", recipeEnvironment: "export B=recipe\n", postEnvironment: "export C=$B-post\n",
		Runscript: "#!/bin/sh\necho \"run $A $B $C $*\"\n", Test: "#!/bin/sh\nexit 9\n",
	})
	for _, c := range []struct {
		action string
		args   []string
		want   string
		status int
	}{
		{"exec", []string{"sh", "-c", `echo "$A $B $C $1"`, "sh", "a b"}, "oci recipe recipe-post a b\n", 0},
		{"exec", []string{"sh", "-c", "echo ${LD_LIBRARY_PATH##*/}"}, "libs\n", 0},
		{"run", []string{"x", "$y"}, "run oci recipe recipe-post x $y\n", 0},
		{"shell", []string{"-c", "echo $B"}, "recipe\n", 0},
		{"test", nil, "", 9},
		{"start", nil, "this image has no startscript\n", 127},
	} {
		command := exec.Command(filepath.Join(dir, "actions", c.action), c.args...)
		command.Env = []string{"PATH=/usr/bin:/bin"}
		out, err := command.CombinedOutput()
		status := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			status = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if string(out) != c.want || status != c.status {
			t.Errorf("%s %q: %q, status %d", c.action, c.args, out, status)
		}
	}
}

// FuzzRead checks that texts of an image never do more harm than an error,
// and that what can be read can be built upon.
func FuzzRead(f *testing.F) {
	f.Add(`{"a": "b"}`, "env", "#!/bin/sh\n")
	f.Add(`{"a": {"b": [1]}}`, "\xff", "")
	f.Fuzz(func(t *testing.T, labels, name, text string) {
		fsys := fstest.MapFS{Dir + "/" + LabelsFile: {Data: []byte(labels)}, Dir + "/" + Definition: {Data: []byte(text)}}
		files, err := FromFS(fsys)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = files.Inspect(); err != nil {
			return
		}
		files, err = files.WithConfig(&Config{Env: []string{name + "=" + text}, Cmd: []string{text}})
		if err != nil {
			return
		}
		next, err := files.Apply(Spec{Definition: name, Labels: map[string]string{name: text}})
		if err != nil {
			t.Fatal(err)
		}
		m, err := next.Inspect()
		if err != nil || m.Data.Attributes.Deffile != name {
			t.Fatalf("%+v, %v", m, err)
		}
	})
}

// TestRunsConfig tells runscripts of OCI images from others.
func TestRunsConfig(t *testing.T) {
	for _, c := range []*Config{{}, {Cmd: []string{"a"}}, {Entrypoint: []string{"a"}}} {
		made, err := Files{}.WithConfig(c)
		if err != nil || !made.RunsConfig() {
			t.Errorf("%+v: %v, %s", c, err, made[Runscript])
		}
	}
	for text, want := range map[string]bool{
		"": false, "#!/bin/sh\nexec tool\n": false, "#!/bin/sh\nOCI_ENTRYPOINT=''\nOCI_CMD=''\n": true, "echo OCI_ENTRYPOINT=\n": false,
	} {
		if got := (Files{Runscript: text}).RunsConfig(); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// TestSetsEnvironment tells scripts that say something from those that every
// image has.
func TestSetsEnvironment(t *testing.T) {
	for _, c := range []struct {
		files Files
		want  bool
	}{
		{Files{}, false},
		{Files{ociEnvironment: "export A=1\n", "env/99-base.sh": libsEnv, Runscript: "export A=1\n"}, false},
		{Files{recipeEnvironment: "#!/bin/sh\n # nothing\n\n"}, false},
		{Files{recipeEnvironment: "#!/bin/sh\n export A=1"}, true},
		{Files{"env/92-own.sh": ". /x"}, true},
	} {
		if got := c.files.SetsEnvironment(); got != c.want {
			t.Errorf("%v: %t", c.files, got)
		}
	}
}
