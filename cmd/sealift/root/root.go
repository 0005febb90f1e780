// Package root is what the programs of the command line have in common: the process's own
// inputs, which are read here and nowhere else, and the command above all others.
//
// Input: the command line, the environment, the working directory and the standard
// streams. Output: a process, and a command without subcommands.
package root

import (
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/host"
)

// launcher is the name in the first line of a SIF, "#!/usr/bin/env NAME": the
// program that the kernel starts for an image that is executed.
const launcher = "run-singularity"

// Process reads what only a program's main may read. Its error is a call by a name of
// the program's that is not to be called so.
func Process() (*ui.Process, error) {
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
	var atDeath int32
	if unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&atDeath)), 0, 0, 0) == nil {
		p.AtDeath = int(atDeath)
	}
	if Verb(p.Args) != buildcfg.ExplainName { // it runs in a container, whose files are not the site's
		p.Site, p.SiteError = site(filepath.Join(buildcfg.SysconfDir, siteFile), 0)
	}
	return p, launched(p)
}

// launched has an image that is executed be run, and a task of Slurm's.
func launched(p *ui.Process) error {
	switch p.Name {
	case launcher:
		p.Name, p.Args = "sealift", append([]string{"run"}, p.Args...)
	case buildcfg.TaskName:
		return task(p)
	}
	return nil
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

// Command returns the command above all others, with the flags before their names.
func Command(p *ui.Process) *cobra.Command {
	root := &cobra.Command{
		Use:     p.Name,
		Short:   "Containers in one file for HPC and batch computing",
		Version: Version(p),
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
	return root
}

// Execute does what the arguments say.
func Execute(p *ui.Process, root *cobra.Command) error {
	if p.SiteError != nil {
		return p.SiteError
	}
	root.SetArgs(p.Args)
	for _, flags := range []*pflag.FlagSet{root.PersistentFlags(), root.Flags()} {
		if err := p.FromEnvironment(flags); err != nil {
			return err
		}
	}
	return root.Execute()
}

// Verb returns the name of the command that args are for: none of the flags before it
// has a value of its own.
func Verb(args []string) string {
	for _, arg := range args {
		if !strings.HasPrefix(arg, "-") {
			return arg
		}
	}
	return ""
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

// Version is what --version prints. Under Apptainer's names it is in Apptainer's
// words, which say singularity nowhere: workflow systems read them, and refuse
// releases that they take for too old.
func Version(p *ui.Process) string {
	if p.Name == "apptainer" || p.Name == "singularity" {
		return "apptainer version " + buildcfg.Apptainer + "+sealift"
	}
	return "sealift version " + buildcfg.Version
}
