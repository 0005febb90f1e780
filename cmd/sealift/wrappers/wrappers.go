// Package wrappers is the command wrapper: scripts in a directory that stand for programs
// of an image.
//
// Input: flags of exec, an image and commands, or a directory. Output: executable scripts,
// all or none; a list of them; their removal. What a script is like is runtime/wrapper's
// matter.
package wrappers

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/runtime/wrapper"
)

// Command returns wrapper. exec returns the command exec, whose flags create takes.
func Command(p *ui.Process, exec func() *cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: "wrapper", Short: "Make scripts that stand for programs of an image",
		Long: `Make scripts that stand for programs of an image, such as for a directory that
a module puts into PATH: who calls one runs the program in a container, without
knowing of it. They are files, so srun, find and make can start them, which they
cannot with functions of a shell.`,
		Args: ui.KnownCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(createCommand(p, exec()), listCommand(p), removeCommand(p))
	return c
}

// found is a script in a directory.
type found struct {
	Name string `json:"name"`
	wrapper.Wrapper
}

// largest is more than any script has: the kernel takes no longer command lines.
const largest = 4 << 20

// read returns what the script at path runs; wrapper.ErrForeign where it is none.
func read(path string) (wrapper.Wrapper, error) {
	info, err := os.Lstat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > largest) {
		err = wrapper.ErrForeign
	}
	if err != nil {
		return wrapper.Wrapper{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return wrapper.Wrapper{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, largest))
	if err != nil {
		return wrapper.Wrapper{}, err
	}
	return wrapper.Parse(text)
}

// list returns the scripts in dir, by name. Other files are passed over.
func list(dir string) (all []found, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if w, err := read(filepath.Join(dir, e.Name())); err == nil {
			all = append(all, found{e.Name(), w})
		}
	}
	return all, err
}

func listCommand(p *ui.Process) *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use: "list [flags]", Short: "List the scripts in a directory",
		Long: `List the scripts that wrapper create made in a directory, with what they run.
With --json there is a list of objects with the fields name, sealift (the
program), flags, image and command.`,
		Example: "  sealift wrapper list --dir ~/bin", Args: ui.AtMost(0),
		RunE: func(*cobra.Command, []string) error {
			all, err := list(dir)
			if err != nil {
				return err
			}
			if asJSON {
				return p.PrintJSON(append([]found{}, all...))
			}
			var b strings.Builder
			w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tIMAGE\tCOMMAND\tFLAGS")
			for _, x := range all {
				flags := strings.Join(x.Flags, " ")
				if flags == "" {
					flags = "-"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", word(x.Name), word(x.Image), word(x.Command), word(flags))
			}
			w.Flush() // into memory
			return ui.Gone(p.Print(b.String()))
		},
	}
	c.Flags().StringVar(&dir, "dir", ".", "the `directory`")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// word keeps what is in a name from breaking a line.
func word(s string) string {
	if ui.Clean(s) != s || strings.ContainsAny(s, "\n\t\r") {
		return fmt.Sprintf("%q", s)
	}
	return s
}

func removeCommand(p *ui.Process) *cobra.Command {
	var dir, image string
	c := &cobra.Command{
		Use: "remove [flags] [NAME...]", Short: "Remove scripts from a directory",
		Long: `Remove scripts that wrapper create made from a directory: those of these names,
or those of an image. Nothing is removed if one of the names is another file's.`,
		Example: "  sealift wrapper remove --dir ~/bin python3 pip\n  sealift wrapper remove --dir ~/bin --image py.sif",
		RunE: func(c *cobra.Command, names []string) error {
			if (image == "") == (len(names) == 0) {
				return ui.UsageError(c, errors.New("it takes names of scripts, or --image"))
			}
			if image != "" {
				all, err := list(dir)
				if err != nil {
					return err
				}
				for _, x := range all {
					if x.Image == located(p, image) {
						names = append(names, x.Name)
					}
				}
				if len(names) == 0 {
					return hint.New(fmt.Sprintf("no script in %s is for image %s", dir, image), "'sealift wrapper list --dir %s' shows those that are there", dir)
				}
			}
			return remove(dir, names)
		},
	}
	c.Flags().StringVar(&dir, "dir", ".", "the `directory`")
	c.Flags().StringVar(&image, "image", "", "remove all scripts of this `image`")
	return c
}

// remove removes scripts, unless one of them is none.
func remove(dir string, names []string) error {
	for _, name := range names {
		if err := plainName(name); err != nil {
			return err
		}
		if err := ours(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	for _, name := range names {
		if err := output.RemoveIn(d, name); err != nil {
			return err
		}
	}
	return nil
}

// ours refuses a file that wrapper create did not make.
func ours(path string) error {
	_, err := read(path)
	if errors.Is(err, wrapper.ErrForeign) {
		return hint.New(fmt.Sprintf("%s was %v, or was changed since", path, err), "leave it, or remove it yourself")
	}
	return err
}

// plainName refuses what is no name of a file.
func plainName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return hint.New(fmt.Sprintf("%q is not the name of a script", name), "name a file in --dir, without a directory")
	}
	return nil
}
