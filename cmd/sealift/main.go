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
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/cmd/sealift/actions"
	"github.com/sealift/sealift/cmd/sealift/builds"
	"github.com/sealift/sealift/cmd/sealift/caches"
	"github.com/sealift/sealift/cmd/sealift/endpoints"
	"github.com/sealift/sealift/cmd/sealift/images"
	"github.com/sealift/sealift/cmd/sealift/keys"
	"github.com/sealift/sealift/cmd/sealift/policies"
	"github.com/sealift/sealift/cmd/sealift/pulls"
	"github.com/sealift/sealift/cmd/sealift/pushes"
	"github.com/sealift/sealift/cmd/sealift/registries"
	"github.com/sealift/sealift/cmd/sealift/sifs"
	"github.com/sealift/sealift/cmd/sealift/trusts"
	"github.com/sealift/sealift/cmd/sealift/ui"
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
		Args:     os.Args[1:], Name: filepath.Base(os.Args[0]), Environ: os.Environ(),
		Cwd: cwd, Executable: executable,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
	code := run(p)
	ui.Exit(code, p.Interrupted)
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
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args:              ui.KnownCommand,
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	root.PersistentFlags().BoolVarP(&p.Quiet, "quiet", "q", false, "print errors and warnings only")
	root.Flags().BoolVarP(&p.Silent, "silent", "s", false, "print errors only")
	root.Flags().Bool("version", false, "print the version") // without -v, which the peers use for --verbose
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return ui.UsageError(c, err) })
	root.AddCommand(actions.Commands(p)...)
	root.AddCommand(pushes.Commands(p)...)
	root.AddCommand(trusts.Commands(p)...)
	root.AddCommand(
		builds.Command(p), pulls.Command(p), registries.Command(p), endpoints.Command(p), keys.Command(p), endpoints.KeyserverCommand(p),
		caches.Command(p), images.Command(p), images.InspectCommand(p), images.RunHelpCommand(p), sifs.Command(p),
		versionCommand(p), policies.Topic(),
	)
	return root
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

// version is what --version prints. Called by another program's name, it is in
// that program's words, with the release whose interface this one has: callers
// refuse releases that they take for too old.
func version(p *ui.Process) string {
	switch p.Name {
	case "apptainer":
		return "apptainer version 1.4.0+sealift." + buildcfg.Version
	case "singularity":
		return "singularity-ce version 4.3.0+sealift." + buildcfg.Version
	}
	return "sealift version " + buildcfg.Version
}
