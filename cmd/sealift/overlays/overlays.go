// Package overlays is the command overlay: what is laid over images.
//
// Input: flags, and names of directories and images. Output: overlays that
// image/upper makes, in files and directories of their own or in SIF files
// (image/sif/edit).
package overlays

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/sif/edit"
	"github.com/sealift/sealift/image/sif/siffile"
	"github.com/sealift/sealift/image/trust/merkle"
)

// Command returns overlay and its commands.
func Command(p *ui.Process) *cobra.Command {
	c := &cobra.Command{
		Use: "overlay", Short: "Make what keeps the changes of containers",
		Long: `Make what keeps the changes of containers: an overlay is laid over an image by
--overlay of exec, run and shell, and by itself where it is in the image's file.
A directory is written to; sealed, it is a file that is only read.`,
		Args:              ui.KnownCommand,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return p.FromEnvironment(c.Flags()) },
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(createCommand(p), sealCommand(p))
	return c
}

// isSIF says whether a path leads to a SIF file. Whether it is a good one is said
// when it is opened.
func isSIF(path string) bool {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, len(sif.Magic))
	_, err = f.ReadAt(magic, sif.MagicOffset)
	return err == nil && string(magic) == sif.Magic
}

// exists says whether there is something at a path, be it a link to nothing.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// into is where in a SIF file an overlay goes.
type into struct {
	path  string
	group *uint32 // nil for that of the system
	force bool
	// check, if not nil, refuses images.
	check func(*sif.Image) error
}

// ready refuses images that cannot get an overlay, before one is made.
func (i into) ready() (arch string, err error) {
	f, err := siffile.Open(i.path, os.O_RDWR)
	if err != nil {
		return "", err
	}
	img, err := sif.Load(f)
	if err == nil {
		if part, primary := img.Primary(); primary == nil && part.Encrypted() {
			err = hint.New("it is encrypted, and an overlay in it would not be", "keep the overlay by itself, and lay it over the image: --overlay")
		}
	}
	if err == nil && i.check != nil {
		err = i.check(img)
	}
	if err == nil {
		if arch = img.Arch(); arch == "" {
			arch = runtime.GOARCH
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		err = fmt.Errorf("%s: %w", i.path, err)
	}
	return arch, err
}

// add adds an overlay to the image, by the rules of sif add.
func (i into) add(ctx context.Context, p *ui.Process, fileSystem int32, arch string, data *os.File) error {
	if _, err := data.Seek(0, io.SeekStart); err != nil {
		return err
	}
	f, err := siffile.Open(i.path, os.O_RDWR)
	if err != nil {
		return err
	}
	o := edit.Options{Force: i.force, Now: time.Now(), Warn: func(text string) { p.Warn("%s", text) }}
	err = edit.Add(ctx, f, edit.Overlay(fileSystem, arch, data), i.group, o)
	if err == nil {
		// For --verify, as the system has one.
		err = merkle.AddMissing(ctx, f, sif.Overlay, o.Now)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", i.path, err)
	}
	return nil
}

// addFlags adds the flags of what is put into a SIF file. The result is to be called
// when they were read.
func (i *into) addFlags(c *cobra.Command) (settle func()) {
	group := c.Flags().Uint32("groupid", 0, "put the partition of a SIF file into the group `N`, not into the system's")
	return func() {
		if c.Flags().Changed("groupid") {
			i.group = group
		}
	}
}
