// Package export makes OCI images of one layer out of root file systems.
//
// Input: a tree whose contents can be opened, what is known of the image, and a
// Sink. Output: the blobs of the image in the sink: the layer, whose digest and
// size are known when its last byte is out, the configuration and the manifest.
// Nothing is unpacked, memory does not grow with the contents, and equal inputs
// give equal bytes. Sinks that are layouts and archives are here too; they
// appear whole or not at all.
//
// The package does not read images, speak to registries, or look at the host.
//
// Formats: manifest.md, config.md, layer.md and image-layout.md of the OCI image
// format 1.1; image/spec/spec.md of moby for docker-archive.
package export

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/oci/compression"
	"github.com/sealift/sealift/image/tree"
)

// Media types of documents.
const (
	MediaTypeManifest = "application/vnd.oci.image.manifest.v1+json"
	MediaTypeConfig   = "application/vnd.oci.image.config.v1+json"
	mediaTypeIndex    = "application/vnd.oci.image.index.v1+json"
)

// Image is a root file system that becomes an OCI image.
type Image struct {
	// Root is the file system; the contents of its files are tree.Openers.
	Root *tree.Node
	// Base is the configuration of the OCI image that it was made from: the
	// object config of an image configuration, as JSON. Nil stands for none.
	Base []byte
	// Arch is the Go name of the architecture, Variant the processor's variant or
	// empty.
	Arch, Variant string
	// Created is when the image was made.
	Created time.Time
	// CreatedBy is what its history calls the command that made it.
	CreatedBy string
	// Compression is how the layer is compressed.
	Compression compression.Choice
}

// Descriptor says what a blob is; descriptor.md.
type Descriptor struct {
	MediaType string `json:"mediaType"`
	// Digest is "sha256:" and hexadecimal.
	Digest string `json:"digest"`
	// Size is in bytes.
	Size int64 `json:"size"`
}

// Sink keeps the blobs of one image. They come in the order of its methods.
type Sink interface {
	// Layer keeps what write writes to the writer it is given. What it is, is
	// known when write has returned.
	Layer(ctx context.Context, write func(io.Writer) (Descriptor, error)) error
	// Config keeps the image's configuration.
	Config(ctx context.Context, d Descriptor, data []byte) error
	// Manifest keeps the manifest, with which the image is complete.
	Manifest(ctx context.Context, d Descriptor, data []byte) error
}

// Report tells what was written.
type Report struct {
	// Manifest, Config and Layer are the blobs of the image.
	Manifest, Config, Layer Descriptor
	// DiffID is the digest of the layer before compression.
	DiffID string
	// Sockets is how many sockets a layer could not hold.
	Sockets int
}

// Warnings returns one line for each kind of loss.
func (r Report) Warnings() []string {
	if r.Sockets == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d sockets are left out: a layer cannot hold them", r.Sockets)}
}

// Write writes the image to the sink.
func (i Image) Write(ctx context.Context, to Sink) (r Report, err error) {
	files, err := metadata.FromTree(i.Root)
	if err != nil {
		return r, err
	}
	run, err := i.running(files)
	if err == nil && i.hasOwn(files) {
		i.Root, err = withRunscript(i.Root)
	}
	if err != nil {
		return r, err
	}
	err = to.Layer(ctx, func(w io.Writer) (Descriptor, error) {
		err := i.writeLayer(ctx, w, &r)
		return r.Layer, err
	})
	if err != nil {
		return r, err
	}
	config, err := i.config(run, r.DiffID)
	if err != nil {
		return r, err
	}
	r.Config = descriptor(MediaTypeConfig, config)
	if err := to.Config(ctx, r.Config, config); err != nil {
		return r, err
	}
	manifest, err := json.Marshal(manifest{2, MediaTypeManifest, r.Config, []Descriptor{r.Layer}})
	if err != nil {
		return r, err
	}
	r.Manifest = descriptor(MediaTypeManifest, manifest)
	return r, to.Manifest(ctx, r.Manifest, manifest)
}

// manifest is an image manifest; manifest.md.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        Descriptor   `json:"config"`
	Layers        []Descriptor `json:"layers"`
}

func descriptor(mediaType string, data []byte) Descriptor {
	return Descriptor{mediaType, fmt.Sprintf("sha256:%x", sha256.Sum256(data)), int64(len(data))}
}

// writeLayer writes the layer and describes it.
func (i Image) writeLayer(ctx context.Context, w io.Writer, r *Report) error {
	out := &sum{w: w, hash: sha256.New()}
	encoder, err := compression.NewEncoder(out, i.Compression)
	if err != nil {
		return err
	}
	plain := &sum{w: encoder, hash: sha256.New()}
	r.Sockets, err = writeTar(ctx, plain, i.Root)
	if err != nil {
		_ = encoder.Close() // ends its goroutines; what it wrote is given up
		return err
	}
	if err := encoder.Close(); err != nil {
		return err
	}
	r.DiffID = plain.digest()
	r.Layer = Descriptor{i.Compression.Kind.MediaType(), out.digest(), out.n}
	return nil
}

// sum counts and hashes what is written through it.
type sum struct {
	w    io.Writer
	hash hash.Hash
	n    int64
}

func (s *sum) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.hash.Write(p[:n])
	s.n += int64(n)
	return n, err
}

func (s *sum) digest() string { return fmt.Sprintf("sha256:%x", s.hash.Sum(nil)) }
