package ui

import (
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

// The annotations of a flag: its variables, without prefix, and that their values
// are added to the command line's.
const (
	keysOf   = "environment"
	collects = "collects"
)

// Bind names the environment variables that set a flag when the command line
// does not. The first that is set counts.
func Bind(flags *pflag.FlagSet, name string, keys ...string) {
	f := flags.Lookup(name)
	f.Annotations = map[string][]string{keysOf: keys}
	f.Usage += " (SEALIFT_" + keys[0] + ")"
}

// Collect is Bind for a flag that collects values: it gets those of all the
// variables, and after them those of the command line.
func Collect(flags *pflag.FlagSet, name string, keys ...string) {
	Bind(flags, name, keys...)
	flags.Lookup(name).Annotations[collects] = nil
}

// FromEnvironment sets the flags that the environment names.
func (p *Process) FromEnvironment(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		keys := f.Annotations[keysOf]
		if failed != nil || len(keys) == 0 {
			return
		}
		if _, all := f.Annotations[collects]; all {
			failed = p.collect(f, keys)
		} else if !f.Changed {
			failed = p.set(f, keys)
		}
	})
	return failed
}

// collect puts the values of all the variables before those that f has.
func (p *Process) collect(f *pflag.Flag, keys []string) error {
	list := f.Value.(pflag.SliceValue)
	var given []string
	if f.Changed {
		given = slices.Clone(list.GetSlice())
	}
	if err := list.Replace(nil); err != nil {
		return err
	}
	for _, key := range keys {
		if err := p.set(f, []string{key}); err != nil {
			return err
		}
	}
	for _, v := range given {
		if err := list.Append(v); err != nil {
			return err
		}
	}
	return nil
}

// set gives f the value of the first variable that is set. The items of a list
// come without the blanks around them.
func (p *Process) set(f *pflag.Flag, keys []string) error {
	name, value := p.lookup(keys)
	if value == "" {
		return nil
	}
	p.Detail("--%s is set by %s", f.Name, name)
	p.warnRivals(keys, name, value)
	if err := f.Value.Set(value); err != nil {
		return hint.Wrap(fmt.Errorf("environment variable %s=%s: %w", name, value, err),
			"unset %s or give it a value that --%s accepts", name, f.Name)
	}
	if list, ok := f.Value.(pflag.SliceValue); ok && f.Value.Type() == "stringSlice" {
		items := list.GetSlice()
		for i := range items {
			items[i] = strings.TrimSpace(items[i])
		}
		return list.Replace(items)
	}
	return nil
}

// warnRivals tells of variables that would set the same otherwise than the one
// that counts, under another prefix.
func (p *Process) warnRivals(keys []string, name, value string) {
	for _, key := range keys {
		for _, prefix := range prefixes {
			if other := p.Variable(prefix + key); strings.HasSuffix(name, "_"+key) && other != "" && strings.TrimSpace(other) != value {
				p.Warn("%s and %s have different values: that of %s counts", name, prefix+key, name)
			}
		}
	}
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

// lookup returns the first variable that is set to more than blanks, and its
// value without those around it; else what the site says.
func (p *Process) lookup(keys []string) (name, value string) {
	for _, prefix := range prefixes {
		for _, key := range keys {
			if v := strings.TrimSpace(p.Variable(prefix + key)); v != "" {
				return prefix + key, v
			}
		}
	}
	for _, key := range keys {
		for _, kv := range p.Site {
			if value, ok := strings.CutPrefix(kv, prefixes[0]+key+"="); ok && value != "" {
				return prefixes[0] + key, value
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
