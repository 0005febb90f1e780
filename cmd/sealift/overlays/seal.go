package overlays

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/images"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/upper"
)

// sealing is the request of seal.
type sealing struct {
	upper.Packing
	format images.Format
	into   into
}

func sealCommand(p *ui.Process) *cobra.Command {
	r := &sealing{}
	c := &cobra.Command{
		Use: "seal [flags] DIR OUTPUT", Short: "Pack the changes in a directory into a file",
		Long: `Pack the changes in the overlay DIR into OUTPUT: a SquashFS file, which
--overlay lays over images, or, where OUTPUT is a SIF file that exists, a
partition of it, which is laid over its system whenever that is run, and gets a
hash tree for --verify. What was removed stays removed. DIR is left as it is.

A signed SIF file is changed by the rules of sif add: nothing joins a group that
is signed, unless --force is given.`,
		Example: `  sealift overlay seal changes changes.sqfs
  sealift exec --overlay changes.sqfs image.sif ls /opt
  sealift overlay seal changes image.sif`,
		Args: cobra.MatchAll(ui.AtLeast(2), ui.AtMost(2)),
	}
	settle := r.into.addFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		settle()
		r.into.path = args[1]
		return ui.Interruptible(c.Context(), func(ctx context.Context) error { return r.run(ctx, p, args[0]) })
	}
	flags := c.Flags()
	r.format.AddFlags(flags)
	flags.BoolVar(&r.AllRoot, "all-root", false, "give all files to root")
	flags.BoolVarP(&r.into.force, "force", "F", false, "replace a SquashFS file that exists; break signatures of a SIF file")
	return c
}

func (r *sealing) run(ctx context.Context, p *ui.Process, dir string) error {
	at, reproducible, err := p.BuildTime()
	if err != nil {
		return err
	}
	r.NoLater, r.ModTime = reproducible, at.Unix()
	if r.Codec, r.BlockSize, err = r.format.Options(); err != nil {
		return err
	}
	if isSIF(r.into.path) {
		return r.partition(ctx, p, dir)
	}
	if strings.HasSuffix(r.into.path, ".sif") && !exists(r.into.path) {
		return hint.New(r.into.path+" does not exist: an overlay is added to an image that does",
			"have a copy of the image there first, or name a file that ends in .sqfs")
	}
	out, err := output.Create(r.into.path, output.Options{Force: r.into.force})
	if err != nil {
		return err
	}
	if err := upper.Pack(ctx, dir, out.File(), r.Packing); err != nil {
		return errors.Join(out.Explain(fmt.Errorf("seal %s: %w", dir, err)), out.Abort())
	}
	return out.Commit()
}

// partition adds the changes to a SIF file.
func (r *sealing) partition(ctx context.Context, p *ui.Process, dir string) (err error) {
	arch, err := r.into.ready()
	if err != nil {
		return err
	}
	file, err := output.Unnamed(filepath.Dir(r.into.path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := upper.Pack(ctx, dir, file, r.Packing); err != nil {
		return output.Explain(fmt.Errorf("seal %s: %w", dir, err), filepath.Dir(r.into.path))
	}
	return r.into.add(ctx, p, 1, arch, file)
}
