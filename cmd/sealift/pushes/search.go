package pushes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/library"
	"github.com/sealift/sealift/image/oci/registry"
)

// search is the command's request.
type search struct {
	flags
	query  library.Query
	asJSON bool
}

// found is an image or a repository, as JSON has it; what is said of it, libraries know.
type found struct {
	Reference    string   `json:"reference"`
	Description  string   `json:"description,omitempty"`
	Fingerprints []string `json:"fingerprints,omitempty"`
}

func searchCommand(p *ui.Process) *cobra.Command {
	var f search
	c := &cobra.Command{
		Use: "search [flags] QUERY", Short: "Find images in a container library or a registry",
		Long: `Find the images of a container library that fit QUERY, which is at least three
characters and may begin with library://.

QUERY may also be a place in a registry, docker://HOST or oras://HOST, and a
path: of a repository, the tags are listed, one image per line; else the
repositories whose names begin with the path. Not every registry lists them.`,
		Example: `  sealift search --arch arm64 alpine
  sealift search docker://registry.example.org/group/
  sealift search docker://debian`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			return f.run(c.Context(), p, args[0])
		},
	}
	flags := c.Flags()
	addArch(flags, &f.query.Arch, "", "SEARCH_ARCH")
	flags.BoolVar(&f.query.Signed, "signed", false, "of a library, signed images only")
	ui.Bind(flags, "signed", "SEARCH_SIGNED")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON: a list of objects reference, description, fingerprints")
	f.add(flags)
	return c
}

func (f *search) run(ctx context.Context, p *ui.Process, text string) error {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		scheme, rest = schemeLibrary, text
	}
	find := func(ctx context.Context, client *registry.Client) ([]found, error) {
		return f.inRegistry(ctx, client, scheme, rest)
	}
	show := lines
	switch scheme {
	case schemeLibrary:
		f.query.Text = rest
		find, show = func(ctx context.Context, client *registry.Client) ([]found, error) {
			return f.inLibrary(ctx, p, client)
		}, f.asApptainer
	case schemeDocker, schemeORAS:
	default:
		return hint.New(fmt.Sprintf("%s:// cannot be searched", scheme), "use docker://, oras:// or library://")
	}
	list := []found{}
	if err := ui.Interruptible(ctx, func(ctx context.Context) error {
		more, err := find(ctx, f.remotes.Client(p))
		list = append(list, more...)
		return err
	}); err != nil {
		return fmt.Errorf("search %s: %w", text, err)
	}
	if f.asJSON {
		return p.PrintJSON(list)
	}
	shown := show(list)
	if shown == "" {
		p.Info("%s: nothing found", text)
	}
	return p.Print(shown)
}

// lines has one for each.
func lines(list []found) string {
	var b strings.Builder
	for _, found := range list {
		b.WriteString(line(found.Reference) + "\n")
	}
	return b.String()
}

// inLibrary returns what a library finds.
func (f *search) inLibrary(ctx context.Context, p *ui.Process, client *registry.Client) (list []found, err error) {
	c, err := f.library.Libraries(p, client, f.remotes.Plain)(ctx, library.Reference{}, "")
	if err != nil {
		return nil, err
	}
	images, err := c.Search(ctx, f.query)
	for _, i := range images {
		list = append(list, found{i.Reference.String(), i.Description, i.Fingerprints})
	}
	return list, err
}

// asApptainer is what a library found, as Apptainer prints it.
func (f *search) asApptainer(list []found) string {
	if len(list) == 0 {
		return fmt.Sprintf("No container images found for %s matching %q.\n\n", f.query.Arch, f.query.Text)
	}
	items := make([]string, len(list))
	for i, found := range list {
		item := "\t" + line(found.Reference)
		if found.Description != "" {
			item += "\n\t\t" + line(found.Description)
		}
		if len(found.Fingerprints) > 0 {
			item += "\n\t\tSigned by: " + line(strings.Join(found.Fingerprints, ","))
		}
		items[i] = item
	}
	slices.Sort(items)
	return fmt.Sprintf("Found %d container images for %s matching %q:\n\n%s\n\n", len(list), f.query.Arch, f.query.Text, strings.Join(items, "\n\n"))
}

// line makes text of others safe to print, on one line.
func line(text string) string { return strings.Join(strings.Fields(ui.Clean(text)), " ") }

// inRegistry returns the images of a repository or, where it has none, the
// repositories whose names begin with a path.
func (f *search) inRegistry(ctx context.Context, client *registry.Client, scheme, text string) (images []found, err error) {
	host, prefix, _ := strings.Cut(text, "/")
	named := strings.ContainsAny(host, ".:") || host == "localhost" // else it is Docker Hub's
	whole := !named || prefix != "" && !strings.HasSuffix(prefix, "/")
	var noTags error
	if whole {
		ref, err := repositoryOf(text)
		if err != nil {
			return nil, err
		}
		var tags []string
		tags, noTags = client.Tags(ctx, ref)
		slices.Sort(tags)
		for _, tag := range tags {
			images = append(images, found{Reference: fmt.Sprintf("%s://%s/%s:%s", scheme, ref.Host, ref.Repository, tag)})
		}
		if len(tags) > 0 || !named {
			return images, noTags
		}
	}
	list, err := client.Catalog(ctx, host)
	if err != nil && whole {
		return nil, noTags // the name of a repository, as far as one can know
	}
	slices.Sort(list)
	for _, name := range list {
		if strings.HasPrefix(name, prefix) {
			images = append(images, found{Reference: fmt.Sprintf("%s://%s/%s", scheme, host, name)})
		}
	}
	return images, err
}

// repositoryOf reads the name of a repository.
func repositoryOf(text string) (registry.Reference, error) {
	if last := text[strings.LastIndexByte(text, '/')+1:]; strings.ContainsAny(last, ":@") {
		return registry.Reference{}, hint.New(fmt.Sprintf("%q has a tag", text), "leave it out: a search lists all tags")
	}
	return registry.ParseReference(text)
}
