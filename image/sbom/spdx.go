package sbom

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Subject is what a document is about.
type Subject struct {
	// Digest is the SHA-256 digest of the image's file system, in hexadecimal.
	Digest string
	// Version is that of Sealift.
	Version string
	// Time is when the image was made.
	Time time.Time
}

// The parts of SPDX 2.3 that are written; spdx.github.io/spdx-spec/v2.3.
type document struct {
	SPDXVersion       string         `json:"spdxVersion"`
	DataLicense       string         `json:"dataLicense"`
	SPDXID            string         `json:"SPDXID"`
	Name              string         `json:"name"`
	DocumentNamespace string         `json:"documentNamespace"`
	CreationInfo      creationInfo   `json:"creationInfo"`
	Comment           string         `json:"comment"`
	DocumentDescribes []string       `json:"documentDescribes"`
	Packages          []pkg          `json:"packages"`
	Relationships     []relationship `json:"relationships"`
}

type creationInfo struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type pkg struct {
	SPDXID           string        `json:"SPDXID"`
	Name             string        `json:"name"`
	VersionInfo      string        `json:"versionInfo,omitempty"`
	DownloadLocation string        `json:"downloadLocation"`
	FilesAnalyzed    bool          `json:"filesAnalyzed"`
	Checksums        []checksum    `json:"checksums,omitempty"`
	SourceInfo       string        `json:"sourceInfo,omitempty"`
	ExternalRefs     []externalRef `json:"externalRefs,omitempty"`
	Purpose          string        `json:"primaryPackagePurpose,omitempty"`
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type externalRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	Element string `json:"spdxElementId"`
	Type    string `json:"relationshipType"`
	Related string `json:"relatedSpdxElement"`
}

const (
	documentID = "SPDXRef-DOCUMENT"
	imageID    = "SPDXRef-Image"
)

// Document returns an SPDX document that lists the packages, the same for the same
// packages and subject.
func (p *Packages) Document(s Subject) ([]byte, error) {
	d := document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: documentID, Name: "image",
		DocumentNamespace: "https://spdx.org/spdxdocs/sealift-" + s.Digest,
		CreationInfo:      creationInfo{s.Time.UTC().Format(time.RFC3339), []string{"Tool: sealift-" + s.Version}},
		Comment:           p.coverage(), DocumentDescribes: []string{imageID},
		Packages: []pkg{{
			SPDXID: imageID, Name: "image", DownloadLocation: "NOASSERTION", Purpose: "CONTAINER",
			Checksums: []checksum{{"SHA256", s.Digest}},
		}},
		Relationships: []relationship{{documentID, "DESCRIBES", imageID}},
	}
	used := map[string]int{}
	for _, x := range p.sorted() {
		id := identifier(x, used)
		info := "listed in " + x.From
		if x.Source != "" && x.Source != x.Name {
			info += ", built from " + x.Source
		}
		d.Packages = append(d.Packages, pkg{
			SPDXID: id, Name: x.Name, VersionInfo: x.Version, DownloadLocation: "NOASSERTION", SourceInfo: info,
			ExternalRefs: []externalRef{{"PACKAGE-MANAGER", "purl", p.purl(x)}},
		})
		d.Relationships = append(d.Relationships, relationship{imageID, "CONTAINS", id})
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	err := e.Encode(d)
	return text.Bytes(), err
}

// coverage says what is in the document and what is not.
func (p *Packages) coverage() string {
	text := fmt.Sprintf("This document lists the %d packages that %s name. It does not list files that no package of these has, "+
		"nor what package managers of languages have installed.", len(p.List), strings.Join(p.Read, ", "))
	if len(p.Other) > 0 {
		text += " Package databases that were not read: " + strings.Join(p.Other, ", ") + "."
	}
	return text
}

func (p *Packages) sorted() []Package {
	return slices.SortedStableFunc(slices.Values(p.List), func(a, b Package) int {
		return cmp.Or(cmp.Compare(a.Manager, b.Manager), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Version, b.Version))
	})
}

// unfit is what an SPDX identifier must not have.
var unfit = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^a-zA-Z0-9.-]+`) })

// identifier returns the identifier of a package, which no other one has.
func identifier(x Package, used map[string]int) string {
	id := "SPDXRef-Package-" + unfit().ReplaceAllString(strings.Join([]string{x.Manager, x.Name, x.Arch}, "-"), "-")
	free := id
	for used[free] > 0 { // what is counted up may be another one's own
		used[id]++
		free = fmt.Sprintf("%s..%d", id, used[id])
	}
	used[free]++
	return free
}

// purl is the package's URL: github.com/package-url/purl-spec.
func (p *Packages) purl(x Package) string {
	vendor := p.Distribution
	if vendor == "" {
		vendor = map[string]string{"deb": "debian", "apk": "alpine"}[x.Manager]
	}
	text := "pkg:" + x.Manager + "/" + escape(vendor) + "/" + escape(x.Name) + "@" + escape(x.Version)
	var qualifiers []string
	if x.Arch != "" {
		qualifiers = append(qualifiers, "arch="+escape(x.Arch))
	}
	if p.Distribution != "" && p.Release != "" {
		qualifiers = append(qualifiers, "distro="+escape(p.Distribution+"-"+p.Release))
	}
	if len(qualifiers) > 0 {
		text += "?" + strings.Join(qualifiers, "&")
	}
	return text
}

// escape is percent-encoding as package URLs have it.
func escape(s string) string {
	return strings.NewReplacer("+", "%20", "%3A", ":", "%7E", "~").Replace(url.QueryEscape(s))
}
