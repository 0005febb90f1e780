package images

import (
	"fmt"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/documents"
)

// printAttached prints the SBOMs of an image, and its provenance, as they are in it.
func printAttached(p *ui.Process, path string, wantSBOM, wantProvenance bool) error {
	text, err := documents.Read(path, wantSBOM, wantProvenance)
	if err != nil {
		return fmt.Errorf("inspect %s: %w", path, err)
	}
	return p.Print(ui.Clean(text))
}
