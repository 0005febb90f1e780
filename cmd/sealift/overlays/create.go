package overlays

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/upper"
)

// leastSize is the peers' least and usual size of an ext3 image, in MiB.
const leastSize = 64

// creation is the request of create.
type creation struct {
	size   int // in MiB
	sparse bool
	dirs   []string
	into   into
}

func createCommand(p *ui.Process) *cobra.Command {
	r := &creation{}
	var fakeroot bool
	c := &cobra.Command{
		Use: "create [flags] PATH", Short: "Make an overlay that can be written to",
		Long: `Make an overlay that can be written to: a directory PATH, which takes the space
that its changes need. Its upper holds the changes, its work belongs to the
kernel.

With --size it is an ext3 image of that many MiB, as other programs write
changes to, made by mke2fs. Where PATH is a SIF file, that becomes a partition
of it, by the rules of sif add: one that is signed is refused.`,
		Example: `  sealift overlay create changes
  sealift exec --overlay changes image.sif touch /opt/new
  sealift overlay create --size 1024 --sparse overlay.img`,
		Args: cobra.MatchAll(ui.AtLeast(1), ui.AtMost(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("size") && r.size < leastSize {
				return ui.UsageError(c, fmt.Errorf("--size %d is less than %d MiB", r.size, leastSize))
			}
			return ui.Interruptible(c.Context(), func(ctx context.Context) error { return r.run(ctx, p, args[0]) })
		},
	}
	flags := c.Flags()
	flags.IntVarP(&r.size, "size", "s", 0, "make an ext3 image of so many `MiB`, 64 at least, not a directory")
	flags.BoolVarP(&r.sparse, "sparse", "S", false, "reserve no space for an image")
	ui.Bind(flags, "sparse", "SPARSE")
	flags.StringSliceVar(&r.dirs, "create-dir", nil, "have the container have this `directory`, too")
	flags.BoolVarP(&fakeroot, "fakeroot", "f", false, "no effect: what belongs to you belongs to root under --fakeroot")
	ui.Bind(flags, "fakeroot", "FAKEROOT")
	ui.Refuse(flags, nil, "tmpdir=")
	return c
}

func (r *creation) run(ctx context.Context, p *ui.Process, path string) error {
	if isSIF(path) {
		r.size = max(r.size, leastSize)
		r.into = into{path: path, check: onlyOverlay(path)}
		return r.partition(ctx, p)
	}
	if exists(path) {
		return hint.Wrap(fmt.Errorf("make an overlay: %s: %w", path, fs.ErrExist), "choose another name, or remove it first")
	}
	if r.size == 0 {
		if err := upper.Create(path, r.dirs); err != nil {
			return fmt.Errorf("make an overlay: %w", err)
		}
		return nil
	}
	image, err := r.ext3(p)
	if err != nil {
		return err
	}
	out, err := output.Create(path, output.Options{Mode: 0o600})
	if err != nil {
		return err
	}
	if err := image.Write(ctx, out.File()); err != nil {
		return errors.Join(out.Explain(err), out.Abort())
	}
	return out.Commit()
}

// partition adds an ext3 image to a SIF file.
func (r *creation) partition(ctx context.Context, p *ui.Process) (err error) {
	arch, err := r.into.ready()
	if err != nil {
		return err
	}
	image, err := r.ext3(p)
	if err != nil {
		return err
	}
	file, err := output.Unnamed(filepath.Dir(r.into.path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := image.Write(ctx, file); err != nil {
		return output.Explain(err, filepath.Dir(r.into.path))
	}
	return r.into.add(ctx, p, 2, arch, file)
}

// onlyOverlay refuses images that have an overlay to be written to, and such that
// cannot have one.
func onlyOverlay(path string) func(*sif.Image) error {
	return func(img *sif.Image) error {
		for _, part := range img.Partitions(sif.Overlay) {
			if part.FS == "ext3" {
				return hint.New("it has an overlay to be written to", "delete that first: sealift sif del %d %s", part.ID, path)
			}
		}
		for _, o := range img.Objects() {
			if o.Type == sif.Signature {
				return hint.New("it is signed, and what is written to cannot be", "use a directory: sealift overlay create DIR")
			}
		}
		return nil
	}
}

// ext3 returns what makes the image.
func (r *creation) ext3(p *ui.Process) (upper.Ext3, error) {
	for _, path := range []string{"/usr/sbin/mke2fs", "/sbin/mke2fs", "/usr/bin/mke2fs"} {
		if exists(path) {
			return upper.Ext3{Mke2fs: path, Size: int64(r.size) << 20, Sparse: r.sparse, Dirs: r.dirs, Temp: p.TempDir("")}, nil
		}
	}
	return upper.Ext3{}, hint.New("an overlay of a fixed size is an ext3 image, and mke2fs is not installed to make one",
		"use a directory, which takes the space that it needs: leave out --size; or install e2fsprogs")
}
