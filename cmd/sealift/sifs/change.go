package sifs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/sif/edit"
)

const forceUsage = "break signatures; sign the image again after"

func newCommand(p *ui.Process) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "new [flags] IMAGE", Short: "Make an image without objects", Args: operands(1),
		RunE: func(_ *cobra.Command, args []string) error {
			out, err := output.Create(args[0], output.Options{Force: force, Mode: 0o777})
			if err != nil {
				return err
			}
			if err := sif.CreateEmpty(out.File(), time.Now()); err != nil {
				return errors.Join(out.Explain(err), out.Abort())
			}
			return out.Commit()
		},
	}
	c.Flags().BoolVarP(&force, "force", "F", false, "replace a file that exists")
	return c
}

func deleteCommand(p *ui.Process) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "del [flags] ID IMAGE", Short: "Delete an object of an image", Args: operands(2),
		Long: `Delete an object of an image, and its bytes: the file is cut, or gets a hole.`,
		RunE: func(_ *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			return withWritable(args[1], func(f *os.File) error { return edit.Delete(f, id, options(p, force)) })
		},
	}
	c.Flags().BoolVarP(&force, "force", "F", false, forceUsage)
	return c
}

func primaryCommand(p *ui.Process) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "setprim [flags] ID IMAGE", Short: "Make a system partition the primary one, which is run", Args: operands(2),
		Long: `Make a system partition the primary one, which is run. The image is replaced by
a changed copy; what runs goes on with the old one.`,
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			return ui.Interruptible(c.Context(), func(ctx context.Context) error {
				if err := edit.SetPrimary(ctx, args[1], id, options(p, force)); err != nil {
					return fmt.Errorf("set the primary partition: %w", err)
				}
				return nil
			})
		},
	}
	c.Flags().BoolVarP(&force, "force", "F", false, forceUsage)
	return c
}

// adding is the request of add.
type adding struct {
	object          sif.NewObject
	dataType, align int
	group           uint32
	force           bool
}

func addCommand(p *ui.Process) *cobra.Command {
	var a adding
	c := &cobra.Command{
		Use: "add [flags] IMAGE FILE", Short: "Add an object to an image", Args: operands(2),
		Long: `Add FILE to an image, as an object of the type that --datatype says. It joins
the group of the primary partition, so that the next signature covers it; a
signature joins no group.`,
		Example: `  sealift sif add image.sif recipe.def --datatype 1
  sealift sif add image.sif root.sqfs --datatype 4 --parttype 1 --partfs 1 --partarch 2
  sealift sif add image.sif bom.spdx.json --datatype 9 --sbomformat spdx-json`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := a.settle(c, args[1]); err != nil {
				return err
			}
			return ui.Interruptible(c.Context(), func(ctx context.Context) error {
				var group *uint32
				if c.Flags().Changed("groupid") {
					group = &a.group
				}
				return a.add(ctx, args, group, options(p, a.force))
			})
		},
	}
	flags := c.Flags()
	flags.IntVar(&a.dataType, "datatype", 0, `type of the object, a `+"`number`"+`:
1 definition file, 2 environment variables, 3 labels, 4 partition, 5 signature,
6 JSON, 7 other, 8 encrypted message, 9 SBOM, 10 OCI root index, 11 OCI blob`)
	flags.Int32Var(&a.object.Part, "parttype", 0, "kind of a partition, a `number`:\n1 system, 2 primary system, 3 data, 4 overlay")
	flags.Int32Var(&a.object.FileSystem, "partfs", 0, "file system of a partition, a `number`:\n1 SquashFS, 2 ext3, 3 archive, 4 raw")
	flags.Int32Var(&a.object.Arch, "partarch", 0, `architecture of a partition, a `+"`number`"+`:
1 386, 2 amd64, 3 arm, 4 arm64, 5 ppc64, 6 ppc64le, 7 mips, 8 mipsle, 9 mips64,
10 mips64le, 11 s390x, 12 riscv64, 13 loong64`)
	flags.Int32Var(&a.object.Hash, "signhash", 0, "hash of a signature, a `number`:\n1 SHA256, 2 SHA384, 3 SHA512, 4 BLAKE2s_256, 5 BLAKE2b_256")
	flags.StringVar(&a.object.Entity, "signentity", "", "fingerprint of the key of a signature, 40 `digits`")
	flags.StringVar(&a.object.SBOM, "sbomformat", "", "`format` of an SBOM:\n"+strings.Join(sif.SBOMFormats(), ", "))
	flags.Uint32Var(&a.group, "groupid", 0, "put the object into the group `N`; 0 is none, and cannot be signed")
	flags.Uint32Var(&a.object.Link, "link", 0, "link the object to the object `ID`")
	flags.IntVar(&a.align, "alignment", 0, "align the object to this number of `bytes` (4096 for partitions)")
	flags.StringVar(&a.object.Name, "filename", "", "`name` of the object (that of FILE)")
	flags.BoolVarP(&a.force, "force", "F", false, forceUsage)
	return c
}

// settle makes a request of the flags.
func (a *adding) settle(c *cobra.Command, path string) error {
	var ok bool
	if a.object.Type, ok = sif.TypeNumber(a.dataType); !ok {
		return ui.UsageError(c, errors.New("--datatype is missing, or not from 1 to 11"))
	}
	if c.Flags().Changed("alignment") {
		a.object.Alignment = &a.align
		if a.align < 0 || a.align > 1<<30 {
			return ui.UsageError(c, fmt.Errorf("--alignment %d is not from 0 to 1073741824", a.align))
		}
	}
	if !c.Flags().Changed("filename") {
		a.object.Name = filepath.Base(path)
	}
	if len(a.object.Name) > 128 {
		return hint.New("the name of the object has more than 128 bytes", "give it another one by --filename")
	}
	return nil
}

// add adds the file args[1] to the image args[0].
func (a *adding) add(ctx context.Context, args []string, group *uint32, o edit.Options) error {
	data, err := os.Open(args[1])
	if err != nil {
		return hint.Wrap(err, "check the path")
	}
	a.object.Data = data
	err = withWritable(args[0], func(f *os.File) error { return edit.Add(ctx, f, a.object, group, o) })
	return errors.Join(err, data.Close())
}
