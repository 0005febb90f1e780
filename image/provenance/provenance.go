// Package provenance tells how an image was made, in a form that others read: an
// in-toto Statement, version 1, about the image's file system, with the predicate
// SLSA Provenance, version 1 (slsa.dev/spec/v1.0/provenance).
//
// Input: what a build knows. Output: JSON, the same for the same build. It signs
// nothing: the image's signature covers it.
package provenance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ObjectName is the name of the object in an image.
const ObjectName = "provenance.intoto.json"

// The types, by the specifications; BuildType says what the parameters mean.
const (
	StatementType = "https://in-toto.io/Statement/v1"
	PredicateType = "https://slsa.dev/provenance/v1"
	BuildType     = "https://github.com/sealift/sealift/build/v1"
	Builder       = "https://github.com/sealift/sealift"
)

// Dependency is something that the build read from elsewhere.
type Dependency struct {
	// URI is the name that the recipe has for it, without secrets.
	URI string
	// Digest is "sha256:" and hexadecimal, empty where nobody knows.
	Digest string
}

// Build is what is told of a build.
type Build struct {
	// Partition is the SHA-256 digest of the image's file system, in hexadecimal.
	Partition string
	// Recipe is the text of the definition or Dockerfile.
	Recipe []byte
	// Arguments are the names of build arguments. Their values may be secret.
	Arguments []string
	// Arch is the Go name of the architecture that the image is for.
	Arch string
	// Version is that of Sealift.
	Version string
	// Dependencies are in the order of their use.
	Dependencies []Dependency
	// Time is when the build began, zero where that is not to be told.
	Time time.Time
}

type statement struct {
	Type          string     `json:"_type"`
	Subject       []resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     predicate  `json:"predicate"`
}

type resource struct {
	Name   string            `json:"name,omitempty"`
	URI    string            `json:"uri,omitempty"`
	Digest map[string]string `json:"digest,omitempty"`
}

type predicate struct {
	BuildDefinition definition `json:"buildDefinition"`
	RunDetails      run        `json:"runDetails"`
}

type definition struct {
	BuildType            string     `json:"buildType"`
	ExternalParameters   parameters `json:"externalParameters"`
	ResolvedDependencies []resource `json:"resolvedDependencies,omitempty"`
}

type parameters struct {
	Recipe         resource `json:"recipe"`
	Architecture   string   `json:"architecture"`
	BuildArguments []string `json:"buildArguments,omitempty"`
}

type run struct {
	Builder  builder   `json:"builder"`
	Metadata *metadata `json:"metadata,omitempty"`
}

type builder struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version"`
}

type metadata struct {
	StartedOn string `json:"startedOn"`
}

// Statement returns the JSON.
func Statement(b Build) ([]byte, error) {
	s := statement{
		Type: StatementType, PredicateType: PredicateType,
		Subject: []resource{{Name: "partition", Digest: map[string]string{"sha256": b.Partition}}},
		Predicate: predicate{
			BuildDefinition: definition{
				BuildType: BuildType,
				ExternalParameters: parameters{
					Recipe:       resource{Name: "recipe", Digest: map[string]string{"sha256": digest(b.Recipe)}},
					Architecture: b.Arch, BuildArguments: slices.Sorted(slices.Values(b.Arguments)),
				},
			},
			RunDetails: run{Builder: builder{ID: Builder + "@" + b.Version, Version: map[string]string{"sealift": b.Version}}},
		},
	}
	var seen []Dependency
	for _, d := range b.Dependencies {
		if slices.Contains(seen, d) {
			continue
		}
		seen = append(seen, d)
		r, err := d.resource()
		if err != nil {
			return nil, err
		}
		s.Predicate.BuildDefinition.ResolvedDependencies = append(s.Predicate.BuildDefinition.ResolvedDependencies, r)
	}
	if !b.Time.IsZero() {
		s.Predicate.RunDetails.Metadata = &metadata{b.Time.UTC().Format(time.RFC3339)}
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	return text.Bytes(), err
}

func (d Dependency) resource() (resource, error) {
	r := resource{URI: d.URI}
	if d.Digest != "" {
		algorithm, digits, ok := strings.Cut(d.Digest, ":")
		if !ok {
			return r, fmt.Errorf("the digest of %s is %q, not ALGORITHM:DIGITS", d.URI, d.Digest)
		}
		r.Digest = map[string]string{algorithm: digits}
	}
	return r, nil
}
