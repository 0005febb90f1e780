// Package images is the commands that look into images and make them of other
// ones, without running anything: image, inspect and run-help.
//
// Input: flags and names of images. Output: what image/contents,
// image/metadata and image/scif find, printed, or a new file or directory.
package images

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/cryptkeys"
	"github.com/sealift/sealift/cmd/sealift/paths"
	"github.com/sealift/sealift/cmd/sealift/remotes"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/contents"
)

// sources is what the commands about images take, for their help.
const sources = `a SIF or SquashFS file, a directory, an OCI layout or archive,
the output of docker save, or an image in a registry: by its path, or as
oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG] or
docker://[HOST/]PATH[:TAG][@DIGEST]`

// Command returns image and its commands.
func Command(p *ui.Process) *cobra.Command {
	c := &cobra.Command{
		Use: "image", Short: "Make images, and look into them, without running or mounting anything",
		Long: `Make images of what is there already, and look into them: without namespaces,
FUSE or privilege.

An image is ` + sources + `.

` + cryptkeys.Help,
		Args:              ui.KnownCommand,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return p.FromEnvironment(c.Flags()) },
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	o := &opener{process: p}
	c.PersistentFlags().StringVar(&o.arch, "arch", runtime.GOARCH, "of an OCI image, take that for `ARCHITECTURE`")
	o.remotes.Add(c.PersistentFlags())
	o.keys.Add(c.PersistentFlags())
	c.AddCommand(catCommand(p, o), listCommand(p, o), packCommand(p, o), unpackCommand(p, o))
	return c
}

// opener opens sources as the flags of image say.
type opener struct {
	process *ui.Process
	arch    string
	remotes remotes.Flags
	keys    cryptkeys.Flags
}

func (o *opener) open(ctx context.Context, name, temp string) (*contents.Source, error) {
	p := o.process
	return contents.Open(ctx, paths.Local(name), contents.Options{
		Arch: o.arch, Registry: o.remotes.Client(p), Daemon: o.remotes.Daemon(p), TempDir: temp,
		Key: o.keys.Keys(ctx, p, false).Key,
	})
}

// withFiles calls f with the files of the image that name says. Signals end the
// program as they come, since nothing would be left.
func (o *opener) withFiles(ctx context.Context, name string, f func(contents.FS) error) error {
	s, err := o.open(ctx, name, os.TempDir())
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
func (o *opener) withSource(ctx context.Context, name, temp string, f func(context.Context, *contents.Source) error) error {
	return ui.Interruptible(ctx, func(ctx context.Context) error {
		s, err := o.open(ctx, name, temp)
		if err != nil {
			return err
		}
		defer s.Close() // which was only read
		return f(ctx, s)
	})
}

// losses warns of what is not as in the image.
func losses(p *ui.Process, s *contents.Source) {
	for _, w := range s.Warnings() {
		p.Warn("%s", w)
	}
}
