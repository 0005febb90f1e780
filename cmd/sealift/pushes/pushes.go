// Package pushes is the commands push, tag, delete and search: what changes
// images in registries and container libraries, and what lists them there.
//
// Input: flags, a file, the name of an image elsewhere. Output: the image there,
// and a line that tells what was done.
package pushes

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/bars"
	"github.com/sealift/sealift/cmd/sealift/paths"
	"github.com/sealift/sealift/cmd/sealift/trusts"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/library"
	"github.com/sealift/sealift/image/oras"
)

// Commands returns push, tag, delete and search.
func Commands(p *ui.Process) []*cobra.Command {
	return []*cobra.Command{pushCommand(p), tagCommand(p), deleteCommand(p), searchCommand(p)}
}

// layerCompression is what every reader of OCI images knows.
const layerCompression = "gzip"

// push is the command's request.
type push struct {
	flags
	unsigned            bool
	description         string
	compression, tmpDir string
}

func pushCommand(p *ui.Process) *cobra.Command {
	var f push
	c := &cobra.Command{
		Use: "push [flags] IMAGE URI", Short: "Put an image into a registry or a container library",
		Long: `Put the SIF file IMAGE into a registry, where oras://HOST[:PORT]/PATH[:TAG]
names it, or into a container library, where its name is
library://[HOST/]ENTITY/COLLECTION/NAME[:TAG]. What is there already is not sent
again, and an upload that breaks goes on where it was, if the registry can. The
artifact in a registry is the one that Apptainer makes of the same file. A
library is given an image only if it is signed, and each signature is by an
OpenPGP key that 'sealift verify' knows, unless --allow-unsigned is there.

docker://HOST[:PORT]/PATH[:TAG] puts the files of IMAGE, which may also be a
SquashFS file or a directory, there as an OCI image of one layer, for Docker,
Podman and Kubernetes. It starts as the OCI image did that IMAGE was built from,
or else with its runscript.`,
		Example: `  sealift push tools.sif oras://registry.example.org/group/tools:1.4
  sealift push --compression zstd tools.sif docker://registry.example.org/group/tools:1.4
  sealift push -U tools.sif library://group/collection/tools:1.4`,
		Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			return f.run(c.Context(), p, args[0], args[1])
		},
	}
	flags := c.Flags()
	flags.BoolVarP(&f.unsigned, "allow-unsigned", "U", false, "put an image into a library without verifying it")
	ui.Bind(flags, "allow-unsigned", "ALLOW_UNSIGNED")
	flags.StringVarP(&f.description, "description", "D", "", "what the library tells of the image")
	flags.StringVar(&f.compression, "compression", layerCompression,
		"compress the layer of an OCI image with `METHOD`: gzip[:1-9], zstd[:1-22] or none")
	flags.StringVar(&f.tmpDir, "tmpdir", "", "`directory` for that layer, until it is sent")
	ui.Bind(flags, "tmpdir", "TMPDIR")
	f.add(flags)
	return c
}

// pushed is what a push came to.
type pushed struct {
	digest string
	size   int64 // in bytes, of the file or the layer
	had    bool  // nothing had to be sent
}

// run pushes the image of a path.
func (f *push) run(ctx context.Context, p *ui.Process, path, uri string) error {
	to, err := parseTarget(uri, "push to", schemeDocker, schemeORAS, schemeLibrary)
	if err != nil {
		return err
	}
	if f.description != "" && to.scheme != schemeLibrary {
		p.Warn("only a library keeps a --description")
	}
	if f.compression != layerCompression && to.scheme != schemeDocker {
		p.Warn("a file is pushed as it is; --compression is for docker://")
	}
	img, err := paths.Open(path, image.Options{})
	if err != nil {
		return err
	}
	defer img.Close() // which was only read
	if err := f.check(ctx, p, img, to); err != nil {
		return err
	}
	begun := time.Now()
	done, err := f.transfer(ctx, p, img, to)
	if err != nil {
		return fmt.Errorf("%s: %w", to, err)
	}
	p.Info("%s", told(to, done, time.Since(begun)))
	return nil
}

// progress shows how much has gone.
type progress struct {
	*bars.Bar
	begin func(size int64) // tells how much will go, before any has
}

// transfer sends an image, and shows how much has gone.
func (f *push) transfer(ctx context.Context, p *ui.Process, img *image.File, to target) (done pushed, err error) {
	bar := &progress{Bar: bars.Start(p, to.String())}
	defer bar.Stop()
	bar.begin = func(size int64) {
		if bar.Bar == nil {
			p.Info("pushing %s, %s", img.Path(), ui.Bytes(size))
		}
		bar.Expect(size)
	}
	err = ui.Interruptible(ctx, func(ctx context.Context) (err error) {
		if to.scheme == schemeDocker {
			done, err = f.sendOCI(ctx, p, img, to, bar)
		} else {
			done, err = f.sendFile(ctx, p, img, to, bar)
		}
		return err
	})
	return done, err
}

// check says whether an image may be put there.
func (f *push) check(ctx context.Context, p *ui.Process, img *image.File, to target) error {
	switch {
	case to.scheme == schemeDocker:
		return nil
	case img.SIF() == nil:
		return hint.New(fmt.Sprintf("%s is a %v image; %s:// takes SIF files", img.Path(), img.Kind(), to.scheme),
			"make one of it: sealift build image.sif %s", img.Path())
	case to.scheme != schemeLibrary:
		return nil
	case f.unsigned:
		p.Warn("skipping container verification")
		return nil
	}
	return ui.Interruptible(ctx, func(ctx context.Context) error {
		err := trusts.Unanimous(ctx, p, img.SIF())
		if err == nil {
			return nil
		}
		return hint.Wrap(fmt.Errorf("unable to upload container: unable to verify signature: %w", err),
			"push an unsigned image with 'sealift push -U %s'; 'sealift help sign' tells how to sign one", img.Path())
	})
}

// sendFile sends an image as the file that it is.
func (f *push) sendFile(ctx context.Context, p *ui.Process, img *image.File, to target, bar *progress) (done pushed, err error) {
	st, err := img.File().Stat()
	if err != nil {
		return done, err
	}
	done.size = st.Size()
	client := f.remotes.Client(p)
	bar.begin(done.size)
	if to.scheme == schemeORAS {
		u := oras.Upload{File: img.File(), Size: done.size, Title: filepath.Base(img.Path()), Sent: bar.Add}
		done.digest, done.had, err = oras.Push(ctx, client, to.image, u)
		return done, err
	}
	c, err := f.library.Libraries(p, client, f.remotes.Plain)(ctx, to.library, "")
	if err != nil {
		return done, err
	}
	var some atomic.Bool // bytes had to be sent
	done.digest, err = c.Push(ctx, to.library, library.Upload{
		File: img.File(), Size: done.size, Arch: img.Arch(), Description: f.description,
		Sent: func(n int64) { some.Store(true); bar.Add(n) },
	})
	done.had = !some.Load()
	return done, err
}

// told says what was pushed.
func told(to target, done pushed, took time.Duration) string {
	there := ""
	if done.had {
		there = ", which was there"
	}
	return fmt.Sprintf("%s: %s, %s%s, in %s", to, done.digest, ui.Bytes(done.size), there, ui.Duration(took))
}
