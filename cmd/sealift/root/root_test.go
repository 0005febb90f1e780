package root

import (
	"slices"
	"testing"

	"github.com/sealift/sealift/cmd/sealift/ui"
)

func TestLaunched(t *testing.T) {
	p := &ui.Process{Name: "run-singularity", Args: []string{"image.sif", "-x"}}
	if launched(p); p.Name != "sealift" || !slices.Equal(p.Args, []string{"run", "image.sif", "-x"}) {
		t.Errorf("%q %q", p.Name, p.Args)
	}
	p = &ui.Process{Name: "singularity", Args: []string{"version"}}
	if launched(p); p.Name != "singularity" || len(p.Args) != 1 {
		t.Errorf("%q %q", p.Name, p.Args)
	}
}

func TestVerb(t *testing.T) {
	for want, args := range map[string][]string{"exec": {"-q", "--debug", "exec", "run"}, "": {"--version"}, "x": {"x"}} {
		if got := Verb(args); got != want {
			t.Errorf("%q: %q", args, got)
		}
	}
}
