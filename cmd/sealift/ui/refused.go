package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Refusal is flags of the peers that cannot be had here. They are hidden from the
// help, and answered with a remedy rather than with "unknown flag".
type Refusal struct {
	// Switches are flags without a value, Options those with one.
	Switches, Options []string
	// Why completes "--flag: ", Remedy says what to do instead.
	Why, Remedy string
	// Harmless says that the command goes on, with a warning.
	Harmless bool
	// Variables says that the flags' variables count, too: SEALIFT_DMTCP_LAUNCH and
	// the like.
	Variables bool
}

// Refuse adds the flags of refusals, and idle ones: these ask for what is always
// so, or switch off what is never used. Those with a value end with "=".
func Refuse(flags *pflag.FlagSet, refusals []Refusal, idle ...string) {
	for _, r := range refusals {
		for _, name := range r.Switches {
			flags.VarPF(&refused{Refusal: r, option: false}, name, "", r.Why).NoOptDefVal = "true"
		}
		for _, name := range r.Options {
			flags.Var(&refused{Refusal: r, option: true}, name, r.Why)
		}
		for _, name := range slices.Concat(r.Switches, r.Options) {
			if r.Variables {
				Bind(flags, name, strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
			}
			flags.Lookup(name).Hidden = true
		}
	}
	for _, name := range idle {
		if option, ok := strings.CutSuffix(name, "="); ok {
			name = option
			flags.String(name, "", "no effect")
		} else {
			flags.Bool(name, false, "no effect")
		}
		flags.Lookup(name).Hidden = true
	}
}

// CheckRefused fails for the first flag given that is refused, and warns of those
// that have no effect.
func (p *Process) CheckRefused(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		r, ok := f.Value.(*refused)
		switch {
		case !ok || !r.given || err != nil:
		case r.Harmless:
			p.Warn("--%s: %s; %s", f.Name, r.Why, r.Remedy)
		default:
			err = hint.New(fmt.Sprintf("--%s: %s", f.Name, r.Why), "%s", r.Remedy)
		}
	})
	return err
}

// refused is the value of such a flag. That it was given counts.
type refused struct {
	Refusal
	option, given bool
}

// Set is pflag.Value's.
func (r *refused) Set(text string) (err error) {
	if r.given = true; !r.option {
		r.given, err = strconv.ParseBool(text)
	}
	return err
}

// String is pflag.Value's.
func (*refused) String() string { return "" }

// Type is pflag.Value's.
func (*refused) Type() string { return "string" }
