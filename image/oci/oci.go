// Package oci opens OCI and Docker images where they lie: a registry, an OCI
// layout directory, the archive of one, or the output of "docker save".
//
// Input: a Reference, the Platform wanted, and a directory for what must be
// spooled. Output: an Image with its configuration and its layers as
// decompressed tar streams. Every byte of an image is untrusted: documents are
// bounded in size, digests are parsed before use, and each stream ends in an
// error unless its size, digest and diff ID are what the documents say.
//
// The package unpacks no layer to disk, interprets no tar of a layer, and does
// not merge: that is image/tree. Registries and daemons are read by the
// packages below.
//
// Formats: image-layout.md, image-index.md, manifest.md and config.md of the
// OCI image specification 1.1; image/spec/spec.md of moby for docker-archive.
package oci

import (
	"context"
	"fmt"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/ahead"
	"github.com/sealift/sealift/image/oci/registry"
	"github.com/sealift/sealift/image/tree"
)

// Image is an open image. Its layers can be read until Close.
type Image struct {
	source source
	digest digest
	raw    []byte
	config v1.Image
	layers []tree.Layer
	queue  *ahead.Queue // fetches layers of a registry
}

// Options are what Open works with.
type Options struct {
	// TempDir receives files without names: one as large as the archive
	// decompressed for a compressed archive and an image of a daemon, and for an
	// image of a registry as much as its largest layer has, if at all.
	TempDir string
	// Daemon is the address of the Docker daemon, as daemon.Save has it.
	Daemon string
	// Registry reads from registries; images elsewhere need none.
	Registry *registry.Client
	// Documents, if not nil, keeps manifests and configurations of images in
	// registries.
	Documents registry.Documents
	// Received, if not nil, is told how many bytes of layers have come, each time
	// that some do, by several goroutines.
	Received func(n int64)
}

// Open opens the image that ref names. Of an image for several platforms it
// takes the best that p can run; an image for another platform is an error
// whose hint tells what there is.
func Open(ctx context.Context, ref Reference, p Platform, o Options) (*Image, error) {
	img, err := open(ctx, ref, p, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return img, nil
}

func open(ctx context.Context, ref Reference, p Platform, o Options) (_ *Image, err error) {
	var src source
	switch ref.Transport {
	case Docker:
		src, err = openRemote(ctx, ref.Registry, o)
	case Layout:
		src, err = openDirectory(ref.Path)
	case DockerDaemon:
		src, err = openDaemon(ctx, ref.Path, o)
	default:
		src, err = openArchive(ctx, ref.Path, o.TempDir)
	}
	if err != nil {
		return nil, err
	}
	img := &Image{source: src}
	err = img.findIn(ctx, ref, p)
	if err != nil {
		src.Close()
		return nil, err
	}
	for _, l := range img.layers {
		l.(*layer).received = o.Received
	}
	if _, ok := src.(*remote); ok {
		img.enqueue(ctx, o.TempDir)
	}
	return img, nil
}

// findIn finds the image that ref names in the place that is open.
func (img *Image) findIn(ctx context.Context, ref Reference, p Platform) error {
	if r, ok := img.source.(*remote); ok {
		return img.findRemote(ctx, r, p)
	}
	if ref.Transport == DockerArchive || ref.Transport == DockerDaemon {
		return img.findDocker(ctx, ref.Tag, p)
	}
	if ref.Transport == AnyArchive && !img.holds(ctx, v1.ImageLayoutFile) {
		if !img.holds(ctx, dockerManifestFile) {
			return hint.New("is an archive of no image",
				"name the archive of an OCI layout or the output of docker save; to make an image of any other, unpack it")
		}
		return img.findDocker(ctx, ref.Tag, p)
	}
	return img.find(ctx, ref.Tag, p)
}

// holds tells whether the source has a file.
func (img *Image) holds(ctx context.Context, name string) bool {
	f, err := img.source.open(ctx, name, unknownSize)
	if err == nil {
		f.Close()
	}
	return err == nil
}

// Config returns the configuration; the caller must not change what it holds.
func (img *Image) Config() v1.Image { return img.config }

// RawConfig returns the configuration as the image has it, JSON text that may
// have fields which Config lacks.
func (img *Image) RawConfig() []byte { return img.raw }

// Digest returns the digest of the image's manifest, such as
// "sha256:6c3c…", or of its configuration for a docker-archive, which has no
// manifest of that kind.
func (img *Image) Digest() string { return img.digest.String() }

// Layers returns the layers, the bottom one first. A layer's String is its
// digest, or its diff ID in a docker-archive that has no other.
func (img *Image) Layers() []tree.Layer { return img.layers }

// Size returns how many bytes the layers have as they are, compressed or not; 0
// where the image does not tell.
func (img *Image) Size() (sum int64) {
	for _, l := range img.layers {
		size := l.(*layer).size
		if size == unknownSize {
			return 0
		}
		sum += size
	}
	return sum
}

// Close closes the image's files. Streams of its layers end with it.
func (img *Image) Close() error {
	if img.queue != nil {
		img.queue.Close()
	}
	return img.source.Close()
}
