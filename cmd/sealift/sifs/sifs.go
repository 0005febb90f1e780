// Package sifs is the command sif: the objects of SIF files.
//
// Input: flags, paths of images, ids of objects. Output: what image/sif and
// image/sif/layout know of an image, in the words of the peers' tool or as JSON;
// and changed images (image/sif/edit).
package sifs

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/sif/edit"
	"github.com/sealift/sealift/image/sif/siffile"
)

// Command returns sif and its commands.
func Command(p *ui.Process) *cobra.Command {
	c := &cobra.Command{
		Use: "sif", Aliases: []string{"siftool"}, Short: "Look at the objects of SIF files, and change them",
		Long: `Look at the objects of SIF files, and change them.

A change is there whole or not at all, whatever ends the program. One that a
signature of the image would not survive is refused, unless --force is given.`,
		Args:              ui.KnownCommand,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return p.FromEnvironment(c.Flags()) },
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		listCommand(p), headerCommand(p), infoCommand(p), dumpCommand(p), layoutCommand(p),
		newCommand(p), addCommand(p), deleteCommand(p), primaryCommand(p),
	)
	return c
}

// operands allows exactly n.
func operands(n int) cobra.PositionalArgs { return cobra.MatchAll(ui.AtLeast(n), ui.AtMost(n)) }

// withImage calls f with the image at a path.
func withImage(path string, f func(*sif.Image) error) error {
	file, err := siffile.Open(path, os.O_RDONLY)
	if err != nil {
		return err
	}
	img, err := sif.Load(file)
	if err == nil {
		err = f(img)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// withWritable calls f with the file of an image, to change it.
func withWritable(path string, f func(*os.File) error) error {
	file, err := siffile.Open(path, os.O_RDWR)
	if err != nil {
		return err
	}
	if err := errors.Join(f(file), file.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// parseID reads the id of an object.
func parseID(text string) (uint32, error) {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil || id == 0 {
		return 0, hint.New(fmt.Sprintf("%q is no id of an object", text), "name the number of one, before the image: 'sealift sif list IMAGE' shows them")
	}
	return uint32(id), nil
}

// options are how an image is changed.
func options(p *ui.Process, force bool) edit.Options {
	return edit.Options{Force: force, Now: time.Now(), Warn: func(text string) { p.Warn("%s", text) }}
}
