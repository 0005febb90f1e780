package manual

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

// tool is a program with one command of each kind.
func tool() *cobra.Command {
	run := func(*cobra.Command, []string) error { return nil }
	root := &cobra.Command{Use: "tool", Short: "Does things", Long: "Tool does\nthings.\n", RunE: run}
	root.PersistentFlags().BoolP("quiet", "q", false, "say less")
	root.AddGroup(&cobra.Group{ID: "work", Title: "Work"})
	do := &cobra.Command{Use: "do [flags] THING...", Short: "Do a thing", Aliases: []string{"make"}, GroupID: "work", RunE: run, Example: "  tool do it"}
	do.Flags().StringP("with", "w", "", "use `THIS|THAT`")
	do.Flags().String("how", "well", "in this manner")
	do.Flags().Int("times", 0, "this often; "+strings.Repeat("more words ", 12)+"(TOOL_TIMES)")
	do.Flags().String("maybe", "", "with or without `VALUE`")
	do.Flags().Lookup("maybe").NoOptDefVal = "x"
	do.Flags().Bool("hidden", false, "not seen")
	do.Flags().Lookup("hidden").Hidden = true
	old := &cobra.Command{Use: "old", Short: "Do it as before", Hidden: true, RunE: run}
	other := &cobra.Command{Use: "other", Short: "Do another thing", RunE: run}
	other.AddCommand(&cobra.Command{Use: "deep", Short: "Do it below", RunE: run})
	topic := &cobra.Command{Use: "rules", Short: "What is allowed", Long: "Rules\nare:\n\n  a = \"b\\c\"\n\n.such '…'\n"}
	root.AddCommand(do, old, other, topic)
	root.InitDefaultHelpFlag()
	return root
}

func at(t *testing.T, path ...string) *cobra.Command {
	t.Helper()
	c, _, err := tool().Find(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestHelp(t *testing.T) {
	for path, want := range map[string]string{
		"": `Tool does
things.

Usage:
  tool [flags] COMMAND [ARG...]

Work:
  do  Do a thing

Other commands:
  other  Do another thing

Topics:
  rules  What is allowed

Flags:
  -h, --help          help for tool
  -q, --quiet         say less

'tool help COMMAND' tells more of a command.
`,
		"do": `Do a thing.

Usage:
  tool do [flags] THING...

Other names:
  make

Examples:
  tool do it

Flags:
      --how string    in this manner (default well)
      --maybe[=VALUE]
                      with or without VALUE
      --times int     this often; more words more words more words more words
                      more words more words more words more words more words
                      more words more words more words (TOOL_TIMES)
  -w, --with THIS|THAT
                      use THIS|THAT

Flags of all commands:
  -q, --quiet         say less
`,
		"other": `Do another thing.

Usage:
  tool other [flags] COMMAND [ARG...]

Commands:
  deep  Do it below

Flags of all commands:
  -q, --quiet         say less

'tool help other COMMAND' tells more of a command.
`,
		"rules": "Rules\nare:\n\n  a = \"b\\c\"\n\n.such '…'\n",
	} {
		if got := Help(at(t, strings.Fields(path)...)); got != want {
			t.Errorf("%s:\n%s", path, got)
		}
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a": "a", " a  b ": "a b", "aa bb cc": "aa bb|cc", "aaaaaaaaa b": "aaaaaaaaa|b", "a bbbbbbbbb c": "a|bbbbbbbbb|c",
	} {
		if got := strings.Join(wrap(text, 5), "|"); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestPages(t *testing.T) {
	pages := Pages(tool(), "Tool 1.0", time.Unix(1e9, 0))
	texts := map[string]string{}
	for _, p := range pages {
		texts[p.Name] = p.Text
	}
	if len(pages) != 5 || len(texts) != 5 {
		t.Errorf("%d pages", len(pages))
	}
	for name, want := range map[string]string{
		"tool.1": `.TH TOOL 1 "2001-09-09" "Tool 1.0" "User Commands"
.SH NAME
tool \- Does things
.SH SYNOPSIS
\fBtool\fR [flags] COMMAND [ARG...]
.SH DESCRIPTION
Tool does
things.
.SH WORK
.TP
.BR tool\-do (1)
Do a thing
.SH OTHER COMMANDS
.TP
.BR tool\-other (1)
Do another thing
.SH TOPICS
.TP
.BR tool\-rules (1)
What is allowed
.SH OPTIONS
.TP
\fB\-h\fR, \fB\-\-help\fR
help for tool
.TP
\fB\-q\fR, \fB\-\-quiet\fR
say less
`,
		"tool-rules.1": `.TH TOOL\-RULES 1 "2001-09-09" "Tool 1.0" "User Commands"
.SH NAME
tool\-rules \- What is allowed
.SH DESCRIPTION
Rules
are:
.PP
.nf
  a = \(dqb\ec\(dq
.fi
.PP
\&.such \(aq\[u2026]\(aq
.SH SEE ALSO
.BR tool (1)
`,
		"tool-other-deep.1": `.TH TOOL\-OTHER\-DEEP 1 "2001-09-09" "Tool 1.0" "User Commands"
.SH NAME
tool\-other\-deep \- Do it below
.SH SYNOPSIS
\fBtool other deep\fR
.SH DESCRIPTION
Do it below.
.SH OPTIONS OF ALL COMMANDS
.TP
\fB\-q\fR, \fB\-\-quiet\fR
say less
.SH SEE ALSO
.BR tool\-other (1)
`,
	} {
		if texts[name] != want {
			t.Errorf("%s:\n%s", name, texts[name])
		}
	}
	if text := texts["tool-do.1"]; !strings.Contains(text, "\n\\fB\\-\\-maybe\\fR[=VALUE]\n") || !strings.Contains(text, ".SH EXAMPLES\n.nf\n  tool do it\n.fi\n") {
		t.Error(text)
	}
	if text := Pages(tool(), "Tool 1.0", time.Time{})[0].Text; !strings.HasPrefix(text, `.TH TOOL 1 "" "Tool 1.0"`) {
		t.Error(text)
	}
}

// call runs one of this package's commands below a root.
func call(t *testing.T, environ []string, args ...string) (out string, err error) {
	t.Helper()
	var b bytes.Buffer
	p := &ui.Process{Terminal: ui.Terminal{Out: &b, Err: &b}, Name: "tool", Environ: environ}
	root := tool()
	root.SilenceUsage, root.SilenceErrors = true, true
	root.AddCommand(Commands(p)...)
	root.SetArgs(args)
	err = root.Execute()
	return b.String(), err
}

func TestCompletion(t *testing.T) {
	for shell, want := range map[string]string{"bash": "complete -o default -F __start_tool tool", "zsh": "#compdef tool\n", "fish": "complete -c tool "} {
		out, err := call(t, nil, "completion", shell)
		again, _ := call(t, nil, "completion", shell)
		if err != nil || !strings.Contains(out, want) || out != again {
			t.Errorf("%s: %v, %.100q", shell, err, out)
		}
	}
	if _, err := call(t, nil, "completion", "tcsh"); hint.Of(err) != `use one of ["bash" "zsh" "fish"]` {
		t.Errorf("%v, %q", err, hint.Of(err))
	}
}

func TestShare(t *testing.T) {
	dir := t.TempDir()
	if _, err := call(t, []string{"SOURCE_DATE_EPOCH=1000000000"}, "share", dir, "tool", "alias"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"man/man1/tool-do.1":                   ` 1 "2001-09-09" "Sealift `,
		"bash-completion/completions/tool":     "-F __start_tool tool\n",
		"bash-completion/completions/alias":    "-F __start_alias alias\n",
		"zsh/site-functions/_alias":            "#compdef alias\n",
		"fish/vendor_completions.d/alias.fish": "complete -c alias ",
	} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Contains(b, []byte(want)) {
			t.Errorf("%s: %v, %.200s", name, err, b)
		}
	}
	if _, err := call(t, []string{"SOURCE_DATE_EPOCH=x"}, "share", dir, "tool"); err == nil {
		t.Error("a time of x")
	}
	if _, err := call(t, nil, "share", filepath.Join(dir, "man/man1/tool.1"), "tool"); err == nil {
		t.Error("a directory in the place of a file")
	}
}

// TestDefaults shows those that say something.
func TestDefaults(t *testing.T) {
	set := pflag.NewFlagSet("x", pflag.ContinueOnError)
	set.StringSlice("list", nil, "words")
	set.Bool("on", true, "a switch")
	set.String("text", "", "words")
	got := flags(set)
	want := "      --list strings  words\n      --on            a switch (default true)\n      --text string   words\n"
	if got != want {
		t.Errorf("%s", got)
	}
}
