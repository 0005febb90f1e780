package diffs

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/compare"
	"github.com/sealift/sealift/image/contents"
	"github.com/sealift/sealift/image/tree"
)

// print prints differences, as JSON or for people.
func (d *differences) print(p *ui.Process, asJSON bool) error {
	if asJSON {
		return p.PrintJSON(d)
	}
	return p.Buffered(func(w io.Writer) error {
		if d.Metadata != nil {
			heading(w, "metadata", len(*d.Metadata))
			for _, t := range *d.Metadata {
				fmt.Fprintf(w, "  %c %s%s\n", sign(t.Old, t.New), contents.Quote(t.Name), ui.Clean(inline(t)))
			}
		}
		if d.Packages != nil {
			heading(w, "packages", len(*d.Packages))
			for _, x := range *d.Packages {
				fmt.Fprintf(w, "  %c %s %s\n", sign(x.Old, x.New), ui.Clean(x.Name+":"+x.Arch), ui.Clean(between(x.Old, x.New)))
			}
		}
		if d.Files != nil {
			heading(w, "files", len(*d.Files))
			printFiles(w, *d.Files)
		}
		return nil
	})
}

func heading(w io.Writer, of string, n int) {
	if n > 0 {
		fmt.Fprintf(w, "%s (%d)\n", of, n)
	}
}

// sign tells what came, went and changed.
func sign(older, newer string) rune {
	switch {
	case older == "":
		return '+'
	case newer == "":
		return '-'
	}
	return '~'
}

// between names one thing, or both.
func between(older, newer string) string {
	if older == "" || newer == "" {
		return older + newer
	}
	return older + " -> " + newer
}

// inline returns the values of what takes one line.
func inline(t compare.Text) string {
	if strings.Contains(strings.TrimSpace(t.Old+t.New), "\n") || len(t.Old)+len(t.New) > 200 {
		return ""
	}
	return ": " + between(strings.TrimSpace(t.Old), strings.TrimSpace(t.New))
}

// printFiles prints a line for each file, and one for all of a directory that came or went.
func printFiles(w io.Writer, all []changed) {
	for i := 0; i < len(all); i++ {
		c := all[i]
		if one := (c.file.Old == nil) != (c.file.New == nil); one && either(c.file).IsDir() {
			n := 1 + below(all[i+1:], c)
			files, size := 0, int64(0)
			for _, in := range all[i+1 : i+n] {
				if node := either(in.file); !node.IsDir() {
					files, size = files+1, size+compare.Length(node)
				}
			}
			fmt.Fprintf(w, "  %s %s/  files: %d, %s\n", mark(c.file), contents.Quote(c.Path), files, ui.Bytes(size))
			i += n - 1
			continue
		}
		fmt.Fprintf(w, "  %s %s%s\n", mark(c.file), contents.Quote(c.Path), details(c.file))
	}
}

// below returns how many of what follows is in a directory.
func below(all []changed, dir changed) int {
	n := slices.IndexFunc(all, func(c changed) bool { return !strings.HasPrefix(c.Path, dir.Path+"/") })
	if n < 0 {
		return len(all)
	}
	return n
}

func either(f compare.File) *tree.Node {
	if f.New != nil {
		return f.New
	}
	return f.Old
}

func mark(f compare.File) string {
	switch {
	case f.Old == nil:
		return "+"
	case f.New == nil:
		return "-"
	}
	return "~"
}

// details say what came or went, or in what it changed.
func details(f compare.File) string {
	if f.Old == nil || f.New == nil {
		if n := either(f); n.Content != nil {
			return "  " + ui.Bytes(compare.Length(n))
		}
		return ""
	}
	var list []string
	for _, what := range f.What {
		switch what {
		case compare.Type:
			list = append(list, kind(f.Old)+" -> "+kind(f.New))
		case compare.Contents:
			if a, b := compare.Length(f.Old), compare.Length(f.New); a != b {
				what += " " + ui.Bytes(a) + " -> " + ui.Bytes(b)
			}
			list = append(list, what)
		case compare.Target:
			list = append(list, "target "+contents.Quote(f.Old.Target)+" -> "+contents.Quote(f.New.Target))
		case compare.Mode:
			list = append(list, fmt.Sprintf("mode %04o -> %04o", f.Old.Mode&0o7777, f.New.Mode&0o7777))
		case compare.Owner:
			list = append(list, fmt.Sprintf("owner %d:%d -> %d:%d", f.Old.UID, f.Old.GID, f.New.UID, f.New.GID))
		default:
			list = append(list, what)
		}
	}
	return "  " + strings.Join(list, ", ")
}

// kind names a type of file.
func kind(n *tree.Node) string {
	switch n.Type() {
	case tree.TypeDir:
		return "directory"
	case tree.TypeSymlink:
		return "link"
	case tree.TypeRegular:
		return "file"
	}
	return "device, socket or fifo"
}
