package images

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/contents"
)

func listCommand(p *ui.Process, o *Opener) *cobra.Command {
	var l contents.Style
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

IMAGE is ` + Sources + `.`,
		Example: `  sealift image ls -l image.sif /usr/lib
  sealift image ls -lR oci:layout:tag
  sealift image ls -R --json image.sif | jq -r '.[] | select(.type == "file") | .path'`,
		Args: ui.AtLeast(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.withFiles(c.Context(), args[0], func(files contents.FS) error {
				return p.Buffered(func(w io.Writer) error { return l.Print(w, files, args[1:]) })
			})
		},
	}
	c.Flags().BoolVarP(&l.Long, "long", "l", false, "with type and permissions, links, owner, group, size and time")
	c.Flags().BoolVarP(&l.Recursive, "recursive", "R", false, "with all below directories, a whole path on each line")
	c.Flags().BoolVar(&l.JSON, "json", false, "as JSON")
	return c
}
