package cdifile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

// dir is a directory with files.
func dir(t *testing.T, files map[string]string) string {
	t.Helper()
	d := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(d, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

const (
	gpu0 = `{"cdiVersion":"0.5.0","kind":"x.com/gpu","devices":[{"name":"0","containerEdits":{"env":["A=0"]}}],"containerEdits":{"env":["C=1"]}}`
	gpu1 = "cdiVersion: 0.5.0\nkind: x.com/gpu\ndevices:\n- name: '1'\n  containerEdits:\n    env: [A=1]\n"
)

func read(t *testing.T, dirs ...string) *Files {
	t.Helper()
	f, err := Read(dirs)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDevice(t *testing.T) {
	d := dir(t, map[string]string{"a.json": gpu0, "b.yaml": gpu1})
	f := read(t, d)
	spec, name, file, err := f.Device("x.com/gpu=1")
	if err != nil || name != "1" || file != filepath.Join(d, "b.yaml") || spec.Kind != "x.com/gpu" || len(f.Problems()) > 0 {
		t.Errorf("%+v %s %s %v", spec, name, file, err)
	}
	all, files := f.Kind("x.com/gpu")
	if all == nil || len(all.Devices) != 2 || len(files) != 2 || !slices.Equal(all.ContainerEdits.Env, []string{"C=1"}) {
		t.Errorf("%+v %q", all, files)
	}
	if all, _ := f.Kind("x.com/nic"); all != nil {
		t.Errorf("%+v", all)
	}
}

// TestLaterDirectory: it beats an earlier one.
func TestLaterDirectory(t *testing.T) {
	a, b := dir(t, map[string]string{"a.json": gpu0}), dir(t, map[string]string{"b.json": strings.Replace(gpu0, "A=0", "A=9", 1)})
	all, files := read(t, a, b).Kind("x.com/gpu")
	if all == nil || len(all.Devices) != 1 || all.Devices[0].ContainerEdits.Env[0] != "A=9" || len(files) != 1 {
		t.Errorf("%+v %q", all, files)
	}
}

func TestProblems(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"conflict": {map[string]string{"a.json": gpu0, "b.json": gpu0}, "conflicting device"},
		"version":  {map[string]string{"a.json": strings.Replace(gpu0, "0.5.0", "9.9.9", 1)}, "9.9.9"},
		"newer":    {map[string]string{"a.json": strings.Replace(gpu0, `"env":["A=0"]`, `"future":1`, 1)}, "a.json"},
		"no text":  {map[string]string{"a.json": "{"}, "a.json"},
	} {
		f := read(t, dir(t, c.files))
		_, _, _, err := f.Device("x.com/gpu=0")
		if problems := strings.Join(f.Problems(), "\n"); !strings.Contains(problems, c.want) || err == nil || !strings.Contains(err.Error(), c.want) || hint.Of(err) == "" {
			t.Errorf("%s: %q, %v", name, problems, err)
		}
		if spec, _ := f.Kind("x.com/gpu"); spec != nil {
			t.Errorf("%s: %+v", name, spec)
		}
	}
}

func TestMissing(t *testing.T) {
	f := read(t, filepath.Join(t.TempDir(), "none"))
	for _, name := range []string{"x.com/gpu=0", "x.com/gpu", "0"} {
		if _, _, _, err := f.Device(name); err == nil || hint.Of(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if spec, _ := f.Kind("x.com/gpu"); spec != nil || f.Problems() != nil {
		t.Error("there is something")
	}
	_, _, _, err := read(t, dir(t, map[string]string{"a.json": gpu0})).Device("x.com/gpu=7")
	if err == nil || !strings.Contains(hint.Of(err), "x.com/gpu=0") {
		t.Errorf("%v: %s", err, hint.Of(err))
	}
}
