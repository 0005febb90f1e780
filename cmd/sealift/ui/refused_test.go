package ui

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		args, environ []string
		err, warning  string
		parse         string
	}{
		{},
		{args: []string{"--boot"}, err: "--boot: it cannot be"},
		{args: []string{"--boot=false"}},
		{args: []string{"--boot=maybe"}, parse: "invalid argument"},
		{args: []string{"--image-of", "x"}, err: "--image-of: it cannot be"},
		{environ: []string{"APPTAINER_IMAGE_OF=x"}, err: "--image-of: it cannot be"},
		{environ: []string{"SINGULARITY_BOOT=0"}},
		{args: []string{"--plain"}, err: "--plain: not here"},
		{environ: []string{"SEALIFT_PLAIN=1"}},
		{args: []string{"--mild"}, warning: "sealift: warning: --mild: nothing comes of it; go on\n"},
		{args: []string{"--idle", "--wait", "1m"}},
	} {
		p, _, msg := fake(c.environ...)
		flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
		Refuse(flags, []Refusal{
			{Switches: []string{"boot"}, Options: []string{"image-of"}, Why: "it cannot be", Remedy: "do without", Variables: true},
			{Switches: []string{"plain"}, Why: "not here", Remedy: "go there"},
			{Switches: []string{"mild"}, Harmless: true, Why: "nothing comes of it", Remedy: "go on"},
		}, "idle", "wait=")
		flags.VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				t.Errorf("--%s is in the help", f.Name)
			}
		})
		if err := flags.Parse(c.args); c.parse != "" {
			if err == nil || !strings.Contains(err.Error(), c.parse) {
				t.Errorf("%q: %v", c.args, err)
			}
			continue
		}
		if err := p.FromEnvironment(flags); err != nil {
			t.Fatal(err)
		}
		err := p.CheckRefused(flags)
		if (err != nil) != (c.err != "") || err != nil && (!strings.Contains(err.Error(), c.err) || hint.Of(err) == "") {
			t.Errorf("%q %q: %v", c.args, c.environ, err)
		}
		if msg.String() != c.warning {
			t.Errorf("%q: %q", c.args, msg)
		}
	}
}
