// Package diffs tells in what two images differ, and puts the commands that look at images
// together.
//
// Input: flags and names of images. Output: what image/compare finds, printed.
package diffs

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/cryptkeys"
	"github.com/sealift/sealift/cmd/sealift/images"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/compare"
	"github.com/sealift/sealift/image/contents"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/sbom"
	"github.com/sealift/sealift/image/tree"
)

// flags say what is compared: all without one of the first three.
type flags struct{ files, metadata, packages, times, json bool }

// Commands returns the commands that make images without running anything, and look at them.
func Commands(p *ui.Process) []*cobra.Command {
	return []*cobra.Command{images.Command(p), images.InspectCommand(p), images.RunHelpCommand(p), command(p)}
}

// command returns diff.
func command(p *ui.Process) *cobra.Command {
	var f flags
	o := images.NewOpener(p)
	c := &cobra.Command{
		Use: "diff [flags] OLD NEW", Short: "Tell in what two images differ",
		Long: `Tell in what two images differ: what they say of themselves (labels, scripts,
definition), which packages of dpkg and apk they have, and their files. Of
files, type, contents, target, device, mode, owner and extended attributes
count, and times with --times. A directory that one of them has alone is one
line; --json has all below it too.

The exit status is 0 where nothing differs, 1 where something does, and 125
where that could not be found out. --json prints an object with old and new, the
names, and what was compared: metadata, an array of objects with name, old and
new; packages, with manager, name, arch, old and new, versions; and files, with
path, what (added, removed, type, contents, target, device, mode, owner,
attributes, time) and old and new, objects with mode (octal, with the type),
uid, gid, size, mtime and target. rawPath is base64 of what is not UTF-8.

An image is ` + images.Sources + `.

` + cryptkeys.Help,
		Example: `  sealift diff tools-1.sif tools-2.sif
  sealift diff --packages docker://debian:12 tools.sif
  sealift diff --files --json a.sif b.sif | jq -r '.files[].path'`,
		Args: cobra.MatchAll(ui.AtLeast(2), ui.AtMost(2)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			return ui.Interruptible(c.Context(), func(ctx context.Context) error { return diff(ctx, p, o, f, args[0], args[1]) })
		},
	}
	set := c.Flags()
	set.BoolVar(&f.metadata, "metadata", false, "compare what images say of themselves")
	set.BoolVar(&f.packages, "packages", false, "compare packages")
	set.BoolVar(&f.files, "files", false, "compare files")
	set.BoolVar(&f.times, "times", false, "have times of modification count")
	set.BoolVarP(&f.json, "json", "j", false, "as JSON")
	o.Add(set)
	return c
}

// side is one of two images.
type side struct {
	root     *tree.Node
	about    metadata.Attributes
	packages *sbom.Packages // nil if there is no list
}

// differences are all that was found; what was not compared is nil.
type differences struct {
	Old      string             `json:"old"`
	New      string             `json:"new"`
	Metadata *[]compare.Text    `json:"metadata,omitempty"`
	Packages *[]compare.Package `json:"packages,omitempty"`
	Files    *[]changed         `json:"files,omitempty"`
}

// changed is a compare.File as JSON has it.
type changed struct {
	Path    string   `json:"path"`
	RawPath string   `json:"rawPath,omitempty"`
	What    []string `json:"what"`
	Old     *state   `json:"old"`
	New     *state   `json:"new"`
	file    compare.File
}

// state is what a file is like.
type state struct {
	Mode   string    `json:"mode"`
	UID    uint32    `json:"uid"`
	GID    uint32    `json:"gid"`
	Size   int64     `json:"size"`
	Time   time.Time `json:"mtime"`
	Target string    `json:"target,omitempty"`
}

func stateOf(n *tree.Node) *state {
	if n == nil {
		return nil
	}
	return &state{fmt.Sprintf("%06o", n.Mode), n.UID, n.GID, compare.Length(n), time.Unix(n.ModTime, 0).UTC(), n.Target}
}

func diff(ctx context.Context, p *ui.Process, o *images.Opener, f flags, older, newer string) (err error) {
	if !f.files && !f.metadata && !f.packages {
		f.files, f.metadata, f.packages = true, true, true
	}
	var sides [2]side
	for i, name := range []string{older, newer} {
		s, err := o.Open(ctx, name, p.TempDir(""))
		if err != nil {
			return err
		}
		defer s.Close() // which was only read
		var ends io.Closer
		if sides[i], ends, err = look(ctx, s, p.TempDir(""), f); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer ends.Close() // a file without a name
		images.Losses(p, s)
	}
	found, err := f.compare(ctx, sides)
	if err != nil {
		return err
	}
	found.Old, found.New = older, newer
	if err := found.print(p, f.json); err != nil {
		return err
	}
	if !found.none() {
		return ui.ExitStatus(1)
	}
	return nil
}

// look reads what is compared of an image, but for contents of files.
func look(ctx context.Context, s *contents.Source, temp string, f flags) (out side, ends io.Closer, err error) {
	if out.root, ends, err = s.Settled(ctx, temp, contents.Selection{}); err != nil {
		return out, ends, err
	}
	files := contents.TreeFS(out.root)
	if f.metadata {
		var m metadata.Metadata
		m, err = metadata.Read(files)
		out.about = m.Data.Attributes
	}
	if f.packages && err == nil {
		if out.packages, err = sbom.List(files); errors.Is(err, sbom.ErrNone) {
			out.packages, err = &sbom.Packages{}, nil
		}
	}
	if err != nil {
		return out, nil, errors.Join(err, ends.Close())
	}
	return out, ends, nil
}

// compare compares what the flags say.
func (f flags) compare(ctx context.Context, sides [2]side) (d differences, err error) {
	if f.metadata {
		texts := append([]compare.Text{}, compare.Metadata(sides[0].about, sides[1].about)...)
		d.Metadata = &texts
	}
	if f.packages {
		packages := append([]compare.Package{}, compare.Packages(sides[0].packages.List, sides[1].packages.List)...)
		d.Packages = &packages
	}
	if !f.files {
		return d, nil
	}
	files, err := compare.Files(ctx, sides[0].root, sides[1].root, compare.Options{Times: f.times})
	all := []changed{}
	for _, x := range files {
		c := changed{Path: x.Path, What: x.What, Old: stateOf(x.Old), New: stateOf(x.New), file: x}
		if !utf8.ValidString(x.Path) {
			c.RawPath = base64.StdEncoding.EncodeToString([]byte(x.Path))
		}
		all = append(all, c)
	}
	d.Files = &all
	return d, err
}

// none says whether nothing differs.
func (d *differences) none() bool {
	return (d.Metadata == nil || len(*d.Metadata) == 0) && (d.Packages == nil || len(*d.Packages) == 0) && (d.Files == nil || len(*d.Files) == 0)
}
