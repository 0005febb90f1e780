//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command sealift-full is the whole of sealift, which executes it for all but the start of
// containers that take nothing but an image here: with what they need, hundreds of
// packages less have to get ready.
//
// Input: what the package root reads. Output: what the subcommands print and their exit
// codes (package ui). A subcommand parses its flags into a request, makes one call, and
// prints; decisions belong to the packages.
package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/cmd/sealift/builds"
	"github.com/sealift/sealift/cmd/sealift/caches"
	"github.com/sealift/sealift/cmd/sealift/containers"
	"github.com/sealift/sealift/cmd/sealift/diffs"
	"github.com/sealift/sealift/cmd/sealift/doctors"
	"github.com/sealift/sealift/cmd/sealift/endpoints"
	"github.com/sealift/sealift/cmd/sealift/keys"
	"github.com/sealift/sealift/cmd/sealift/manual"
	"github.com/sealift/sealift/cmd/sealift/overlays"
	"github.com/sealift/sealift/cmd/sealift/policies"
	"github.com/sealift/sealift/cmd/sealift/pulls"
	"github.com/sealift/sealift/cmd/sealift/pushes"
	"github.com/sealift/sealift/cmd/sealift/registries"
	"github.com/sealift/sealift/cmd/sealift/root"
	"github.com/sealift/sealift/cmd/sealift/sifs"
	"github.com/sealift/sealift/cmd/sealift/trusts"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

func main() {
	p, err := root.Process()
	if err != nil {
		ui.Exit(p.Fail(err), false)
	}
	code := run(p)
	ui.Exit(code, p.Interrupted)
}

// run executes the command line and returns the exit code.
func run(p *ui.Process) int {
	if err := root.Execute(p, command(p)); err != nil {
		return p.Fail(err)
	}
	return 0
}

// command returns the root with all commands.
func command(p *ui.Process) *cobra.Command {
	top := root.Command(p)
	top.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return ui.UsageError(c, err) })
	top.SetUsageFunc(func(c *cobra.Command) error { return p.Print(manual.Usage(c)) })
	top.SetHelpFunc(func(c *cobra.Command, _ []string) {
		if err := p.Print(manual.Help(c)); err != nil {
			p.Fail(ui.Gone(err))
		}
	})
	if c := action(p); c != nil {
		top.AddCommand(c)
		return top
	}
	for _, g := range commands(p) {
		top.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.title
			top.AddCommand(c)
		}
		top.SetHelpCommandGroupID(g.title) // the last one's
	}
	top.AddCommand(policies.Topic())
	return top
}

// action returns the command that starts a container, if it is named first.
func action(p *ui.Process) *cobra.Command {
	if len(p.Args) == 0 {
		return nil
	}
	if root.Verb(p.Args) == buildcfg.ExplainName { // flags may precede it
		return containers.Action(p, buildcfg.ExplainName)
	}
	return containers.Action(p, p.Args[0])
}

// group is commands that help shows together.
type group struct {
	title    string
	commands []*cobra.Command
}

// commands are all commands, in the order of help.
func commands(p *ui.Process) []group {
	return []group{
		{"Containers", containers.Commands(p)},
		{"Images", append(diffs.Commands(p), builds.Command(p), overlays.Command(p), sifs.Command(p))},
		{"Registries and libraries", append(pushes.Commands(p), pulls.Command(p), registries.Command(p), endpoints.Command(p))},
		{"Signatures", append(trusts.Commands(p), keys.Command(p), endpoints.KeyserverCommand(p))},
		{"Sealift itself", slices.Concat([]*cobra.Command{caches.Command(p), doctors.Command(p), versionCommand(p)}, manual.Commands(p))},
	}
}

func versionCommand(p *ui.Process) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, number, _ := strings.Cut(root.Version(p), " version ")
			return p.Print(number + "\n")
		},
	}
}
