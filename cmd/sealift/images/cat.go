package images

import (
	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/contents"
)

func catCommand(p *ui.Process, o *Opener) *cobra.Command {
	return &cobra.Command{
		Use: "cat IMAGE PATH...", Short: "Print files of an image",
		Long: `Write the bytes of files in IMAGE to standard output, one after the other.
Symbolic links are followed inside the image. The layers of an OCI image are
read once to find the files, and again for each.

IMAGE is ` + Sources + `.`,
		Example: `  sealift image cat image.sif /etc/os-release
  sealift image cat oci-archive:image.tar /usr/bin/tool > tool`,
		Args: ui.AtLeast(2),
		RunE: func(c *cobra.Command, args []string) error {
			return o.withFiles(c.Context(), args[0], func(files contents.FS) error {
				for _, path := range args[1:] {
					if err := contents.Cat(p.Out, files, path); err != nil {
						return ui.Gone(err)
					}
				}
				return nil
			})
		},
	}
}
