package export

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/oci/registry"
)

// Place is a Sink that is a file or directory in the making. Nothing is to be
// seen of it before Commit.
type Place interface {
	Sink
	// Commit publishes what was written. On an error of a new place nothing is
	// there; one that exists may keep blobs that nothing names.
	Commit(ctx context.Context) error
	// Abort gives it up; after Commit it does nothing.
	Abort() error
}

// transports are the kinds of Place.
var transports = []string{oci.Layout, oci.LayoutArchive, oci.DockerArchive}

// IsPlace tells whether a name begins as that of a Place does.
func IsPlace(name string) bool {
	for _, t := range transports {
		if strings.HasPrefix(name, t+":") {
			return true
		}
	}
	return false
}

// Plain tells whether layers at a Place are not to be compressed: readers of
// what docker save writes expect that.
func Plain(ref oci.Reference) bool { return ref.Transport == oci.DockerArchive }

// Create starts a Place: a layout directory, to which an image is added when it
// exists, or an archive. Force replaces an archive that exists, or an image of
// the tag in a layout.
func Create(ref oci.Reference, force bool) (Place, error) {
	switch ref.Transport {
	case oci.Layout:
		if err := checkTag(ref.Tag); err != nil {
			return nil, err
		}
		return openLayout(ref.Path, ref.Tag, force)
	case oci.LayoutArchive:
		if err := checkTag(ref.Tag); err != nil {
			return nil, err
		}
		return createArchive(ref.Path, force, layoutEnd(ref.Tag))
	case oci.DockerArchive:
		name, err := dockerName(ref.Tag)
		if err != nil {
			return nil, err
		}
		return createArchive(ref.Path, force, dockerEnd(name))
	}
	return nil, hint.New(fmt.Sprintf("an image cannot be written to %s", ref),
		"begin the output with one of %s:", strings.Join(transports, ":, "))
}

// tagGrammar is that of org.opencontainers.image.ref.name in annotations.md.
var tagGrammar = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9]+((--|[-._:@+/])[A-Za-z0-9]+)*$`)
})

func checkTag(tag string) error {
	if tag == "" || tagGrammar().MatchString(tag) {
		return nil
	}
	return hint.New(fmt.Sprintf("%q is not a tag of an image in a layout", tag),
		"use letters and digits, with one of - . _ : @ + / between them")
}

// dockerName returns NAME[:TAG] with a tag, as docker load expects it.
func dockerName(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	ref, err := registry.ParseReference(name)
	switch {
	case err != nil:
		return "", err
	case ref.Digest != "":
		return "", hint.New(fmt.Sprintf("%q has a digest, which the image does not have yet", name), "write NAME[:TAG]")
	case !strings.HasSuffix(name, ":"+ref.Tag):
		name += ":" + ref.Tag
	}
	return name, nil
}
