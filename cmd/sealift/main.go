//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command sealift builds and runs containers in one file for HPC and batch
// systems.
//
// Input: the command line, the environment, the working directory and the
// standard streams, read here and passed down. Output: what the subcommands
// print and their exit codes (tui.go). A subcommand parses its flags into a
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
)

// process is what only a program's main may read.
type process struct {
	tui
	args                  []string // without the program's name
	name                  string   // under which the program was called
	environ               []string
	cwd                   string // empty when there is none
	executable            string // path of this program
	stdin, stdout, stderr *os.File
	interrupted           bool // SIGINT came, and ended the payload
}

func main() {
	cwd, err := os.Getwd()
	if err != nil {
		cwd = "" // deleted or closed to the caller; not every command needs it
	}
	executable, err := os.Executable()
	if err != nil {
		executable = os.Args[0]
	}
	p := &process{
		tui:  tui{out: os.Stdout, err: os.Stderr},
		args: os.Args[1:], name: filepath.Base(os.Args[0]), environ: os.Environ(),
		cwd: cwd, executable: executable,
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
	}
	code := p.run()
	exit(code, p.interrupted)
}

// launcher is the name in the first line of a SIF, "#!/usr/bin/env NAME": the
// program that the kernel starts for an image that is executed.
const launcher = "run-singularity"

// run executes the command line and returns the exit code.
func (p *process) run() int {
	if p.name == launcher {
		p.name, p.args = "sealift", append([]string{"run"}, p.args...)
	}
	root := p.command()
	root.SetArgs(p.args)
	if err := root.Execute(); err != nil {
		return p.fail(err)
	}
	return 0
}

func (p *process) command() *cobra.Command {
	root := &cobra.Command{
		Use:     p.name,
		Short:   "Containers in one file for HPC and batch computing",
		Version: p.version(),
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
		Args:              knownCommand,
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.PersistentFlags().BoolVarP(&p.quiet, "quiet", "q", false, "print errors and warnings only")
	root.Flags().BoolVarP(&p.silent, "silent", "s", false, "print errors only")
	root.Flags().Bool("version", false, "print the version") // without -v, which the peers use for --verbose
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usageError(c, err) })
	root.AddCommand(p.actionCommands()...)
	root.AddCommand(p.buildCommand(), p.imageCommand(), p.inspectCommand(), p.versionCommand())
	return root
}

func (p *process) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, number, _ := strings.Cut(p.version(), " version ")
			return p.print(number + "\n")
		},
	}
}

// version is what --version prints. Called by another program's name, it is in
// that program's words, with the release whose interface this one has: callers
// refuse releases that they take for too old.
func (p *process) version() string {
	switch p.name {
	case "apptainer":
		return "apptainer version 1.4.0+sealift." + buildcfg.Version
	case "singularity":
		return "singularity-ce version 4.3.0+sealift." + buildcfg.Version
	}
	return "sealift version " + buildcfg.Version
}
