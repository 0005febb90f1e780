package main

import (
	"github.com/spf13/cobra"

	"github.com/sealift/sealift/image/contents"
)

func (p *process) imageCatCommand(arch *string) *cobra.Command {
	return &cobra.Command{
		Use: "cat IMAGE PATH...", Short: "Print files of an image",
		Long: `Write the bytes of files in IMAGE to standard output, one after the other.
Symbolic links are followed inside the image. The layers of an OCI image are
read once to find the files, and again for each.

IMAGE is ` + sources + `.`,
		Example: `  sealift image cat image.sif /etc/os-release
  sealift image cat oci-archive:image.tar /usr/bin/tool > tool`,
		Args: atLeast(2),
		RunE: func(c *cobra.Command, args []string) error {
			return withFiles(c.Context(), args[0], *arch, func(files contents.FS) error {
				for _, path := range args[1:] {
					if err := contents.Cat(p.out, files, path); err != nil {
						return gone(err)
					}
				}
				return nil
			})
		},
	}
}
