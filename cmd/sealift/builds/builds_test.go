package builds

import (
	"os"
	"path/filepath"
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
