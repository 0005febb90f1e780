package builds

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestBuildArguments(t *testing.T) {
	file := filepath.Join(t.TempDir(), "args")
	if err := os.WriteFile(file, []byte("# comment\n\nA = 1\nB=x=y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := buildArguments([]string{file}, []string{"A=2"})
	if err != nil || got["A"] != "2" || got["B"] != "x=y" || len(got) != 2 {
		t.Errorf("%v %v", got, err)
	}
	if _, err := buildArguments(nil, []string{"novalue"}); hint.Of(err) == "" {
		t.Errorf("no hint: %v", err)
	}
}

func TestIsImage(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for source, want := range map[string]bool{
		"oci:dir": true, "docker-archive:x.tar:a:b": true, dir: true, filepath.Join(dir, "missing"): false,
		write("x.def", "Bootstrap: scratch\n"): false, write("a:b.def", "Bootstrap: scratch\n"): false,
		write("x.sqfs", "hsqs...."): true, write("x.sif", strings.Repeat("#", 32)+"SIF_MAGIC\x0001"): true,
	} {
		if got := isImage(source); got != want {
			t.Errorf("%s: %v", source, got)
		}
	}
}
