// Package sbom knows software bills of materials: which format a document has, and
// how to make one of the package lists in an image.
//
// Input: documents; the files of an image. Output: the name of a format, or an
// SPDX 2.3 document. It looks at the databases of dpkg and apk and at no other
// file, and says so in what it makes.
package sbom

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// The formats that are known, by the names that SIF files have for them.
const (
	SPDX      = "spdx-json"
	CycloneDX = "cyclonedx-json"
)

// MaxSize bounds a document in bytes.
const MaxSize = 64 << 20

// head is what tells one format from the other, and either from anything else.
type head struct {
	SPDXVersion string          `json:"spdxVersion"`
	SPDXID      string          `json:"SPDXID"`
	License     string          `json:"dataLicense"`
	Namespace   string          `json:"documentNamespace"`
	Creation    json.RawMessage `json:"creationInfo"`
	Context     json.RawMessage `json:"@context"`

	BOMFormat   string `json:"bomFormat"`
	SpecVersion string `json:"specVersion"`
}

// Detect returns the format of a document, which has what every document of the
// format must have. Format, unless empty, is the one that it should be.
func Detect(text []byte, format string) (string, error) {
	if format != "" && !slices.Contains([]string{SPDX, CycloneDX}, format) {
		return "", hint.New(fmt.Sprintf("%q is no format that is checked", format),
			"name %s or %s, or add another one to the image: sealift sif add --datatype 9 --sbomformat FORMAT", SPDX, CycloneDX)
	}
	found, err := detect(text)
	if err != nil {
		return "", hint.Wrap(err, "give an SPDX or CycloneDX document in JSON")
	}
	if format != "" && format != found {
		return "", hint.New(fmt.Sprintf("it is %s, not %s", found, format), "leave the format out, or give another document")
	}
	return found, nil
}

func detect(text []byte) (string, error) {
	if len(text) > MaxSize {
		return "", fmt.Errorf("it has %d bytes; the limit is %d", len(text), MaxSize)
	}
	var h head
	if err := json.Unmarshal(text, &h); err != nil {
		return "", fmt.Errorf("it is not JSON: %w", err)
	}
	switch {
	case h.BOMFormat == "CycloneDX":
		if !strings.HasPrefix(h.SpecVersion, "1.") {
			return "", fmt.Errorf("its CycloneDX version is %q, not 1.x", h.SpecVersion)
		}
		return CycloneDX, nil
	case h.SPDXVersion != "":
		return SPDX, h.spdx2()
	case strings.Contains(string(h.Context), "spdx.org/rdf/3"):
		return SPDX, nil
	}
	return "", errors.New("it is neither SPDX nor CycloneDX")
}

// spdx2 checks what SPDX 2 requires of the start of a document.
func (h head) spdx2() error {
	if !strings.HasPrefix(h.SPDXVersion, "SPDX-2.") {
		return fmt.Errorf("its SPDX version is %q, not SPDX-2.x", h.SPDXVersion)
	}
	for name, is := range map[string]bool{
		"SPDXID":            h.SPDXID == "SPDXRef-DOCUMENT",
		"dataLicense":       h.License != "",
		"documentNamespace": h.Namespace != "",
		"creationInfo":      len(h.Creation) > 0,
	} {
		if !is {
			return fmt.Errorf("it is no SPDX document: %s is missing or wrong", name)
		}
	}
	return nil
}
