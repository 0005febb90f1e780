package images

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/contents"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/oci/compression"
	"github.com/sealift/sealift/image/oci/export"
	"github.com/sealift/sealift/image/output"
)

// packFlags are the flags of pack.
type packFlags struct {
	contents.Changes
	Format
	force bool
	// chosen tells which flags were given.
	chosen func(name string) bool
}

func packCommand(p *ui.Process, o *Opener) *cobra.Command {
	var f packFlags
	c := &cobra.Command{
		Use: "pack [flags] SOURCE OUTPUT", Short: "Pack files into a SquashFS or SIF file, or an OCI image",
		Long: `Write the files of SOURCE to OUTPUT: a SquashFS file, or, where its name ends in
.sif, a SIF file that holds these and their hash tree, or an OCI image of one
layer:

  oci:DIR[:TAG]               in a layout, which is made or gets one more image
  oci-archive:FILE[:TAG]      in the archive of a layout
  docker-archive:FILE[:NAME]  as docker load reads it

Nothing is added to the files: for an image with scripts and environment use
build. Files keep their owners, as with mksquashfs, unless --all-root is given.
Blocks that SOURCE holds in the form that OUTPUT is to have are copied as they
are. Layers of an OCI image are read once, and twice with --exclude.

An OCI image starts as SOURCE does when it is run: with its runscript, of which
/.singularity.d/runscript.oci is a copy, or with ENTRYPOINT and CMD of the OCI
image that SOURCE is or was built from. Its layer is compressed with gzip[:1-9],
the default, with zstd[:1-22] or not at all (none); in a docker-archive it never
is.

With SOURCE_DATE_EPOCH in the environment, no file is younger than that, and
equal inputs give equal outputs.

SOURCE is ` + Sources + `.`,
		Example: `  sealift image pack oci-archive:image.tar image.sqfs
  sealift image pack --all-root --exclude '*.pyc' rootfs image.sif
  sealift image pack --compression zstd:19 --block-size 1M image.sif small.sif
  sealift image pack image.sif docker-archive:image.tar:tools:1`,
		Args: cobra.MatchAll(ui.AtLeast(2), ui.AtMost(2)),
		RunE: func(c *cobra.Command, args []string) error {
			f.Arch, f.chosen = o.arch, c.Flags().Changed
			return pack(c.Context(), p, o, f, args[0], args[1])
		},
	}
	flags := c.Flags()
	f.Format.AddFlags(flags)
	flags.BoolVarP(&f.force, "force", "F", false, "replace an output that exists, or an image that has the tag in a layout")
	flags.BoolVar(&f.AllRoot, "all-root", false, "give all files to root")
	flags.StringArrayVar(&f.Exclude, "exclude", nil,
		"leave out what `PATTERN` of *, ?, [a-z] and [^a] matches, and all below it: whole paths if it has a slash, else names")
	return c
}

func pack(ctx context.Context, p *ui.Process, from *Opener, f packFlags, source, path string) (err error) {
	if f.Time, f.Reproducible, err = p.BuildTime(); err != nil {
		return err
	}
	if export.IsPlace(path) {
		return packOCI(ctx, p, from, f, source, path)
	}
	o := contents.PackOptions{Changes: f.Changes, SIF: strings.HasSuffix(path, ".sif")}
	if o.Codec, o.BlockSize, err = f.Format.Options(); err != nil {
		return err
	}
	file := output.Options{Force: f.force}
	if o.SIF {
		file.Mode = 0o777 // as build makes it
	}
	out, err := output.Create(path, file)
	if err != nil {
		return err
	}
	err = from.withSource(ctx, source, filepath.Dir(path), func(ctx context.Context, s *contents.Source) error {
		defer func() { Losses(p, s) }()
		return s.Pack(ctx, out.File(), o)
	})
	if err != nil {
		return out.Explain(errors.Join(err, out.Abort()))
	}
	return out.Commit()
}

// packOCI writes an OCI image.
func packOCI(ctx context.Context, p *ui.Process, from *Opener, f packFlags, source, name string) error {
	to, err := oci.ParseReference(name)
	if err != nil {
		return err
	}
	o := contents.ExportOptions{Changes: f.Changes, CreatedBy: "sealift image pack"}
	if o.Compression, err = f.layer(to); err != nil {
		return err
	}
	out, err := export.Create(to, f.force)
	if err != nil {
		return err
	}
	temp := filepath.Dir(filepath.Clean(to.Path))
	err = from.withSource(ctx, source, temp, func(ctx context.Context, s *contents.Source) error {
		defer func() { Losses(p, s) }()
		_, err := s.Export(ctx, out, temp, o)
		return err
	})
	if err != nil {
		return output.Explain(errors.Join(err, out.Abort()), temp)
	}
	return out.Commit(ctx)
}

// layer returns how a layer at a place is to be compressed.
func (f *packFlags) layer(to oci.Reference) (compression.Choice, error) {
	if f.chosen("block-size") {
		return compression.Choice{}, hint.New("an OCI image has no blocks", "leave out --block-size")
	}
	text := "gzip"
	if f.chosen("compression") {
		text = f.compression
	}
	c, err := compression.ParseChoice(text)
	if err != nil || !export.Plain(to) {
		return c, err
	}
	if f.chosen("compression") && c.Kind != compression.None {
		return c, hint.New("a docker-archive has layers that are not compressed", "leave out --compression, or write an oci-archive")
	}
	return compression.Choice{Kind: compression.None}, nil
}
