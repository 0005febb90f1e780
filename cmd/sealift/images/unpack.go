package images

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/contents"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/sandbox"
)

// unpackFlags are the flags of unpack.
type unpackFlags struct {
	force, notOwners bool
}

func unpackCommand(p *ui.Process, o *Opener) *cobra.Command {
	var f unpackFlags
	c := &cobra.Command{
		Use: "unpack [flags] IMAGE DIRECTORY [PATH...]", Short: "Write files of an image to a new directory",
		Long: `Write the files of IMAGE to DIRECTORY, which appears when all are there; with
PATHs, these with all below them, and the directories above them.

Nothing is added: for a directory to run use build --sandbox. As root, files
get their owners and devices are made. Otherwise all files are yours, and what
only root may make is left out and counted. --force replaces a directory that
is empty or that build --sandbox made, and no other.

IMAGE is ` + Sources + `.`,
		Example: `  sealift image unpack image.sif rootfs
  sealift image unpack oci-archive:image.tar tools /usr/local /etc/profile`,
		Args: ui.AtLeast(2),
		RunE: func(c *cobra.Command, args []string) error {
			return unpack(c.Context(), p, o, f, args[0], args[1], args[2:])
		},
	}
	c.Flags().BoolVarP(&f.force, "force", "F", false, "replace a directory that exists")
	c.Flags().BoolVar(&f.notOwners, "no-same-owner", false, "as root too, make all files yours")
	return c
}

func unpack(ctx context.Context, p *ui.Process, from *Opener, f unpackFlags, name, path string, paths []string) error {
	out, err := output.CreateDir(path, output.DirOptions{Force: f.force, Marker: ".singularity.d"})
	if err != nil {
		return err
	}
	parent := filepath.Dir(filepath.Clean(path))
	err = from.withSource(ctx, name, parent, func(ctx context.Context, s *contents.Source) (err error) {
		dir, err := os.Open(out.Path())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, dir.Close()) }()
		defer func() { Losses(p, s) }()
		root := os.Getuid() == 0
		return s.Unpack(ctx, dir, parent, contents.Selection{Paths: paths},
			sandbox.WriteOptions{Chown: root && !f.notOwners, Devices: root})
	})
	if err != nil {
		return output.Explain(errors.Join(err, out.Abort()), parent)
	}
	return out.Commit()
}
