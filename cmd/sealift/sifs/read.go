package sifs

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/sif"
)

func listCommand(p *ui.Process) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list [--json] IMAGE", Short: "List the objects of an image", Args: operands(1),
		Long: `List the objects of an image: their ids, groups, what they are linked to, where
their bytes are, and their types. A link that ends with (G) is to a group.`,
		RunE: func(_ *cobra.Command, args []string) error {
			return withImage(args[0], func(img *sif.Image) error {
				if !asJSON {
					return p.Print(ui.Clean(list(img)))
				}
				objects := []object{}
				for _, o := range img.Objects() {
					objects = append(objects, describe(o))
				}
				return p.PrintJSON(objects)
			})
		},
	}
	c.Flags().BoolVarP(&asJSON, "json", "j", false, "as JSON: an array of objects as info prints them")
	return c
}

func headerCommand(p *ui.Process) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "header [--json] IMAGE", Short: "Print the header of an image", Args: operands(1),
		Long: `Print the header of an image. No signature covers the architecture, the times
and what follows them; the architecture that counts is that of the primary
partition, which list shows.`,
		RunE: func(_ *cobra.Command, args []string) error {
			return withImage(args[0], func(img *sif.Image) error {
				if asJSON {
					return p.PrintJSON(headerOf(img.Header()))
				}
				return p.Print(ui.Clean(headerText(img.Header())))
			})
		},
	}
	c.Flags().BoolVarP(&asJSON, "json", "j", false, "as JSON")
	return c
}

func infoCommand(p *ui.Process) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "info [--json] ID IMAGE", Short: "Print what an image says of an object", Args: operands(2),
		RunE: func(_ *cobra.Command, args []string) error {
			return withObject(args, func(_ *sif.Image, o sif.Object) error {
				if asJSON {
					return p.PrintJSON(describe(o))
				}
				return p.Print(ui.Clean(info(o)))
			})
		},
	}
	c.Flags().BoolVarP(&asJSON, "json", "j", false, "as JSON")
	return c
}

func dumpCommand(p *ui.Process) *cobra.Command {
	return &cobra.Command{
		Use: "dump ID IMAGE", Short: "Print the bytes of an object", Args: operands(2),
		Long:    "Print the bytes of an object as they are. On a terminal, only text is printed.",
		Example: "  sealift sif dump 4 image.sif > partition.sqfs",
		RunE: func(_ *cobra.Command, args []string) error {
			return withObject(args, func(img *sif.Image, o sif.Object) error {
				if p.OnTerminal() {
					return showText(p, img, o)
				}
				return p.Buffered(func(w io.Writer) error {
					_, err := io.CopyN(w, img.Section(o), o.Size)
					return err
				})
			})
		},
	}
}

// maxShown bounds what a terminal is shown of an object in bytes.
const maxShown = 1 << 20

// showText shows an object to a terminal, which is not to be driven by it.
func showText(p *ui.Process, img *sif.Image, o sif.Object) error {
	binary := hint.New(fmt.Sprintf("%v is not text for a terminal", o), "redirect it: > FILE")
	if o.Size > maxShown {
		return binary
	}
	b, err := img.Read(o, maxShown)
	if err != nil {
		return err
	}
	if strings.ContainsRune(string(b), 0) {
		return binary
	}
	return p.Print(ui.Clean(string(b)))
}

// withObject calls f with an object; args are its id, and the image.
func withObject(args []string, f func(*sif.Image, sif.Object) error) error {
	id, err := parseID(args[0])
	if err != nil {
		return err
	}
	return withImage(args[1], func(img *sif.Image) error {
		o, err := img.Lookup(id)
		if err != nil {
			return err
		}
		return f(img, o)
	})
}

// list is the table of the peers' tool.
func list(img *sif.Image) string {
	line := strings.Repeat("-", 78) + "\n"
	var b strings.Builder
	fmt.Fprintf(&b, "%s%-4s %-8s %-8s %-26s %s\n%s", line, "ID", "|GROUP", "|LINK", "|SIF POSITION (start-end)", "|TYPE", line)
	for _, o := range img.Objects() {
		link := orNone(o.Link)
		if o.LinksGroup {
			link = fmt.Sprintf("%-3d (G)", o.Link)
		}
		kind := o.Type.String()
		if values := values(o); len(values) > 0 {
			kind += " (" + strings.Join(values, "/") + ")"
		}
		fmt.Fprintf(&b, "%-4d |%-7s |%-7s |%-25s |%s\n", o.ID, orNone(o.Group), link, fmt.Sprintf("%d-%d", o.Offset, o.Offset+o.Size), kind)
	}
	return b.String()
}

// values are the details of an object that the list shows.
func values(o sif.Object) (values []string) {
	for _, d := range o.Details() {
		if d.Name != "Entity" && d.Name != "Digest" {
			values = append(values, oneLine(d.Value))
		}
	}
	return values
}

func orNone(id uint32) string {
	if id == 0 {
		return "NONE"
	}
	return fmt.Sprint(id)
}

// oneLine makes untrusted text one that cannot look like more lines.
func oneLine(text string) string { return strings.NewReplacer("\n", "\uFFFD", "\t", " ").Replace(text) }

// info is what the peers' tool says of an object.
func info(o sif.Object) string {
	link := orNone(o.Link)
	if o.LinksGroup {
		link = fmt.Sprint(o.Link, " (G)")
	}
	lines := []sif.Detail{
		{Name: "Data Type", Value: o.Type.String()}, {Name: "ID", Value: fmt.Sprint(o.ID)}, {Name: "Group ID", Value: orNone(o.Group)},
		{Name: "Linked ID", Value: link}, {Name: "Offset", Value: fmt.Sprint(o.Offset)}, {Name: "Size", Value: fmt.Sprint(o.Size)},
	}
	lines = append(lines, times(o.Created, o.Modified)...)
	if o.Name != "" {
		lines = append(lines, sif.Detail{Name: "Name", Value: o.Name})
	}
	return table("\t", 2, append(lines, o.Details()...))
}

// headerText is what the peers' tool says of a header.
func headerText(h sif.Header) string {
	var lines []sif.Detail
	if h.Launch != "" {
		lines = append(lines, sif.Detail{Name: "Launch Script", Value: strings.TrimSuffix(h.Launch, "\n")})
	}
	lines = append(lines, sif.Detail{Name: "Version", Value: h.Version})
	if h.Arch != "" {
		lines = append(lines, sif.Detail{Name: "Primary Architecture", Value: h.Arch})
	}
	if h.ID != noID {
		lines = append(lines, sif.Detail{Name: "ID", Value: h.ID})
	}
	lines = append(append(lines, times(h.Created, h.Modified)...),
		sif.Detail{Name: "Descriptors Free", Value: fmt.Sprint(h.Free)}, sif.Detail{Name: "Descriptors Total", Value: fmt.Sprint(h.Total)},
		sif.Detail{Name: "Descriptors Offset", Value: fmt.Sprint(h.TableOffset)}, sif.Detail{Name: "Descriptors Size", Value: readable(h.TableSize)},
		sif.Detail{Name: "Data Offset", Value: fmt.Sprint(h.DataOffset)}, sif.Detail{Name: "Data Size", Value: readable(h.DataSize)})
	return table("", 1, lines)
}

// noID is the UUID of an image that has none.
const noID = "00000000-0000-0000-0000-000000000000"

// table aligns names and values.
func table(indent string, padding int, lines []sif.Detail) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, padding, ' ', 0)
	for _, l := range lines {
		fmt.Fprintf(w, "%s%s:\t%s\n", indent, l.Name, oneLine(l.Value))
	}
	_ = w.Flush() // to memory
	return b.String()
}

// times are those that are known.
func times(created, modified int64) (lines []sif.Detail) {
	if t := time.Unix(created, 0); !t.IsZero() {
		lines = append(lines, sif.Detail{Name: "Created At", Value: t.UTC().String()})
	}
	if t := time.Unix(modified, 0); !t.IsZero() {
		lines = append(lines, sif.Detail{Name: "Modified At", Value: t.UTC().String()})
	}
	return lines
}

// readable is a size in the words of the peers' tool.
func readable(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	unit, v := 0, float64(n)/1024
	for ; v >= 1024; v /= 1024 {
		unit++
	}
	return fmt.Sprintf("%.0f %ciB", v, "KMGTPE"[unit])
}
