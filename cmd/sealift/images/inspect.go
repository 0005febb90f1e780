package images

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/cryptkeys"
	"github.com/sealift/sealift/cmd/sealift/paths"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/scif"
)

// aspects are the parts of an image's metadata that flags ask for; app names the
// application whose parts they are, empty for the image's own.
type aspects struct {
	labels, deffile, runscript, startscript, test, environment, help, listApps, all, json bool

	app string

	// sbom and provenance are objects of a SIF file, printed as they are.
	sbom, provenance bool

	space space
}

// InspectCommand returns inspect.
func InspectCommand(p *ui.Process) *cobra.Command {
	var a aspects
	var k cryptkeys.Flags
	c := &cobra.Command{
		Use: "inspect [flags] IMAGE", Short: "Print an image's labels, scripts and definition",
		Long: `Print an image's labels (the default), definition file, scripts, environment
and help, or those of one of its applications, as text or as JSON in Apptainer's
shape; or its SBOMs and its provenance, the JSON that is in it, which is worth
as much as the image's signature.

--size and --tree tell what takes space: the largest files, or directories.
Stored is what files take in the image, compressed; those that are alike are
stored once, and count where they are met first. --json prints an object with
size, stored and files, in bytes and numbers, and for --size largest, an array
of path, size and stored, for --tree path and directories, an array of the same.

` + cryptkeys.Help,
		Example: `  sealift inspect --runscript tools.sif
  sealift inspect --list-apps tools.sif
  sealift inspect --app solver --helpfile --labels tools.sif
  sealift inspect --tree --depth 2 tools.sif`,
		Args: cobra.MatchAll(ui.AtLeast(1), ui.AtMost(1)),
		RunE: func(c *cobra.Command, args []string) error {
			o := image.Options{Key: k.Keys(c.Context(), p, false).Key}
			if a.space.size || a.space.tree {
				return printSpace(c.Context(), p, args[0], a.space, a.json, o)
			}
			return inspect(p, args[0], a, o)
		},
	}
	flags := c.Flags()
	k.Add(flags)
	flags.BoolVarP(&a.labels, "labels", "l", false, "labels (the default)")
	flags.BoolVarP(&a.deffile, "deffile", "d", false, "definition file")
	flags.BoolVarP(&a.runscript, "runscript", "r", false, "runscript")
	flags.BoolVarP(&a.startscript, "startscript", "s", false, "startscript")
	flags.BoolVarP(&a.test, "test", "t", false, "test script")
	flags.BoolVarP(&a.environment, "environment", "e", false, "environment scripts")
	flags.BoolVarP(&a.help, "helpfile", "H", false, "help")
	flags.BoolVar(&a.sbom, "sbom", false, "software bills of materials that are recorded in the image, and nothing else")
	flags.BoolVar(&a.provenance, "provenance", false, "what is recorded of how the image was made, and nothing else")
	flags.BoolVar(&a.space.size, "size", false, "the largest files, and nothing else")
	flags.BoolVar(&a.space.tree, "tree", false, "sizes of directories, and nothing else")
	flags.IntVar(&a.space.depth, "depth", 3, "how many directories deep --tree goes")
	flags.BoolVar(&a.listApps, "list-apps", false, "names of the applications; all about them as JSON")
	flags.StringVar(&a.app, "app", "", "what is asked for of the application `NAME`")
	flags.BoolVar(&a.all, "all", false, "everything, as JSON; --app has no effect")
	flags.BoolVarP(&a.json, "json", "j", false, "as JSON")
	return c
}

// RunHelpCommand returns run-help.
func RunHelpCommand(p *ui.Process) *cobra.Command {
	var app string
	var k cryptkeys.Flags
	c := &cobra.Command{
		Use: "run-help [flags] IMAGE", Short: "Print an image's help",
		Long: "Print what the %help section of an image's definition says, or %apphelp of an\napplication.",
		Args: cobra.MatchAll(ui.AtLeast(1), ui.AtMost(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return runHelp(p, args[0], app, image.Options{Key: k.Keys(c.Context(), p, false).Key})
		},
	}
	k.Add(c.Flags())
	c.Flags().StringVar(&app, "app", "", "help of the application `NAME`")
	return c
}

func runHelp(p *ui.Process, path, app string, o image.Options) error {
	m, err := read(path, aspects{help: true, app: app}, o)
	switch {
	case err != nil:
		return err
	case m.Helpfile != "":
		return p.Print(ui.Clean(text(m)))
	case app != "":
		p.Info("the application %s has no help", app)
	default:
		p.Info("the image has no help")
	}
	return nil
}

func inspect(p *ui.Process, path string, a aspects, o image.Options) error {
	if a.sbom || a.provenance {
		return printAttached(p, path, a.sbom, a.provenance)
	}
	if a.all {
		a.app, a.json = "", true
	}
	found, err := read(path, a, o)
	if err != nil {
		return err
	}
	if !a.json {
		return p.Print(ui.Clean(text(found)))
	}
	if a.app != "" {
		found = nested(found, a.app)
	}
	text, err := ui.JSON(metadata.New(found), "\t")
	if err != nil {
		return err
	}
	return p.Print(text)
}

// read returns what a asks for of the image at path.
func read(path string, a aspects, o image.Options) (metadata.Attributes, error) {
	img, err := paths.Open(path, o)
	if err != nil {
		return metadata.Attributes{}, err
	}
	defer img.Close()
	found, err := a.of(img.FS())
	if err != nil {
		return found, fmt.Errorf("inspect %s: %w", path, err)
	}
	return found, nil
}

// of returns what a asks for of an image's files.
func (a aspects) of(files image.FS) (out metadata.Attributes, err error) {
	if a.app != "" {
		out, err = scif.InspectApp(files, a.app)
	} else {
		var m metadata.Metadata
		m, err = metadata.Read(files)
		out = m.Data.Attributes
	}
	if err != nil {
		return out, err
	}
	out = a.pick(out)
	if a.listApps || a.all {
		out.Apps, err = a.apps(files)
	}
	return out, err
}

// apps returns the applications: for JSON all about them, else their names.
func (a aspects) apps(files image.FS) (map[string]metadata.AppAttributes, error) {
	if a.json {
		return scif.Inspect(files)
	}
	names, err := scif.List(files)
	apps := map[string]metadata.AppAttributes{}
	for _, name := range names {
		apps[name] = metadata.AppAttributes{}
	}
	return apps, err
}

// nested returns the attributes of an application as JSON shows them: among
// the applications, but for those that the peers' shape has no place for there.
func nested(of metadata.Attributes, app string) metadata.Attributes {
	out := metadata.Attributes{Apps: of.Apps, Deffile: of.Deffile, Startscript: of.Startscript}
	if out.Apps == nil {
		out.Apps = map[string]metadata.AppAttributes{app: of.AppAttributes}
	}
	return out
}

// pick returns the attributes that were asked for.
func (a aspects) pick(from metadata.Attributes) metadata.Attributes {
	none := !(a.labels || a.deffile || a.runscript || a.startscript || a.test || a.environment || a.help || a.listApps)
	var out metadata.Attributes
	if a.labels || none || a.all {
		out.Labels = from.Labels
	}
	if a.environment || a.all {
		out.Environment = from.Environment
	}
	for _, x := range []struct {
		wanted bool
		to     *string
		value  string
	}{
		{a.deffile, &out.Deffile, from.Deffile}, {a.runscript, &out.Runscript, from.Runscript},
		{a.startscript, &out.Startscript, from.Startscript}, {a.test, &out.Test, from.Test}, {a.help, &out.Helpfile, from.Helpfile},
	} {
		if x.wanted || a.all {
			*x.to = x.value
		}
	}
	return out
}

// text renders attributes for a terminal, in the peers' order.
func text(a metadata.Attributes) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(a.Apps)) {
		b.WriteString(name + "\n")
	}
	for _, s := range []string{a.Helpfile, a.Deffile, a.Runscript, a.Startscript, a.Test} {
		if s != "" {
			b.WriteString(strings.TrimSuffix(s, "\n") + "\n")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Environment)) {
		fmt.Fprintf(&b, "=== %s ===\n%s\n\n", name, strings.TrimSuffix(a.Environment[name], "\n"))
	}
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		fmt.Fprintf(&b, "%s: %s\n", name, a.Labels[name])
	}
	return b.String()
}
