package image

import (
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestRunsOn(t *testing.T) {
	for _, c := range []struct {
		image, machine string
		runs           bool
	}{
		{"amd64", "amd64", true}, {"386", "amd64", true}, {"", "amd64", true}, {"arm64", "", true},
		{"amd64", "386", false}, {"arm64", "amd64", false}, {"arm", "arm64", true},
	} {
		err := Info{Path: "x.sif", Arch: c.image}.RunsOn(c.machine)
		if (err == nil) != c.runs {
			t.Errorf("%s on %s: %v", c.image, c.machine, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "x.sif") || hint.Of(err) == "") {
			t.Errorf("%v, hint %q", err, hint.Of(err))
		}
	}
}
