// Package pulls is the command pull, and how other commands get images from
// elsewhere.
//
// Input: flags, and the name of an image. Output: the image as a file, or in the
// cache for a command that uses it at once.
package pulls

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/images"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/pull"
)

// pullFlags are the flags of pull.
type pullFlags struct {
	Flags
	build.Options
	dir, name  string
	format     images.Format
	mksquashfs string
	unsigned   bool
	noCleanup  bool
}

// Command returns pull.
func Command(p *ui.Process) *cobra.Command {
	var f pullFlags
	c := &cobra.Command{
		Use: "pull [flags] [OUTPUT] IMAGE", Short: "Get an image from a registry or another place as a SIF file",
		Long: `Get IMAGE as the file OUTPUT, which is called NAME_TAG.sif if it is not named.
IMAGE is docker://[HOST[:PORT]/]PATH[:TAG][@DIGEST], or oras:// of the same form
for a SIF file in a registry, library://[HOST/]ENTITY/COLLECTION/NAME[:TAG] for
one in a container library, the https:// address of one, docker-daemon:NAME,
oci:DIRECTORY[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME:TAG].

The image is kept in the cache too ('sealift cache'), where other commands find
it: sealift exec docker://debian:12 cat /etc/os-release.`,
		Example: `  sealift pull docker://debian:12
  sealift pull tools.sif oras://registry.example.org/group/tools:1.4
  sealift pull https://example.org/images/tools.sif
  sealift pull --arch arm64 docker://alpine`,
		Args: cobra.MatchAll(ui.AtLeast(1), ui.AtMost(2)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			return f.run(c.Context(), p, args)
		},
	}
	f.add(c)
	return c
}

func (f *pullFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.BoolVarP(&f.Force, "force", "F", false, "replace an output that exists")
	ui.Bind(flags, "force", "FORCE")
	flags.StringVar(&f.dir, "dir", "", "`directory` for the output, if that is no absolute path")
	ui.Bind(flags, "dir", "PULLDIR", "PULLFOLDER")
	flags.StringVar(&f.name, "name", "", "the same as `OUTPUT`, which it beats: workflow systems give it")
	ui.Bind(flags, "name", "PULL_NAME")
	flags.BoolVar(&f.Sandbox, "sandbox", false, "write a directory instead of a file")
	flags.BoolVar(&f.Reproducible, "reproducible", false, "give equal outputs for equal images")
	f.format.AddFlags(flags)
	flags.StringVar(&f.mksquashfs, "mksquashfs-args", "", "the same as --compression and --block-size in the words of mksquashfs: `'-comp zstd -b 1M'`")
	ui.Bind(flags, "mksquashfs-args", "MKSQUASHFS_ARGS")
	f.target.Add(flags, "the image for this `architecture`, such as amd64 or arm64", "PULL_ARCH")
	f.Flags.Add(flags)
	// Accepted from callers that are used to them: nothing depends on them here.
	flags.BoolVarP(&f.unsigned, "allow-unsigned", "U", false, "accept an image without signatures (always the case)")
	flags.BoolVar(&f.unsigned, "allow-unauthenticated", false, "the same")
	flags.BoolVar(&f.noCleanup, "no-cleanup", false, "nothing temporary is left by a pull that fails, so there is nothing to keep")
	for _, name := range []string{"allow-unsigned", "allow-unauthenticated", "no-cleanup"} {
		flags.Lookup(name).Hidden = true
	}
}

// run pulls what args name.
func (f *pullFlags) run(ctx context.Context, p *ui.Process, args []string) (err error) {
	source := args[len(args)-1]
	if !pull.IsRemote(source) {
		return hint.New(source+" is not the name of an image elsewhere", "begin it with one of %s:", strings.Join(pull.Transports(), ":, "))
	}
	if f.Output = args[0]; f.name != "" {
		f.Output = f.name
	} else if len(args) == 1 {
		if f.Output, err = pull.FileName(source); err != nil {
			return err
		}
	}
	if f.dir != "" && !filepath.IsAbs(f.Output) {
		f.Output = filepath.Join(f.dir, f.Output)
	}
	if f.Workers, err = f.format.Mksquashfs(f.mksquashfs); err != nil {
		return err
	}
	if f.Codec, f.BlockSize, err = f.format.Options(); err != nil {
		return err
	}
	if f.TmpDir = f.Temp; f.TmpDir == "" {
		f.TmpDir = filepath.Dir(f.Output)
	}
	begun := time.Now()
	var r *pull.Result
	if err := f.get(ctx, p, source, func(ctx context.Context, e pull.Environment) (err error) {
		f.Reproducible = f.Reproducible || e.Fixed
		r, err = pull.Save(ctx, source, f.Options, e)
		return err
	}); err != nil {
		return err
	}
	p.Info("%s", f.told(r, time.Since(begun)))
	return nil
}

// told says what was pulled.
func (f *pullFlags) told(r *pull.Result, took time.Duration) string {
	text := f.Output + ": " + r.Name
	if r.Digest != "" && !strings.HasSuffix(r.Name, r.Digest) {
		text += ", " + r.Digest
	}
	if r.Bytes > 0 {
		text += ", " + ui.Bytes(r.Bytes)
	}
	if r.Cached {
		text += ", from the cache"
	}
	return text + ", in " + ui.Duration(took)
}
