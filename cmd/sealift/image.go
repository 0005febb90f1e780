package main

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/image/contents"
)

// sources is what the commands about images take, for their help.
const sources = `a SIF or SquashFS file, a directory, an OCI layout or archive,
or the output of docker save: by its path, or as oci:DIR[:TAG],
oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME:TAG]`

func (p *process) imageCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "image", Short: "Make images, and look into them, without running or mounting anything",
		Long: `Make images of what is there already, and look into them: without namespaces,
FUSE or privilege.

An image is ` + sources + `.`,
		Args: knownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	arch := c.PersistentFlags().String("arch", runtime.GOARCH, "of an OCI image, take that for `ARCHITECTURE`")
	c.AddCommand(p.imageCatCommand(arch), p.imageListCommand(arch), p.imagePackCommand(arch), p.imageUnpackCommand(arch))
	return c
}

// withSource calls f with the image that name says. Temp is where a compressed
// archive is decompressed. Errors name the image.
func withSource(ctx context.Context, name, arch, temp string, f func(context.Context, *contents.Source) error) error {
	return interruptible(ctx, func(ctx context.Context) error {
		s, err := contents.Open(ctx, name, contents.Options{Arch: arch, TempDir: temp})
		if err != nil {
			return err
		}
		defer s.Close() // which was only read
		return f(ctx, s)
	})
}

// withFiles is withSource for a look at the image's files.
func withFiles(ctx context.Context, name, arch string, f func(contents.FS) error) error {
	return withSource(ctx, name, arch, os.TempDir(), func(ctx context.Context, s *contents.Source) error {
		files, err := s.FS(ctx)
		if err == nil {
			err = f(files)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return err
	})
}

// losses warns of what is not as in the image.
func (p *process) losses(s *contents.Source) {
	for _, w := range s.Warnings() {
		p.warn("%s", w)
	}
}
