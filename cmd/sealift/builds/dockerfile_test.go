package builds

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

func TestIsDockerfile(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]bool{
		"Dockerfile": true, "Dockerfile.gpu": true, "app.Dockerfile": true, "app.dockerfile": true, "Containerfile": true,
		"Dockerfiles": false, "MyDockerfile": false,
	} {
		if got := isDockerfileName(filepath.Join(dir, name)); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for text, want := range map[string]bool{
		"# syntax=docker/dockerfile:1\n\nFROM a\n": true, "ARG A=1\nFROM a\n": true, "from a as b": true,
		"From: a\nBootstrap: docker\n": false, "Bootstrap: docker\nFrom: a\n": false, "FROM\n": false, "": false, "# x\n": false,
	} {
		file := filepath.Join(dir, "recipe")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := (&dockerFlags{}).isDockerfile(file); got != want {
			t.Errorf("%q: %v", text, got)
		}
		if !(&dockerFlags{file: file}).isDockerfile(file) {
			t.Errorf("%q with --file is no Dockerfile", text)
		}
	}
	if (&dockerFlags{}).isDockerfile("oci:Dockerfile") || (&dockerFlags{}).isDockerfile(dir) {
		t.Error("an image is a Dockerfile")
	}
}

func TestSource(t *testing.T) {
	for _, c := range []struct {
		file string
		args []string
		want string
	}{{"", []string{"a"}, "a"}, {"f", nil, "f"}, {"f", []string{"a"}, ""}, {"", nil, ""}} {
		got, err := (&dockerFlags{file: c.file}).source(c.args)
		if got != c.want || (err == nil) != (c.want != "") || err != nil && hint.Of(err) == "" {
			t.Errorf("--file %q %q: %q, %v", c.file, c.args, got, err)
		}
	}
}

func TestSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("of file"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &ui.Process{Environ: []string{"V=of variable", "c=of id"}, Cwd: filepath.Dir(file)}
	found, err := secrets([]string{"id=a,src=f", "id=b,env=V", "type=env,id=c"}, p)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"a": "of file", "b": "of variable", "c": "of id"} {
		if got, err := found[id](); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", id, got, err)
		}
	}
	if found, err = secrets([]string{"id=none"}, p); err != nil {
		t.Fatal(err)
	}
	if _, err := found["none"](); hint.Of(err) == "" {
		t.Errorf("a variable that is not set: %v", err)
	}
	for _, value := range []string{"src=f", "id=a,src=f,env=V", "", "id=a,scr=f"} {
		if _, err := secrets([]string{value}, p); hint.Of(err) == "" {
			t.Errorf("%q: %v", value, err)
		}
	}
}
