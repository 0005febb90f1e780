package images

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/sealift/sealift/cmd/sealift/paths"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/contents"
	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/usage"
)

// space is what of an image's sizes is printed.
type space struct {
	tree, size bool
	depth      int
}

// largest is how many files --size shows.
const largest = 20

// smallest is the part of the whole below which --tree has directories in one line.
const smallest = 100

// sizes is what --size says, as JSON.
type sizes struct {
	usage.Sizes
	Files   int          `json:"files"`
	Largest []usage.File `json:"largest"`
}

// printSpace prints what takes space in an image.
func printSpace(ctx context.Context, p *ui.Process, path string, s space, asJSON bool, o image.Options) error {
	img, err := paths.Open(path, o)
	if err != nil {
		return err
	}
	defer img.Close() // which was only read
	root, err := img.Tree(ctx, sandbox.ReadOptions{})
	if err != nil {
		return fmt.Errorf("inspect %s: %w", path, err)
	}
	report, err := usage.Of(root)
	if err != nil {
		return fmt.Errorf("inspect %s: %w", path, err)
	}
	of := sizes{report.Root.Sizes, report.Root.Files, report.Files[:min(largest, len(report.Files))]}
	if asJSON {
		var v any = of
		if s.tree {
			cut(report.Root, s.depth)
			v = report.Root
		}
		return p.PrintJSON(v)
	}
	return p.Buffered(func(w io.Writer) error {
		stored := report.Root.Stored > 0
		if s.tree {
			columns(w, stored, "stored", "size", "files")
			s.dirs(w, report.Root, report.Root.Sizes, stored, 0)
			return nil
		}
		columns(w, stored, "stored", "size", "")
		columns(w, stored, ui.Bytes(of.Stored), ui.Bytes(of.Size), fmt.Sprintf("  all %d files", of.Files))
		for _, f := range of.Largest {
			columns(w, stored, ui.Bytes(f.Stored), ui.Bytes(f.Size), "  "+contents.Quote(f.Path))
		}
		return nil
	})
}

// columns prints a line; a directory's files are not stored.
func columns(w io.Writer, isStored bool, stored, size, rest string) {
	if isStored {
		fmt.Fprintf(w, "%10s ", stored)
	}
	fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%10s %s", size, rest), " "))
}

// cut removes what is deeper.
func cut(d *usage.Dir, depth int) {
	if depth == 0 {
		d.Dirs = nil
	}
	for _, in := range d.Dirs {
		cut(in, depth-1)
	}
}

// dirs prints a directory and those in it, down to a depth. Small ones share a line.
func (s space) dirs(w io.Writer, d *usage.Dir, whole usage.Sizes, stored bool, level int) {
	line := func(sizes usage.Sizes, files int, name string, level int) {
		columns(w, stored, ui.Bytes(sizes.Stored), ui.Bytes(sizes.Size), fmt.Sprintf("%7d  %s%s", files, strings.Repeat("  ", level), name))
	}
	line(d.Sizes, d.Files, name(d.Path), level)
	if level == s.depth {
		return
	}
	var rest usage.Dir
	n := 0
	for _, in := range d.Dirs {
		if in.Stored*smallest < whole.Stored || !stored && in.Size*smallest < whole.Size {
			rest.Stored, rest.Size, rest.Files, n = rest.Stored+in.Stored, rest.Size+in.Size, rest.Files+in.Files, n+1
			continue
		}
		s.dirs(w, in, whole, stored, level+1)
	}
	if n > 0 {
		line(rest.Sizes, rest.Files, fmt.Sprintf("(%d smaller)", n), level+1)
	}
}

// name is the last component of a path, quoted.
func name(path string) string {
	if path == "/" {
		return path
	}
	return contents.Quote(path[strings.LastIndexByte(path, '/')+1:])
}
