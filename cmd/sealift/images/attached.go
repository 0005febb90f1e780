package images

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/provenance"
	"github.com/sealift/sealift/image/sbom"
	"github.com/sealift/sealift/image/sif"
)

// printAttached prints the SBOMs of an image, and its provenance, as they are in it.
func printAttached(p *ui.Process, path string, wantSBOM, wantProvenance bool) error {
	f, err := sif.OpenFile(path, os.O_RDONLY)
	if err != nil {
		return err
	}
	text, err := attached(f, wantSBOM, wantProvenance)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("inspect %s: %w", path, err)
	}
	return p.Print(ui.Clean(text))
}

// attached returns the documents, one after the other.
func attached(f *os.File, wantSBOM, wantProvenance bool) (string, error) {
	img, err := sif.Load(f)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	haveSBOM, haveProvenance := false, false
	for _, o := range img.Objects() {
		isSBOM, isProvenance := o.Type == sif.SBOM, o.Type == sif.JSON && o.Name == provenance.ObjectName
		if !(isSBOM && wantSBOM || isProvenance && wantProvenance) {
			continue
		}
		haveSBOM, haveProvenance = haveSBOM || isSBOM, haveProvenance || isProvenance
		text, err := img.Read(o, sbom.MaxSize)
		if err != nil {
			return "", err
		}
		b.WriteString(strings.TrimSuffix(string(text), "\n") + "\n")
	}
	switch {
	case wantSBOM && !haveSBOM:
		return "", hint.New("the image has no SBOM", "build it again with --sbom, or add one: sealift sif add --datatype 9")
	case wantProvenance && !haveProvenance:
		return "", hint.New("the image does not tell how it was made", "build it again: builds record that, unless --provenance=false")
	}
	return b.String(), nil
}
