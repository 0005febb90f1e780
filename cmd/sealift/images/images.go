// Package images is the commands that look into images and make them of other
// ones, without running anything: image, inspect and run-help.
//
// Input: flags and names of images. Output: what image/contents,
// image/metadata and image/scif find, printed, or a new file or directory.
package images

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/cmd/sealift/cryptkeys"
	"github.com/sealift/sealift/cmd/sealift/paths"
	"github.com/sealift/sealift/cmd/sealift/remotes"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/contents"
)

// Sources is what the commands about images take, for their help.
const Sources = `a SIF or SquashFS file, a directory, an OCI layout or archive,
the output of docker save, or an image in a registry: by its path, or as
oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG] or
docker://[HOST/]PATH[:TAG][@DIGEST]`

// Command returns image and its commands.
func Command(p *ui.Process) *cobra.Command {
	c := &cobra.Command{
		Use: "image", Short: "Make images, and look into them, without running or mounting anything",
		Long: `Make images of what is there already, and look into them: without namespaces,
FUSE or privilege.

An image is ` + Sources + `.

` + cryptkeys.Help,
		Args:              ui.KnownCommand,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return p.FromEnvironment(c.Flags()) },
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	o := NewOpener(p)
	o.Add(c.PersistentFlags())
	c.AddCommand(catCommand(p, o), listCommand(p, o), packCommand(p, o), unpackCommand(p, o))
	return c
}

// Opener opens sources as its flags say.
type Opener struct {
	process *ui.Process
	arch    string
	remotes remotes.Flags
	keys    cryptkeys.Flags
}

// NewOpener returns an Opener for a process.
func NewOpener(p *ui.Process) *Opener { return &Opener{process: p} }

// Add adds the flags.
func (o *Opener) Add(flags *pflag.FlagSet) {
	flags.StringVar(&o.arch, "arch", runtime.GOARCH, "of an OCI image, take that for `ARCHITECTURE`")
	o.remotes.Add(flags)
	o.keys.Add(flags)
}

// Open opens what a name says. In temp a compressed archive is decompressed.
func (o *Opener) Open(ctx context.Context, name, temp string) (*contents.Source, error) {
	p := o.process
	return contents.Open(ctx, paths.Local(name), contents.Options{
		Arch: o.arch, Registry: o.remotes.Client(p), Daemon: o.remotes.Daemon(p), TempDir: temp,
		Key: o.keys.Keys(ctx, p, false).Key,
	})
}

// withFiles calls f with the files of the image that name says. Signals end the
// program as they come, since nothing would be left.
func (o *Opener) withFiles(ctx context.Context, name string, f func(contents.FS) error) error {
	s, err := o.Open(ctx, name, o.process.TempDir(""))
	if err != nil {
		return err
	}
	defer s.Close() // which was only read
	files, err := s.FS(ctx)
	if err != nil {
		return err
	}
	if err := f(files); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// withSource calls f with the image that name says, and a context that signals
// end. In temp a compressed archive is decompressed.
func (o *Opener) withSource(ctx context.Context, name, temp string, f func(context.Context, *contents.Source) error) error {
	return ui.Interruptible(ctx, func(ctx context.Context) error {
		s, err := o.Open(ctx, name, temp)
		if err != nil {
			return err
		}
		defer s.Close() // which was only read
		return f(ctx, s)
	})
}

// Losses warns of what is not as in the image.
func Losses(p *ui.Process, s *contents.Source) {
	for _, w := range s.Warnings() {
		p.Warn("%s", w)
	}
}
