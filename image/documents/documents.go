// Package documents reads what a SIF file says about how it was made.
//
// Input: a SIF file. Output: the JSON of its SBOMs and of its provenance, as it is
// there. It understands none of it, and verifies nothing.
package documents

import (
	"errors"
	"os"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/provenance"
	"github.com/sealift/sealift/image/sbom"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/sif/siffile"
)

// Read returns the SBOMs of the SIF file at path, and its provenance, as far as they
// are wanted, one after the other.
func Read(path string, wantSBOM, wantProvenance bool) (text string, err error) {
	f, err := siffile.Open(path, os.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	img, err := sif.Load(f)
	if err != nil {
		return "", err
	}
	return join(img, wantSBOM, wantProvenance)
}

// join returns the documents of an image, one after the other.
func join(img *sif.Image, wantSBOM, wantProvenance bool) (string, error) {
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
