package images

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/contents"
	"github.com/sealift/sealift/image/output"
)

// packFlags are the flags of pack that need work before they are options.
type packFlags struct {
	contents.PackOptions
	Format
	force bool
}

func packCommand(p *ui.Process, o *opener) *cobra.Command {
	var f packFlags
	c := &cobra.Command{
		Use: "pack [flags] SOURCE OUTPUT", Short: "Pack files into a SquashFS or SIF file",
		Long: `Write the files of SOURCE to OUTPUT: a SquashFS file, or, where its name ends in
.sif, a SIF file that holds nothing else.

Nothing is added to the files: for an image with scripts and environment use
build. Files keep their owners, as with mksquashfs, unless --all-root is given.
Blocks that SOURCE holds in the form that OUTPUT is to have are copied as they
are. Layers of an OCI image are read once, and twice with --exclude.

With SOURCE_DATE_EPOCH in the environment, no file is younger than that, and
equal inputs give equal outputs.

SOURCE is ` + sources + `.`,
		Example: `  sealift image pack oci-archive:image.tar image.sqfs
  sealift image pack --all-root --exclude '*.pyc' rootfs image.sif
  sealift image pack --compression zstd:19 --block-size 1M image.sif small.sif`,
		Args: cobra.MatchAll(ui.AtLeast(2), ui.AtMost(2)),
		RunE: func(c *cobra.Command, args []string) error {
			f.Arch = o.arch
			return pack(c.Context(), p, o, f, args[0], args[1])
		},
	}
	flags := c.Flags()
	f.Format.AddFlags(flags)
	flags.BoolVarP(&f.force, "force", "F", false, "replace an output that exists")
	flags.BoolVar(&f.AllRoot, "all-root", false, "give all files to root")
	flags.StringArrayVar(&f.Exclude, "exclude", nil,
		"leave out what `PATTERN` of *, ?, [a-z] and [^a] matches, and all below it: whole paths if it has a slash, else names")
	return c
}

func pack(ctx context.Context, p *ui.Process, from *opener, f packFlags, source, path string) (err error) {
	if f.Codec, f.BlockSize, err = f.Format.Options(); err != nil {
		return err
	}
	if f.Time, f.Reproducible, err = p.BuildTime(); err != nil {
		return err
	}
	f.SIF = strings.HasSuffix(path, ".sif")
	o := output.Options{Force: f.force}
	if f.SIF {
		o.Mode = 0o777 // as build makes it
	}
	out, err := output.Create(path, o)
	if err != nil {
		return err
	}
	err = from.withSource(ctx, source, filepath.Dir(path), func(ctx context.Context, s *contents.Source) error {
		defer func() { losses(p, s) }()
		return s.Pack(ctx, out.File(), f.PackOptions)
	})
	if err != nil {
		return out.Explain(errors.Join(err, out.Abort()))
	}
	return out.Commit()
}
