package images

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/metadata"
)

// aspects are the parts of an image's metadata that flags ask for.
type aspects struct {
	labels, deffile, runscript, startscript, test, environment, help, all, json bool
}

// InspectCommand returns inspect.
func InspectCommand(p *ui.Process) *cobra.Command {
	var a aspects
	c := &cobra.Command{
		Use: "inspect [flags] IMAGE", Short: "Print an image's labels, scripts and definition",
		Long: `Print an image's labels (the default), definition file, scripts, environment
and help, as text or as JSON in Apptainer's shape.`,
		Args: cobra.MatchAll(ui.AtLeast(1), ui.AtMost(1)),
		RunE: func(_ *cobra.Command, args []string) error { return inspect(p, args[0], a) },
	}
	flags := c.Flags()
	flags.BoolVarP(&a.labels, "labels", "l", false, "labels (the default)")
	flags.BoolVarP(&a.deffile, "deffile", "d", false, "definition file")
	flags.BoolVarP(&a.runscript, "runscript", "r", false, "runscript")
	flags.BoolVarP(&a.startscript, "startscript", "s", false, "startscript")
	flags.BoolVarP(&a.test, "test", "t", false, "test script")
	flags.BoolVarP(&a.environment, "environment", "e", false, "environment scripts")
	flags.BoolVarP(&a.help, "helpfile", "H", false, "help")
	flags.BoolVar(&a.all, "all", false, "everything, as JSON")
	flags.BoolVarP(&a.json, "json", "j", false, "as JSON")
	return c
}

func inspect(p *ui.Process, path string, a aspects) error {
	img, err := Open(path, image.Options{})
	if err != nil {
		return err
	}
	defer img.Close()
	m, err := metadata.Read(img.FS())
	if err != nil {
		return fmt.Errorf("inspect %s: %w", path, err)
	}
	kept := a.pick(m.Data.Attributes)
	if a.json || a.all {
		m.Data.Attributes = kept
		text, err := json.MarshalIndent(m, "", "\t")
		if err != nil {
			return err
		}
		return p.Print(string(text) + "\n")
	}
	return p.Print(ui.Clean(text(kept)))
}

// pick returns the attributes that were asked for.
func (a aspects) pick(from metadata.Attributes) metadata.Attributes {
	none := !(a.labels || a.deffile || a.runscript || a.startscript || a.test || a.environment || a.help)
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
