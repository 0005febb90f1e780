package metadata

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift/image/tree"
)

func TestApplyAndReadBack(t *testing.T) {
	base := Files{
		Definition: "old", LabelsFile: `{"a": "base", "b": "base", "n": 7}`, Runscript: "#!/bin/sh\nold\n", Help: "old help",
		recipeEnvironment: "#!/bin/sh\nexport A=1\n", "bootstrap_history/Singularity0": "older",
	}
	files, err := base.Apply(Spec{
		Definition: "new", Environment: "export B=$(x)\n", Test: "#!/bin/sh\ntest\n",
		Auto: map[string]string{"b": "auto", "c": "auto"}, Labels: map[string]string{"c": "new"},
	})
	if err != nil {
		t.Fatal(err)
	}
	root := tree.NewDir(0o755)
	Layout(root, 5)
	files.Put(root, 5)
	again, err := FromTree(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		Definition: "new", Runscript: "#!/bin/sh\nold\n", Help: "old help", Test: "#!/bin/sh\ntest\n", Startscript: "",
		recipeEnvironment:                "#!/bin/sh\nexport A=1\n\nexport B=$(x)\n",
		"bootstrap_history/Apptainer1":   "old",
		"bootstrap_history/Singularity0": "older",
		LabelsFile:                       "{\n\t\"a\": \"base\",\n\t\"b\": \"auto\",\n\t\"c\": \"new\",\n\t\"n\": \"7\"\n}\n",
		"env/99-base.sh":                 libsEnv,
	} {
		if again[name] != want {
			t.Errorf("%s: %q", name, again[name])
		}
	}
	if base[Definition] != "old" || len(base) != 6 {
		t.Error("the base's metadata changed")
	}
}

func TestLayout(t *testing.T) {
	root := tree.NewDir(0o755)
	root.Entries["proc"] = tree.NewDir(0o555)
	root.Entries["tmp"] = &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "/var/tmp"}
	root.Entries["etc"] = &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "/../../host/etc"}
	root.Entries[Dir] = &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "/evil"}
	root.Entries["singularity"] = tree.NewDir(0o755)
	Layout(root, 9)
	for name, want := range map[string]uint32{
		"proc": tree.TypeDir | 0o555, "tmp": tree.TypeSymlink | 0o777, "etc": tree.TypeSymlink | 0o777,
		"var/tmp": tree.TypeDir | 0o1777, "root": tree.TypeDir | 0o700, "dev": tree.TypeDir | 0o755,
		Dir: tree.TypeDir | 0o755, Dir + "/libs": tree.TypeDir | 0o755, Dir + "/actions/run": tree.TypeRegular | 0o755,
		"singularity": tree.TypeDir | 0o755, ".run": tree.TypeSymlink | 0o777, "environment": tree.TypeSymlink | 0o777,
	} {
		n, err := root.Lookup(name)
		if err != nil || n.Mode != want {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
	if n, err := root.Lookup(Dir + "/env/01-base.sh"); err != nil || n.ModTime != 9 || n.UID != 0 {
		t.Errorf("%+v, %v", n, err)
	}
	again := len(root.Entries)
	Layout(root, 9)
	if len(root.Entries) != again {
		t.Error("a second layout adds something")
	}
}

// shell runs a script with sh and returns what it prints.
func shell(t *testing.T, script string, args ...string) string {
	t.Helper()
	c := exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, args...)...)
	c.Env = []string{"PATH=/usr/bin:/bin"}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestConfigEnvironmentIsLiteral(t *testing.T) {
	files, err := Files{}.WithConfig(&Config{Env: []string{"A=it's \"$HOME\" `x`\nline \\", "_b1=", "C", "1X=a", "x\ny=b", "=c"}, Labels: map[string]string{"l": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	got := shell(t, files[ociEnvironment]+`printf '<%s>' "$A" "$_b1" "$C"`)
	if got != "<it's \"$HOME\" `x`\nline \\><><>" {
		t.Errorf("%q", got)
	}
	if n := strings.Count(files[ociEnvironment], "# left out"); n != 3 {
		t.Errorf("%d names left out of\n%s", n, files[ociEnvironment])
	}
	if labels, err := files.Labels(); err != nil || labels["l"] != "v" {
		t.Errorf("%v, %v", labels, err)
	}
	for _, c := range []Config{{Env: []string{"A=\x00"}}, {Cmd: []string{"\x00"}}, {Entrypoint: []string{"\x00"}}} {
		if _, err := (Files{}).WithConfig(&c); err == nil {
			t.Errorf("NUL accepted in %q", c)
		}
	}
}

func TestConfigRunscriptRunsExactWords(t *testing.T) {
	print := []string{"printf", "<%s>"}
	for _, c := range []struct {
		entrypoint, cmd, args []string
		want                  string
	}{
		{print, nil, []string{"a$b", "it's", ""}, "<a$b><it's><>"},
		{print, []string{"$HOME", "a b"}, nil, "<$HOME><a b>"},
		{print, []string{"cmd"}, []string{"x"}, "<x>"},
		{nil, append(print, "cmd"), nil, "<cmd>"},
		{nil, []string{"cmd"}, append(print, `"q"`), `<"q">`},
		{nil, nil, append(print, "x"), "<x>"},
	} {
		files, err := Files{}.WithConfig(&Config{Entrypoint: c.entrypoint, Cmd: c.cmd})
		if err != nil {
			t.Fatal(err)
		}
		if got := shell(t, files[Runscript], c.args...); got != c.want {
			t.Errorf("%q %q with %q: %q", c.entrypoint, c.cmd, c.args, got)
		}
	}
	files, err := Files{}.WithConfig(&Config{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/bin/sh", "-c", files[Runscript]).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 127 || !strings.Contains(string(out), "name a command to run") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestFixedEnvironment(t *testing.T) {
	got := shell(t, "SING_USER_DEFINED_PREPEND_PATH=/first SING_USER_DEFINED_APPEND_PATH=/last PATH=/bin LD_LIBRARY_PATH=/l\n"+
		libsEnv+runtimeEnv+`echo "$PATH $LD_LIBRARY_PATH ${SING_USER_DEFINED_APPEND_PATH-unset}"`)
	if got != "/first:/bin:/last /l:/.singularity.d/libs unset\n" {
		t.Errorf("%q", got)
	}
	got = shell(t, "SING_USER_DEFINED_PATH=/only PATH=/bin; unset LD_LIBRARY_PATH\n"+libsEnv+runtimeEnv+`echo "$PATH $LD_LIBRARY_PATH"`)
	if got != "/only /.singularity.d/libs\n" {
		t.Errorf("%q", got)
	}
	for name, text := range fixed {
		if out, err := exec.Command("/bin/sh", "-n", "-c", text).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

func TestReadShape(t *testing.T) {
	m, err := Read(fstest.MapFS{
		path.Join(Dir, LabelsFile):                  {Data: []byte(`{"k": "v"}`)},
		path.Join(Dir, "env/90-environment.sh"):     {Data: []byte("export A=1\n")},
		path.Join(Dir, "env/99-base.sh"):            {Data: []byte("in every image")},
		path.Join(Dir, "env/notes"):                 {Data: []byte("no script")},
		path.Join(Dir, Runscript):                   {Data: []byte("run")},
		path.Join(Dir, Definition):                  {Data: []byte("def")},
		path.Join(Dir, Help, "is a directory here"): {Data: []byte("")},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"data":{"attributes":{"environment":{"/.singularity.d/env/90-environment.sh":"export A=1\n"},"labels":{"k":"v"},"runscript":"run","deffile":"def"}},"type":"container"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if m, err := Read(fstest.MapFS{}); err != nil || len(m.Data.Attributes.Labels) != 0 {
		t.Errorf("image without metadata: %+v, %v", m, err)
	}
}

func TestReadRefuses(t *testing.T) {
	big := string(make([]byte, maxText+1))
	many := fstest.MapFS{}
	for i := range 12 {
		many[path.Join(Dir, "env", string(rune('a'+i))+".sh")] = &fstest.MapFile{Data: []byte(big[:maxText-1])}
	}
	crowd := fstest.MapFS{}
	for i := range maxFiles {
		crowd[path.Join(Dir, "env", strings.Repeat("x", 1+i%200)+string(rune('A'+i/200))+".sh")] = &fstest.MapFile{}
	}
	for name, c := range map[string]struct {
		fsys fstest.MapFS
		want string
	}{
		"long":       {fstest.MapFS{path.Join(Dir, Test): {Data: []byte(big)}}, "/.singularity.d/test: longer than 4194304 bytes"},
		"total":      {many, "over 33554432 bytes"},
		"number":     {crowd, "files; expected at most 1024"},
		"deep":       {fstest.MapFS{path.Join(Dir, LabelsFile): {Data: bytes.Repeat([]byte(`{"a":`), 500_000)}}, "/.singularity.d/labels.json: "},
		"bad labels": {fstest.MapFS{path.Join(Dir, LabelsFile): {Data: []byte("[]")}}, "/.singularity.d/labels.json: json"},
	} {
		if _, err := Read(c.fsys); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v; want %s", name, err, c.want)
		}
	}
}

type opaque struct{}

func (opaque) Size() int64 { return 1 }

func TestFromTreeNeedsReadableContent(t *testing.T) {
	root := tree.NewDir(0o755)
	if err := root.Insert(path.Join(Dir, Runscript), &tree.Node{Mode: tree.TypeRegular, Content: opaque{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := FromTree(root); !errors.Is(err, ErrUnreadable) {
		t.Errorf("error %v", err)
	}
	if err := root.Insert(path.Join(Dir, Runscript), tree.NewDir(0o755)); err != nil {
		t.Fatal(err)
	}
	if err := root.Insert(path.Join(Dir, Test), &tree.Node{Mode: tree.TypeRegular}); err != nil {
		t.Fatal(err)
	}
	files, err := FromTree(root)
	if _, ok := files[Test]; err != nil || !ok || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}

func TestTakeLabels(t *testing.T) {
	for _, c := range []struct {
		n    *tree.Node
		want string
		err  error
	}{
		{nil, "", nil},
		{&tree.Node{Mode: tree.TypeRegular}, "", nil},
		{&tree.Node{Mode: tree.TypeRegular, Content: tree.Bytes("a b\n")}, "a b\n", nil},
		{&tree.Node{Mode: tree.TypeSymlink, Target: "/etc/passwd"}, "", nil},
		{tree.NewDir(0o755), "", nil},
		{&tree.Node{Mode: tree.TypeRegular, Content: unopened{}}, "", ErrUnreadable},
	} {
		root := tree.NewDir(0o755)
		if c.n != nil {
			root.Entries[".build.labels"] = c.n
		}
		got, err := TakeLabels(root)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%+v: %q, %v", c.n, got, err)
		}
		if root.Entries[".build.labels"] != nil {
			t.Errorf("%+v stays", c.n)
		}
	}
	root := tree.NewDir(0o755)
	root.Entries[".build.labels"] = &tree.Node{Mode: tree.TypeRegular, Content: tree.Bytes(make([]byte, maxLabels+1))}
	if _, err := TakeLabels(root); err == nil {
		t.Error("a huge file is no error")
	}
}

// unopened is content on its way into an image.
type unopened struct{}

func (unopened) Size() int64 { return 1 }
