package oci

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/registry"
)

// Transports: the kinds of place that hold images.
const (
	Docker        = "docker" // a registry
	Layout        = "oci"
	LayoutArchive = "oci-archive"
	DockerArchive = "docker-archive"
	DockerDaemon  = "docker-daemon"
	// AnyArchive is either archive, whichever Open finds; ParseReference does
	// not know it. Where a file is both, as docker save makes them, it is
	// read as a LayoutArchive.
	AnyArchive = "archive"
)

// Transports returns those that ParseReference knows.
func Transports() []string {
	return []string{Docker, DockerArchive, DockerDaemon, Layout, LayoutArchive}
}

// Reference names an image in a place.
type Reference struct {
	// Transport is one of the constants of this package.
	Transport string
	// Registry is where a Docker image is.
	Registry registry.Reference
	// Path is a directory for Layout, an image's name for DockerDaemon, a file for
	// the others.
	Path string
	// Tag selects among several images in the place: the value of the
	// annotation org.opencontainers.image.ref.name in a layout, name:tag in a
	// docker-archive. It may be empty.
	Tag string
}

// ParseReference reads "docker://NAME", as registry.ParseReference has it, or
// "docker-daemon:NAME", "oci:DIR[:TAG]", "oci-archive:FILE[:TAG]" or
// "docker-archive:FILE[:NAME[:TAG]]", as Apptainer and skopeo spell them: the path
// ends at the first colon. "//" after the transport may be there or not.
func ParseReference(s string) (Reference, error) {
	transport, rest, found := strings.Cut(s, ":")
	switch {
	case !found:
		return Reference{}, unknownTransport(s, "has no transport")
	case transport == Docker:
		r, err := registry.ParseReference(rest)
		return Reference{Transport: Docker, Registry: r}, err
	case transport == DockerDaemon && strings.TrimPrefix(rest, "//") != "":
		return Reference{Transport: DockerDaemon, Path: strings.TrimPrefix(rest, "//")}, nil
	case !slices.Contains(Transports(), transport):
		return Reference{}, unknownTransport(s, fmt.Sprintf("has the unknown transport %q", transport))
	}
	path, tag, tagged := strings.Cut(strings.TrimPrefix(rest, "//"), ":")
	if path == "" || strings.IndexByte(s, 0) >= 0 {
		return Reference{}, hint.New(fmt.Sprintf("image reference %q has no path", s), "write it as %s:PATH[:TAG]", transport)
	}
	if tagged && tag == "" {
		return Reference{}, hint.New(fmt.Sprintf("image reference %q has an empty tag", s), "remove the last colon or add a tag")
	}
	return Reference{Transport: transport, Path: path, Tag: tag}, nil
}

func unknownTransport(s, what string) error {
	return hint.New(fmt.Sprintf("image reference %q %s", s, what),
		"begin it with one of %s:", strings.Join(Transports(), ":, "))
}

// String returns the form that ParseReference reads.
func (r Reference) String() string {
	if r.Transport == Docker {
		return "docker://" + r.Registry.String()
	}
	s := r.Transport + ":"
	if strings.HasPrefix(r.Path, "//") {
		s += "//" // which would be taken off the path
	}
	s += r.Path
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	return s
}
