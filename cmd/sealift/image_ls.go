package main

import (
	"fmt"
	"io"
	"path"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/image/contents"
)

// listFlags say how a listing looks.
type listFlags struct{ long, recursive, json bool }

func (p *process) imageListCommand(arch *string) *cobra.Command {
	var l listFlags
	c := &cobra.Command{
		Use: "ls [flags] IMAGE [PATH...]", Short: "List files of an image",
		Long: `List what is in directories of IMAGE, the root directory without a PATH; a PATH
to another file lists that.

A name with characters that do not print is shown in quotes, with escapes.
Sizes are those of regular files and of links' targets, 0 for others. Times
are UTC. --json prints an array of objects with the fields path, type (file,
directory, link, block, char, fifo or socket), mode (octal), nlink, uid, gid,
size, mtime, and where they apply target, major and minor; rawPath and
rawTarget are base64 of what is not UTF-8.

IMAGE is ` + sources + `.`,
		Example: `  sealift image ls -l image.sif /usr/lib
  sealift image ls -lR oci:layout:tag
  sealift image ls -R --json image.sif | jq -r '.[] | select(.type == "file") | .path'`,
		Args: atLeast(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withFiles(c.Context(), args[0], *arch, func(files contents.FS) error {
				return p.buffered(func(w io.Writer) error { return l.list(w, files, args[1:]) })
			})
		},
	}
	c.Flags().BoolVarP(&l.long, "long", "l", false, "with type and permissions, links, owner, group, size and time")
	c.Flags().BoolVarP(&l.recursive, "recursive", "R", false, "with all below directories, a whole path on each line")
	c.Flags().BoolVar(&l.json, "json", false, "as JSON")
	return c
}

func (l listFlags) list(w io.Writer, files contents.FS, paths []string) error {
	if len(paths) == 0 {
		paths = []string{"/"}
	}
	separator := "[\n"
	for i, at := range paths {
		found, err := contents.List(files, at)
		if err != nil {
			return err
		}
		if len(paths) > 1 && found.Dir && !l.recursive && !l.json {
			fmt.Fprintf(w, "%s%s:\n", "\n"[:min(i, 1)], contents.Quote(found.Path))
		}
		err = found.Entries(l.recursive, func(e contents.Entry) error {
			if !l.json {
				_, err := fmt.Fprintln(w, l.line(e, found.Dir && !l.recursive))
				return err
			}
			text, err := e.MarshalJSON()
			if err == nil {
				_, err = fmt.Fprintf(w, "%s%s", separator, text)
			}
			separator = ",\n"
			return err
		})
		if err != nil {
			return err
		}
	}
	if !l.json {
		return nil
	}
	if separator == "[\n" { // nothing was listed
		fmt.Fprint(w, "[")
	}
	_, err := fmt.Fprintln(w, "\n]")
	return err
}

// line is an entry as text; in a directory it goes by its last name.
func (l listFlags) line(e contents.Entry, inside bool) string {
	name := e.Path
	if inside {
		name = path.Base(name)
	}
	if l.long {
		return e.Long(name)
	}
	return contents.Quote(name)
}
