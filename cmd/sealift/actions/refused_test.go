package actions

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

// TestRefusals: flags of the peers that cannot be had are answered with what to
// do, and those without effect are accepted, on every command.
func TestRefusals(t *testing.T) {
	msg := new(bytes.Buffer)
	p := &ui.Process{Terminal: ui.Terminal{Err: msg}}
	commands := Commands(p, func() Parts { return None{} }, nil)
	commands = append(commands[:len(commands)-1], commands[len(commands)-1].Commands()...)
	for _, c := range commands {
		for _, name := range idle {
			name, option := strings.CutSuffix(name, "=")
			f := c.Flags().Lookup(name)
			if f == nil || !f.Hidden || option != (f.NoOptDefVal == "") {
				t.Errorf("%s --%s: %+v", c.Name(), name, f)
			}
		}
	}
	n := 0
	for _, r := range refusals {
		for _, name := range slices.Concat(r.Switches, r.Options) {
			n++
			flags := Commands(p, func() Parts { return None{} }, nil)[0].Flags()
			args := []string{"--" + name}
			if slices.Contains(r.Options, name) {
				args = append(args, "value")
			}
			if err := flags.Parse(args); err != nil {
				t.Fatal(err)
			}
			msg.Reset()
			err := p.CheckRefused(flags)
			refused := err != nil && strings.HasPrefix(err.Error(), "--"+name+": ") && hint.Of(err) != ""
			warned := strings.Contains(msg.String(), "--"+name+": ")
			if refused == r.Harmless || warned != r.Harmless || !flags.Lookup(name).Hidden {
				t.Errorf("--%s: %v, hint %q, %q", name, err, hint.Of(err), msg)
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d flags", n)
	}
}
