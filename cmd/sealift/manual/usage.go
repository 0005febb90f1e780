// Package manual is what the program says of itself: the texts of help, manual
// pages, and completions for shells.
//
// Input: the tree of commands. Output: text; the commands of this package print it
// or write it to files. All of it is derived from the commands, so that it cannot
// be another than what they do; nothing depends on the time or the machine.
package manual

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Columns of help: all text ends before the first, what a flag does begins in the
// second.
const (
	width  = 80
	column = 22
)

// Help returns what a command's --help prints.
func Help(c *cobra.Command) string {
	text := description(c) + "\n"
	if usage := Usage(c); usage != "" {
		text += "\n" + usage
	}
	return text
}

func description(c *cobra.Command) string {
	if c.Long == "" {
		return c.Short + "."
	}
	return strings.Trim(c.Long, "\n")
}

// Usage returns how a command is called: nothing for a topic, which is text alone.
func Usage(c *cobra.Command) string {
	if !c.Runnable() {
		return ""
	}
	sections := []string{section("Usage", "  "+line(c)+"\n")}
	if len(c.Aliases) > 0 {
		sections = append(sections, section("Other names", "  "+strings.Join(c.Aliases, ", ")+"\n"))
	}
	sections = append(sections, section("Examples", c.Example))
	for _, g := range groups(c) {
		sections = append(sections, section(g.title, listing(g.commands)))
	}
	sections = append(sections, section("Topics", listing(topics(c))), section("Flags", flags(c.LocalFlags())),
		section("Flags of all commands", flags(c.InheritedFlags())))
	if c.HasAvailableSubCommands() {
		sections = append(sections, fmt.Sprintf("'%s help%s COMMAND' tells more of a command.\n", c.Root().Name(), strings.TrimPrefix(c.CommandPath(), c.Root().Name())))
	}
	return strings.Join(slices.DeleteFunc(sections, func(s string) bool { return s == "" }), "\n")
}

func section(title, text string) string {
	if text = strings.TrimRight(text, "\n"); text == "" {
		return ""
	}
	return title + ":\n" + text + "\n"
}

// line returns the command line that a command takes.
func line(c *cobra.Command) string {
	if c.HasAvailableSubCommands() {
		return c.CommandPath() + " [flags] COMMAND [ARG...]"
	}
	return c.UseLine()
}

// group is commands under one title.
type group struct {
	title    string
	commands []*cobra.Command
}

// groups returns the commands below c, by group in the order of the groups, then those
// of none.
func groups(c *cobra.Command) []group {
	var all []group
	for _, g := range c.Groups() {
		all = append(all, group{g.Title, available(c, g.ID)})
	}
	rest := "Commands"
	if len(all) > 0 {
		rest = "Other commands"
	}
	return append(all, group{rest, available(c, "")})
}

func available(c *cobra.Command, id string) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(c.Commands()), func(c *cobra.Command) bool { return c.GroupID != id || !c.IsAvailableCommand() })
}

func topics(c *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(c.Commands()), func(c *cobra.Command) bool { return !c.IsAdditionalHelpTopicCommand() })
}

// listing names commands, with what each is for.
func listing(commands []*cobra.Command) string {
	longest := 0
	for _, c := range commands {
		longest = max(longest, len(c.Name()))
	}
	var b strings.Builder
	for _, c := range commands {
		fmt.Fprintf(&b, "  %-*s  %s\n", longest, c.Name(), c.Short)
	}
	return b.String()
}

// flags describes flags. What one does is on lines of its own where its name is
// long.
func flags(set *pflag.FlagSet) string {
	var b strings.Builder
	for _, f := range visible(set) {
		head := "      "
		if f.short != "" {
			head = "  -" + f.short + ", "
		}
		head += "--" + f.name + f.value
		if indent := column - len(head); indent >= 2 {
			b.WriteString(head + strings.Repeat(" ", indent))
		} else {
			b.WriteString(head + "\n" + strings.Repeat(" ", column))
		}
		b.WriteString(strings.Join(wrap(f.usage, width-column), "\n"+strings.Repeat(" ", column)) + "\n")
	}
	return b.String()
}

// flag is a flag as it is shown.
type flag struct {
	short, name string
	value       string // with what is between it and the name; empty for a switch
	usage       string
}

// visible returns the flags of a set that are not hidden, by name.
func visible(set *pflag.FlagSet) []flag {
	var all []flag
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Deprecated != "" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		switch {
		case value == "" || f.Value.Type() == "bool":
			value = ""
		case f.NoOptDefVal != "":
			value = "[=" + value + "]"
		default:
			value = " " + value
		}
		if !slices.Contains([]string{"", "false", "0", "[]"}, f.DefValue) {
			usage += " (default " + f.DefValue + ")"
		}
		all = append(all, flag{f.Shorthand, f.Name, value, usage})
	})
	return all
}

// wrap breaks text into lines of at most n bytes, but for longer words.
func wrap(text string, n int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > n {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
