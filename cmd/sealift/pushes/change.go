package pushes

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/library"
	"github.com/sealift/sealift/image/oci/registry"
)

// addArch adds the flag --arch, which libraries know images by.
func addArch(flags *pflag.FlagSet, arch *string, short, variable string) {
	flags.StringVarP(arch, "arch", short, runtime.GOARCH, "of a library's images, that for this `architecture`")
	ui.Bind(flags, "arch", variable)
}

// tag is the command's request.
type tag struct {
	flags
	arch string
}

func tagCommand(p *ui.Process) *cobra.Command {
	var f tag
	c := &cobra.Command{
		Use: "tag [flags] URI NAME...", Short: "Give an image in a registry or a container library more names",
		Long: `Give the image that URI names more tags, without sending it again. URI begins
with docker://, oras:// or library://. For an image of a registry, a NAME may
also be a whole name in the same registry, of another repository.`,
		Example: `  sealift tag oras://registry.example.org/group/tools:1.4 stable
  sealift tag docker://registry.example.org/dev/app:7 docker://registry.example.org/prod/app:7`,
		Args: ui.AtLeast(2),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			return f.run(c.Context(), p, args[0], args[1:])
		},
	}
	addArch(c.Flags(), &f.arch, "", "ARCH")
	f.add(c.Flags())
	return c
}

func (f *tag) run(ctx context.Context, p *ui.Process, uri string, names []string) error {
	from, err := parseTarget(uri, "tag", schemeDocker, schemeORAS, schemeLibrary)
	if err != nil {
		return err
	}
	client := f.remotes.Client(p)
	if from.scheme == schemeLibrary {
		return ui.Interruptible(ctx, func(ctx context.Context) error {
			c, err := f.library.Libraries(p, client, f.remotes.Plain)(ctx, from.library, "")
			if err == nil {
				err = c.Tag(ctx, from.library, f.arch, names...)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", from, err)
			}
			p.Info("%s: tagged %s", from, strings.Join(names, ", "))
			return nil
		})
	}
	to := make([]registry.Reference, len(names))
	for i, name := range names {
		if to[i], err = from.named(name); err != nil {
			return err
		}
	}
	return ui.Interruptible(ctx, func(ctx context.Context) error {
		for _, to := range to {
			digest, err := client.Tag(ctx, from.image, to)
			if err != nil {
				return fmt.Errorf("%s: %w", from, err)
			}
			p.Info("%s://%s: %s", from.scheme, to, digest)
		}
		return nil
	})
}

// named reads another name for an image of a registry: a tag, or a whole name.
func (t target) named(name string) (registry.Reference, error) {
	if strings.Contains(name, "://") {
		to, err := parseTarget(name, "name the image by", t.scheme)
		return to.image, err
	}
	if strings.ContainsAny(name, "/:@") {
		return registry.Reference{}, hint.New(fmt.Sprintf("%q is not a tag", name), "for a whole name write %s://HOST/PATH:TAG", t.scheme)
	}
	return registry.ParseReference(t.image.Host + "/" + t.image.Repository + ":" + name)
}

// deletion is the command's request.
type deletion struct {
	flags
	arch    string
	force   bool
	timeout int
}

func deleteCommand(p *ui.Process) *cobra.Command {
	var f deletion
	c := &cobra.Command{
		Use: "delete [flags] URI", Short: "Delete an image from a registry or a container library",
		Long: `Delete the image that URI names. URI begins with docker://, oras:// or
library://; without any of them it is of a library. There is a question before,
unless --force is there. From a registry an image goes with all of its tags.`,
		Example: `  sealift delete oras://registry.example.org/group/tools:1.3
  sealift delete --arch arm64 library://group/collection/tools:1.3`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			ctx := c.Context()
			if f.timeout > 0 {
				limited, cancel := context.WithTimeout(ctx, time.Duration(f.timeout)*time.Second)
				defer cancel()
				ctx = limited
			}
			return f.run(ctx, p, args[0])
		},
	}
	flags := c.Flags()
	flags.BoolVarP(&f.force, "force", "F", false, "do not ask")
	ui.Bind(flags, "force", "FORCE")
	flags.IntVarP(&f.timeout, "timeout", "T", 0, "give up after so many `seconds`")
	ui.Bind(flags, "timeout", "TIMEOUT")
	addArch(flags, &f.arch, "A", "ARCH")
	f.add(flags)
	return c
}

func (f *deletion) run(ctx context.Context, p *ui.Process, uri string) error {
	if !strings.Contains(uri, "://") {
		uri = schemeLibrary + "://" + uri
	}
	t, err := parseTarget(uri, "delete", schemeDocker, schemeORAS, schemeLibrary)
	if err != nil {
		return err
	}
	client := f.remotes.Client(p)
	if t.scheme == schemeLibrary {
		err = f.ofLibrary(ctx, p, client, t.library)
	} else {
		err = f.ofRegistry(ctx, p, client, t)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", t, err)
	}
	return nil
}

func (f *deletion) ofLibrary(ctx context.Context, p *ui.Process, client *registry.Client, ref library.Reference) error {
	ok, err := f.agreed(p, fmt.Sprintf("Delete %s (%s)?", ref, f.arch))
	if err != nil || !ok {
		return err
	}
	return ui.Interruptible(ctx, func(ctx context.Context) error {
		c, err := f.library.Libraries(p, client, f.remotes.Plain)(ctx, ref, "")
		if err == nil {
			err = c.Delete(ctx, ref, f.arch)
		}
		if err == nil {
			p.Info("%s (%s) deleted", ref, f.arch)
		}
		return err
	})
}

func (f *deletion) ofRegistry(ctx context.Context, p *ui.Process, client *registry.Client, t target) error {
	var w *registry.Writer
	digest := ""
	err := ui.Interruptible(ctx, func(ctx context.Context) (err error) {
		if w, err = client.Deleter(ctx, t.image); err == nil {
			digest, err = w.Resolve(ctx)
		}
		return err
	})
	if err != nil {
		return err
	}
	ok, err := f.agreed(p, fmt.Sprintf("Delete %s, which is %s, with all of its tags?", t, digest))
	if err != nil || !ok {
		return err
	}
	return ui.Interruptible(ctx, func(ctx context.Context) error {
		err := w.Delete(ctx, digest)
		if err == nil {
			p.Info("%s, %s, deleted", t, digest)
		}
		return err
	})
}

// agreed asks before something is deleted.
func (f *deletion) agreed(p *ui.Process, question string) (bool, error) {
	switch {
	case f.force:
		return true, nil
	case !p.Interactive():
		return false, hint.New("there is nobody to ask whether it may be deleted", "use --force")
	case p.Confirm("%s", question):
		return true, nil
	}
	p.Info("nothing was deleted")
	return false, nil
}
