package rulefiles

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift/cmd/sealift/ui"
)

func TestAny(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "rules")
	if (Paths{}).Any() || (Paths{Site: file, User: file, ECL: []string{file, file}}).Any() {
		t.Error("rules that are not there")
	}
	if err := os.WriteFile(file, nil, 0); err != nil {
		t.Fatal(err)
	}
	for _, p := range []Paths{{Site: file}, {User: file}, {ECL: []string{dir + "/none", file}}, {User: file + "/below"}} {
		if !p.Any() {
			t.Errorf("%+v: no rules", p)
		}
	}
}

func TestOf(t *testing.T) {
	p := Of(&ui.Process{Environ: []string{"HOME=/home/ada"}})
	if p.Site != "/etc/sealift/trust.toml" || p.User != "/home/ada/.config/sealift/trust.toml" || len(p.ECL) != 2 || p.ECL[1] != "/etc/apptainer/ecl.toml" {
		t.Errorf("%+v", p)
	}
}
