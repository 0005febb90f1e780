package wrappers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/runtime/wrapper"
)

// ownFlags are create's, not exec's.
var ownFlags = []string{"dir", "help"}

// createCommand returns create, with the flags of exec.
func createCommand(p *ui.Process, exec *cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: "create [flags] IMAGE COMMAND...", Short: "Make scripts for programs of an image",
		Long: `Make a script for each COMMAND, a program of IMAGE: a name, which is looked for
in the container, or a path in it, whose last part is the script's name. The
script executes 'sealift exec' with the flags given here, the image by its
absolute path, the command, and its own arguments. Paths in flags stay as they
are: relative ones are looked for where the script is called.

All scripts are made, or none. What wrapper create made itself is overwritten; a
file that it did not make, or that was changed since, is left and refused.`,
		Example: `  sealift wrapper create --dir ~/bin py.sif python3 pip
  sealift wrapper create --dir /apps/samtools/1.21/bin --bind /data samtools.sif samtools bgzip
  sealift wrapper create --nv torch.sif /opt/conda/bin/torchrun`,
		DisableFlagParsing: true, // its flags are kept as they are given
	}
	flags := c.Flags()
	dir := flags.String("dir", ".", "the `directory` to make the scripts in, which exists")
	exec.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "dry-run" {
			flags.AddFlag(f)
		}
	})
	flags.SetInterspersed(false)
	c.RunE = func(c *cobra.Command, args []string) error {
		kept, err := parse(c, args)
		if err != nil {
			return ui.UsageError(c, err)
		}
		if help, _ := flags.GetBool("help"); help { // which cobra defines
			return c.Help()
		}
		if err := p.CheckRefused(flags); err != nil {
			return err
		}
		operands := flags.Args()
		if err := ui.AtLeast(2)(c, operands); err != nil {
			return err
		}
		return create(p, *dir, kept, operands[0], operands[1:])
	}
	return c
}

// parse sets the flags, and returns those of exec as the command line has them.
func parse(c *cobra.Command, args []string) (kept []string, err error) {
	flags := c.Flags()
	flags.AddFlagSet(c.InheritedFlags())
	err = flags.ParseAll(args, func(f *pflag.Flag, value string) error {
		if err := flags.Set(f.Name, value); err != nil {
			return err
		}
		if !slices.Contains(ownFlags, f.Name) && c.InheritedFlags().Lookup(f.Name) == nil {
			kept = append(kept, "--"+f.Name+"="+value)
		}
		return nil
	})
	return kept, err
}

// create makes the scripts.
func create(p *ui.Process, dir string, flags []string, image string, commands []string) (err error) {
	image = located(p, image)
	if filepath.IsAbs(image) {
		if _, err := os.Stat(image); err != nil {
			return hint.Wrap(err, "name an image that is there, as its scripts will look for it at this place")
		}
	}
	scripts := map[string][]byte{}
	for _, command := range commands {
		name := path.Base(command)
		if err := plainName(name); err != nil || strings.HasSuffix(command, "/") {
			return hint.New(fmt.Sprintf("%q is not the name of a program", command), "name programs of the image, such as python3 or /opt/tool/bin/tool")
		}
		if scripts[name] != nil {
			return hint.New(fmt.Sprintf("two commands would have the script %s", name), "make them in two directories")
		}
		w := wrapper.Wrapper{Program: program(p.Executable), Flags: flags, Image: image, Command: command}
		if scripts[name], err = w.Script(); err != nil {
			return err
		}
	}
	return write(dir, scripts)
}

// located returns the name of an image for whoever is in another directory.
func located(p *ui.Process, image string) string {
	if scheme, _, named := strings.Cut(image, ":"); named && !strings.Contains(scheme, "/") {
		if _, err := os.Stat(image); err != nil {
			return image // one of elsewhere
		}
	}
	if filepath.IsAbs(image) {
		return filepath.Clean(image)
	}
	return filepath.Join(p.Cwd, image)
}

// program returns the path of sealift, by that of the running program.
func program(executable string) string {
	dir := filepath.Dir(executable)
	for _, path := range []string{filepath.Join(dir, "sealift"), filepath.Join(dir, "../../bin/sealift")} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return executable
}

// write makes the files in dir. If one cannot be made, those that were not there before
// are removed again.
func write(dir string, scripts map[string][]byte) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return hint.Wrap(err, "make the directory first: mkdir -p %s", dir)
	}
	defer d.Close()
	var files []*output.File
	var names, made []string
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.Abort()) // no effect on those that are there
		}
		if err != nil {
			for _, name := range made {
				err = errors.Join(err, output.RemoveIn(d, name))
			}
		}
	}()
	for name, text := range scripts {
		path := filepath.Join(dir, name)
		old := ours(path)
		if old != nil && !errors.Is(old, fs.ErrNotExist) {
			return old
		}
		f, err := output.Create(path, output.Options{Force: old == nil, Mode: 0o777})
		if err != nil {
			return err
		}
		files, names = append(files, f), append(names, name)
		if _, err := f.File().Write(text); err != nil {
			return err
		}
	}
	for i, f := range files {
		_, there := os.Lstat(filepath.Join(dir, names[i]))
		if err := f.Commit(); err != nil {
			return err
		}
		if there != nil {
			made = append(made, names[i])
		}
	}
	return nil
}
