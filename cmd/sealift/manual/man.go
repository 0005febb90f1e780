package manual

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Page is a manual page: the name of its file, and its text as man(7) describes it.
type Page struct {
	Name, Text string
}

// Pages returns the manual pages of a command and all below it, for a version of
// the program. They are of a date, unless that is zero.
func Pages(root *cobra.Command, version string, date time.Time) []Page {
	pages := []Page{page(root, version, date)}
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			pages = append(pages, Pages(c, version, date)...)
		}
	}
	return pages
}

func page(c *cobra.Command, version string, date time.Time) Page {
	day := ""
	if !date.IsZero() {
		day = date.UTC().Format(time.DateOnly)
	}
	r := &roff{}
	r.line(".TH %s 1 %q %q %q", plain(strings.ToUpper(title(c))), day, plain(version), "User Commands")
	r.line(".SH NAME\n%s \\- %s", plain(title(c)), plain(c.Short))
	if c.Runnable() {
		rest, _ := strings.CutPrefix(line(c), c.CommandPath())
		r.line(".SH SYNOPSIS\n\\fB%s\\fR%s", plain(c.CommandPath()), plain(rest))
	}
	r.line(".SH DESCRIPTION")
	r.text(description(c))
	for _, g := range append(groups(c), group{"Topics", topics(c)}) {
		r.commands(g)
	}
	if c.Runnable() {
		r.flags("OPTIONS", c.LocalFlags())
		r.flags("OPTIONS OF ALL COMMANDS", c.InheritedFlags())
	}
	if c.Example != "" {
		r.line(".SH EXAMPLES")
		r.verbatim(c.Example)
	}
	if c.HasParent() {
		r.line(".SH SEE ALSO\n.BR %s (1)", plain(title(c.Parent())))
	}
	return Page{title(c) + ".1", r.String()}
}

// title returns the name of a command's page.
func title(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// roff is a page in the making.
type roff struct{ strings.Builder }

func (r *roff) line(format string, args ...any) { fmt.Fprintf(&r.Builder, format+"\n", args...) }

// text writes paragraphs, which are separated by empty lines. One that has an indented line
// is set as it is.
func (r *roff) text(text string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			r.line(".PP")
		}
		if strings.Contains("\n"+paragraph, "\n ") {
			r.verbatim(paragraph)
		} else {
			r.line("%s", plain(paragraph))
		}
	}
}

func (r *roff) verbatim(text string) { r.line(".nf\n%s\n.fi", plain(text)) }

func (r *roff) commands(g group) {
	if len(g.commands) == 0 {
		return
	}
	r.line(".SH %s", plain(strings.ToUpper(g.title)))
	for _, c := range g.commands {
		r.line(".TP\n.BR %s (1)\n%s", plain(title(c)), plain(c.Short))
	}
}

func (r *roff) flags(heading string, set *pflag.FlagSet) {
	all := visible(set)
	if len(all) > 0 {
		r.line(".SH %s", heading)
	}
	for _, f := range all {
		short := ""
		if f.short != "" {
			short = `\fB\-` + plain(f.short) + `\fR, `
		}
		r.line(".TP\n%s\\fB%s\\fR%s\n%s", short, plain("--"+f.name), plain(f.value), plain(f.usage))
	}
}

// plain returns text that roff sets as it is (groff_char(7)), with hyphens that can be
// copied to a command line.
func plain(text string) string {
	var b strings.Builder
	for i, c := range text {
		switch {
		case c > unicode.MaxASCII:
			fmt.Fprintf(&b, `\[u%04X]`, c)
		case c == '.' && (i == 0 || text[i-1] == '\n'):
			b.WriteString(`\&.`) // no request
		case escaped[c] != "":
			b.WriteString(escaped[c])
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// escaped are the characters that roff takes for others.
var escaped = map[rune]string{'\\': `\e`, '-': `\-`, '"': `\(dq`, '\'': `\(aq`, '`': `\(ga`, '^': `\(ha`, '~': `\(ti`}
