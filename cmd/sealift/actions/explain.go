package actions

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/paths"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/spec"
)

const explainHelp = `
Nothing is started: the container is planned as exec with the same flags would
have it, and each %s is told with the rule that it follows
from: a flag or its variable, a script of the image, or what Sealift does by
itself.%s

With --json there is %s`

// topic is something that explain tells of.
type topic struct {
	name, short, things, more, fields string
	text                              func(x *spec.Explanation) string
	data                              func(x *spec.Explanation) any
}

func topics() []topic {
	return []topic{
		{
			"env", "Tell where each variable of a container comes from", "variable of the payload",
			`

Where scripts of the image run programs, only the image's own shell can tell
what they set: the variables are then those that the scripts find, or cannot
change.`,
			`one object: variables and outside, arrays of objects with
name, value and rule, the latter for what stays outside, without values; and
scripts, why scripts may change that, which is empty otherwise.`,
			explainVariables, func(x *spec.Explanation) any {
				unknown := ""
				if x.Unknown != nil {
					unknown = x.Unknown.Error()
				}
				return map[string]any{"variables": nonNil(x.Variables), "outside": nonNil(x.Outside), "scripts": unknown}
			},
		},
		{
			"mounts", "Tell why each file system is in a container", "file system and file", "",
			`one object: mounts, an array of objects with target, type,
source, flags and rule in the order of the mounts, and left, objects with target
and rule for what is left out.`,
			explainMounts, func(x *spec.Explanation) any {
				return map[string]any{"mounts": nonNil(x.Mounts), "left": nonNil(x.Left)}
			},
		},
		{
			"ids", "Tell who the payload of a container is, and why", "id, namespace and limit", "",
			`one object: ids, an array of objects with name, value
and rule.`,
			explainIDs, func(x *spec.Explanation) any { return map[string]any{"ids": nonNil(x.IDs)} },
		},
	}
}

// nonNil has an empty list be [] in JSON, not null.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// explainCommand returns explain with its topics.
func explainCommand(p *ui.Process, parts func() Parts) *cobra.Command {
	c := &cobra.Command{
		Use: "explain", Short: "Tell why a container is as it is",
		Long: "Tell why a container is as it is: its variables, its mounts, its ids.",
		Args: ui.KnownCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, t := range topics() {
		c.AddCommand(t.command(p, parts()))
	}
	return c
}

func (t topic) command(p *ui.Process, parts Parts) *cobra.Command {
	asJSON := false
	show := func(c *spec.Container) (string, error) {
		if !asJSON {
			return t.text(c.Explain()), nil
		}
		return ui.JSON(t.data(c.Explain()), "  ")
	}
	c := command(p, parts, spec.Exec, t.name+" [flags] IMAGE [COMMAND [ARG...]]", t.short, 1, show,
		func(c *cobra.Command, r *spec.Request, a *actionFlags, args []string) error {
			if r.Args = args[1:]; len(r.Args) == 0 {
				r.Args = []string{"sh"} // it makes no difference
			}
			return onImage(c.Context(), p, r, paths.Local(args[0]), a)
		})
	c.Long = t.short + ".\n" + fmt.Sprintf(explainHelp, t.things, t.more, t.fields)
	c.Example = fmt.Sprintf("  sealift explain %s --contain py.sif\n  sealift explain %s --json docker://debian:12", t.name, t.name)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// table returns lines of words in columns.
func table(rows ...[]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush() // into memory
	return b.String()
}

// word makes a value part of a line: what would break it is quoted.
func word(s string) string {
	if ui.Clean(s) != s || strings.ContainsAny(s, "\n\t\r") {
		return strconv.Quote(s)
	}
	return s
}

func explainVariables(x *spec.Explanation) string {
	rows := [][]string{{"RULE", "VARIABLE"}}
	for _, v := range x.Variables {
		rows = append(rows, []string{word(v.Origin), v.Name + "=" + word(v.Value)})
	}
	text := table(rows...)
	if x.Unknown != nil {
		text += fmt.Sprintf("\nScripts of the image may change these, and set more: %v.\n", word(x.Unknown.Error()))
	}
	if len(x.Outside) > 0 {
		rows = [][]string{{"RULE", "STAYS OUTSIDE"}}
		for _, v := range x.Outside {
			rows = append(rows, []string{word(v.Why), word(v.Name)})
		}
		text += "\n" + table(rows...)
	}
	return text
}

func explainMounts(x *spec.Explanation) string {
	rows := [][]string{{"TARGET", "TYPE", "SOURCE", "FLAGS", "RULE"}}
	for _, m := range x.Mounts {
		rows = append(rows, []string{word(m.Target), m.Type, word(dash(m.Source)), dash(m.Flags), m.Why})
	}
	text := table(rows...)
	if len(x.Left) > 0 {
		rows = [][]string{{"LEFT OUT", "RULE"}}
		for _, l := range x.Left {
			rows = append(rows, []string{word(l.Target), word(l.Why)})
		}
		text += "\n" + table(rows...)
	}
	return text
}

func explainIDs(x *spec.Explanation) string {
	rows := [][]string{{"WHAT", "VALUE", "RULE"}}
	for _, f := range x.IDs {
		rows = append(rows, []string{f.Name, word(f.Value), f.Why})
	}
	return table(rows...)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
