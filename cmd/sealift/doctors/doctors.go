// Package doctors is the command doctor: it says what works on this machine.
//
// Input: names of checks. Output: a table for people, or JSON. What is looked at,
// and what to do about it, is runtime/doctor's matter.
package doctors

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/caches"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/doctor"
	"github.com/sealift/sealift/runtime/doctor/probe"
)

// patience is how long to wait for what does not answer.
const patience = 10 * time.Second

// Command returns doctor.
func Command(p *ui.Process) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "doctor [flags] [CHECK...]", Short: "Say what works on this machine, and what to do about the rest", Long: help(),
		Example: `  sealift doctor
  sealift doctor userns fuse
  sealift doctor --json | jq -r '.checks[] | select(.state == "failed").fix'`,
		ValidArgs: doctor.Names(), Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, names []string) error {
			if err := known(names); err != nil {
				return err
			}
			in := inputs(p)
			in.Cache, in.CacheErr = caches.Dir(p)
			findings, err := probe.Gather(c.Context(), in)
			if err != nil {
				return err
			}
			checks := slices.DeleteFunc(doctor.Examine(findings), func(c doctor.Check) bool {
				return len(names) > 0 && !slices.Contains(names, c.Name)
			})
			return show(p, checks, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the checks as JSON")
	c.AddCommand(mpiCommand(p))
	return c
}

func inputs(p *ui.Process) probe.Inputs {
	return probe.Inputs{Environ: p.Environ, Cwd: p.Cwd, Program: p.Executable, TmpDir: p.TempDir(""), Patience: patience}
}

func help() string {
	var b strings.Builder
	b.WriteString(`Look at what containers need and can use here, as the user that calls it, and
try it: containers are started, files made and locked, device nodes opened, and
programs of the host asked for their versions. For what is not ok, the effect
and what to do about it are printed; lines that start with "as root:" are for
the administrator. Nothing is changed.

The checks, all of them unless some are named:

`)
	for _, name := range doctor.Names() {
		fmt.Fprintf(&b, "  %-15s %s\n", name, doctor.About(name))
	}
	b.WriteString(`
A check is ok, a warning (containers run, but something does not work), failed
(containers cannot run), or absent (something is not here that containers can do
without). The status is 1 if one has failed, and 0 otherwise.

With --json there is one object with these fields, which are always there; later
versions may add some:

  run      true unless a check has failed
  checks   list of objects, in the order of the table:
    name     one of the names above
    state    ok, warning, failed or absent
    found    what is there, in one line
    effect   what follows from it, in one line; empty if ok
    fix      what to do about it, in one or more lines; empty if ok`)
	return b.String()
}

// known refuses names that no check has.
func known(names []string) error {
	for _, name := range names {
		if !slices.Contains(doctor.Names(), name) {
			return hint.New(fmt.Sprintf("there is no check %q", name), "the checks are %s", strings.Join(doctor.Names(), ", "))
		}
	}
	return nil
}

// show prints the checks. Its error is the exit status.
func show(p *ui.Process, checks []doctor.Check, asJSON bool) error {
	run := !slices.ContainsFunc(checks, func(c doctor.Check) bool { return c.State == doctor.Failed })
	text := table(checks, p.Painter())
	if asJSON {
		var err error
		if text, err = ui.JSON(struct {
			Run    bool           `json:"run"`
			Checks []doctor.Check `json:"checks"`
		}{run, checks}, "  "); err != nil {
			return err
		}
	}
	if err := p.Print(text); err != nil {
		return ui.Gone(err)
	}
	if !run {
		return ui.ExitStatus(1)
	}
	return nil
}

// colours are those of states.
var colours = map[doctor.State]ui.Colour{
	doctor.OK: ui.Green, doctor.Warning: ui.Yellow, doctor.Failed: ui.Red, doctor.Absent: ui.Faint,
}

// table has a line for each check, and for what is not ok its effect and its fix.
func table(checks []doctor.Check, paint func(ui.Colour, string) string) string {
	width := len("CHECK")
	for _, c := range checks {
		width = max(width, len(c.Name))
	}
	const stateWidth = len("warning")
	var b strings.Builder
	line := func(name, state, text string) {
		fmt.Fprintf(&b, "%-*s  %s  %s\n", width, name, state, ui.Clean(text))
	}
	line("CHECK", fmt.Sprintf("%-*s", stateWidth, "STATE"), "FOUND")
	for _, c := range checks {
		line(c.Name, paint(colours[c.State], fmt.Sprintf("%-*s", stateWidth, c.State)), oneLine(c.Found))
		if c.State == doctor.OK {
			continue
		}
		detail := func(key, text string) {
			for i, l := range strings.Split(text, "\n") {
				if i > 0 {
					key = ""
				}
				line("", fmt.Sprintf("%*s", stateWidth, key), l)
			}
		}
		detail("effect:", oneLine(c.Effect))
		detail("fix:", c.Fix)
	}
	return b.String()
}

// oneLine keeps what programs of the host print from looking like more lines.
func oneLine(text string) string { return strings.NewReplacer("\n", "; ", "\t", " ").Replace(text) }
