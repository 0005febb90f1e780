//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command sealift builds and runs containers in one file for HPC and batch
// systems.
//
// Input: the command line, the environment, the working directory and the
// standard streams, read here and passed down. Output: what the subcommands
// print and their exit codes (package ui). A subcommand parses its flags into a
// request, makes one call, and prints; decisions belong to the packages.
//
// The Go runtime does not look at its cgroup's processor limit: that would cost
// a tenth of the start-up time, and a program that serves files while a payload
// computes gains nothing from it.
package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/cmd/sealift/actions"
	"github.com/sealift/sealift/cmd/sealift/builds"
	"github.com/sealift/sealift/cmd/sealift/caches"
	"github.com/sealift/sealift/cmd/sealift/doctors"
	"github.com/sealift/sealift/cmd/sealift/endpoints"
	"github.com/sealift/sealift/cmd/sealift/images"
	"github.com/sealift/sealift/cmd/sealift/keys"
	"github.com/sealift/sealift/cmd/sealift/manual"
	"github.com/sealift/sealift/cmd/sealift/overlays"
	"github.com/sealift/sealift/cmd/sealift/policies"
	"github.com/sealift/sealift/cmd/sealift/pulls"
	"github.com/sealift/sealift/cmd/sealift/pushes"
	"github.com/sealift/sealift/cmd/sealift/registries"
	"github.com/sealift/sealift/cmd/sealift/sifs"
	"github.com/sealift/sealift/cmd/sealift/trusts"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/host"
)

func main() {
	cwd, err := os.Getwd()
	if err != nil {
		cwd = "" // deleted or closed to the caller; not every command needs it
	}
	executable, err := os.Executable()
	if err != nil {
		executable = os.Args[0]
	}
	p := &ui.Process{
		Terminal: ui.Terminal{Out: os.Stdout, Err: os.Stderr},
		Args:     os.Args[1:], Name: filepath.Base(os.Args[0]), Environ: environment(),
		Cwd: cwd, Executable: executable,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
	code := run(p)
	ui.Exit(code, p.Interrupted)
}

// environment returns the variables, with HOME in any case: workflow systems start
// programs with none but PATH, and the user's rules and logins count then too.
func environment() []string {
	environ := os.Environ()
	if os.Getenv("HOME") == "" {
		environ = append([]string{"HOME=" + host.Home(os.Getuid())}, environ...)
	}
	return environ
}

// launcher is the name in the first line of a SIF, "#!/usr/bin/env NAME": the
// program that the kernel starts for an image that is executed.
const launcher = "run-singularity"

// run executes the command line and returns the exit code.
func run(p *ui.Process) int {
	if p.Name == launcher {
		p.Name, p.Args = "sealift", append([]string{"run"}, p.Args...)
	}
	root := command(p)
	root.SetArgs(p.Args)
	for _, flags := range []*pflag.FlagSet{root.PersistentFlags(), root.Flags()} {
		if err := p.FromEnvironment(flags); err != nil {
			return p.Fail(err)
		}
	}
	if err := root.Execute(); err != nil {
		return p.Fail(err)
	}
	return 0
}

func command(p *ui.Process) *cobra.Command {
	root := &cobra.Command{
		Use:     p.Name,
		Short:   "Containers in one file for HPC and batch computing",
		Version: version(p),
		Long: `Sealift builds SIF images from OCI images and definition files as an ordinary
user, and runs them without set-user-ID programs. Commands, flags, definition
files and images are Apptainer's.

A container's exit status is its payload's, or 128+n when signal n ended it;
125 is a failure of Sealift itself, 126 a command that cannot be executed, 127
one that was not found.`,
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true, SilenceErrors: true,
		TraverseChildren:  true, // -s means another thing after the name of a command
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              ui.KnownCommand,
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	flags(p, root)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return ui.UsageError(c, err) })
	root.SetUsageFunc(func(c *cobra.Command) error { return p.Print(manual.Usage(c)) })
	root.SetHelpFunc(func(c *cobra.Command, _ []string) {
		if err := p.Print(manual.Help(c)); err != nil {
			p.Fail(ui.Gone(err))
		}
	})
	for _, g := range commands(p) {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.title
			root.AddCommand(c)
		}
		root.SetHelpCommandGroupID(g.title) // the last one's
	}
	root.AddCommand(policies.Topic())
	return root
}

// flags adds the flags that are before the name of a command. Those of the peers have
// the peers' letters; -v is none of --version.
func flags(p *ui.Process, root *cobra.Command) {
	root.PersistentFlags().BoolVarP(&p.Quiet, "quiet", "q", false, "print errors and warnings only")
	ui.Bind(root.PersistentFlags(), "quiet", "QUIET")
	for _, f := range []struct {
		to                      *bool
		name, short, key, usage string
	}{
		{&p.Silent, "silent", "s", "SILENT", "print errors only"},
		{&p.Verbose, "verbose", "v", "VERBOSE", "tell more: which image is used, and which variables set flags"},
		{&p.Debug, "debug", "d", "DEBUG", "tell also what a container's start consists of, as --dry-run does"},
		{&p.NoColor, "nocolor", "", "NOCOLOR", "no colors, and no progress that moves, as NO_COLOR says"},
	} {
		root.Flags().BoolVarP(f.to, f.name, f.short, false, f.usage)
		ui.Bind(root.Flags(), f.name, f.key)
	}
	root.Flags().Bool("version", false, "print the version")
}

// group is commands that help shows together.
type group struct {
	title    string
	commands []*cobra.Command
}

// commands are all commands, in the order of help.
func commands(p *ui.Process) []group {
	return []group{
		{"Containers", actions.Commands(p)},
		{"Images", []*cobra.Command{
			builds.Command(p), images.Command(p), images.InspectCommand(p), images.RunHelpCommand(p), overlays.Command(p), sifs.Command(p),
		}},
		{"Registries and libraries", append(pushes.Commands(p), pulls.Command(p), registries.Command(p), endpoints.Command(p))},
		{"Signatures", append(trusts.Commands(p), keys.Command(p), endpoints.KeyserverCommand(p))},
		{"Sealift itself", slices.Concat([]*cobra.Command{caches.Command(p), doctors.Command(p), versionCommand(p)}, manual.Commands(p))},
	}
}

func versionCommand(p *ui.Process) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, number, _ := strings.Cut(version(p), " version ")
			return p.Print(number + "\n")
		},
	}
}

// version is what --version prints. Under Apptainer's names it is in Apptainer's
// words, which say singularity nowhere: workflow systems read them, and refuse
// releases that they take for too old.
func version(p *ui.Process) string {
	if p.Name == "apptainer" || p.Name == "singularity" {
		return "apptainer version " + buildcfg.Apptainer + "+sealift"
	}
	return "sealift version " + buildcfg.Version
}
