package ui

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
)

// prefixes are those of the environment variables that set flags, strongest
// first.
var prefixes = []string{"SEALIFT_", "APPTAINER_", "SINGULARITY_"}

// keysOf is the annotation that holds the variables of a flag, without prefix.
const keysOf = "environment"

// Bind names the environment variables that set a flag when the command line
// does not; a flag that collects values gets both, the variable's first.
func Bind(flags *pflag.FlagSet, name string, keys ...string) {
	f := flags.Lookup(name)
	f.Annotations = map[string][]string{keysOf: keys}
	f.Usage += " (SEALIFT_" + keys[0] + ")"
}

// FromEnvironment sets the flags that the environment names.
func (p *Process) FromEnvironment(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		list, collects := f.Value.(pflag.SliceValue)
		if failed != nil || f.Changed && !collects {
			return
		}
		name, value := p.lookup(f.Annotations[keysOf])
		if value == "" {
			return
		}
		p.Detail("--%s is set by %s", f.Name, name)
		var given []string
		if collects && f.Changed {
			given = slices.Clone(list.GetSlice())
			failed = list.Replace(nil)
		}
		if err := f.Value.Set(value); err != nil {
			failed = hint.Wrap(fmt.Errorf("environment variable %s=%s: %w", name, value, err),
				"unset %s or give it a value that --%s accepts", name, f.Name)
		}
		for _, v := range given {
			failed = errors.Join(failed, list.Append(v))
		}
	})
	return failed
}

// Opposite is a boolean flag whose variable says the contrary.
type Opposite struct{ Of *bool }

// Set is pflag.Value's.
func (o Opposite) Set(text string) error {
	v, err := strconv.ParseBool(text)
	*o.Of = !v
	return err
}

// String is pflag.Value's.
func (o Opposite) String() string { return strconv.FormatBool(o.Of != nil && !*o.Of) }

// Type is pflag.Value's.
func (Opposite) Type() string { return "bool" }

// Setting returns the environment variable of the given name without prefix that
// counts, and its value; both are empty where none is set.
func (p *Process) Setting(key string) (name, value string) { return p.lookup([]string{key}) }

// lookup returns the first variable that is set and not empty.
func (p *Process) lookup(keys []string) (name, value string) {
	for _, prefix := range prefixes {
		for _, key := range keys {
			for _, kv := range p.Environ {
				if v, ok := strings.CutPrefix(kv, prefix+key+"="); ok && v != "" {
					return prefix + key, v
				}
			}
		}
	}
	return "", ""
}

// UsageError is a mistake on the command line.
func UsageError(c *cobra.Command, err error) error {
	return hint.Wrap(err, "see '%s --help'", c.CommandPath())
}

// KnownCommand refuses what is no command's name, and tells of similar ones.
func KnownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q", args[0])
	if similar := c.SuggestionsFor(args[0]); len(similar) > 0 {
		return hint.Wrap(err, "did you mean %s? See '%s --help'", strings.Join(similar, " or "), c.CommandPath())
	}
	return UsageError(c, err)
}

// AtMost allows n operands.
func AtMost(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > n {
			return UsageError(c, fmt.Errorf("unexpected operand %q: %s", args[n], c.UseLine()))
		}
		return nil
	}
}

// AtLeast requires n operands named by the command's use line.
func AtLeast(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < n {
			return UsageError(c, fmt.Errorf("%s needs %d operands: %s", c.Name(), n, c.UseLine()))
		}
		return nil
	}
}
