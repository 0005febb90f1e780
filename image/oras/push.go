package oras

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"

	"github.com/sealift/sealift/image/oci/registry"
)

// What an artifact says of itself, as Apptainer 1.5 writes it: the manifest's
// type, and the type and the contents of a configuration that says nothing.
const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.sylabs.sif.config.v1+json"
	noConfig     = "{}"
)

// titleKey is the annotation with a file's name; annotations.md of the OCI image
// format.
const titleKey = "org.opencontainers.image.title"

// Upload is a SIF file to be pushed.
type Upload struct {
	File io.ReaderAt
	Size int64 // in bytes
	// Title is the file's name, without directories.
	Title string
	// Sent, if not nil, is told how many bytes more are on their way.
	Sent func(n int64)
}

// artifact is a manifest as it is written. The order of its fields is
// Apptainer's, as is every byte of it: equal files are one artifact, whoever
// pushed them.
type artifact struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

// descriptor is descriptor.md of the OCI image format.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Size        int64             `json:"size"`
	Digest      string            `json:"digest"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Push uploads a file, unless the registry has it, as what the reference names.
// It returns the manifest's digest, and whether the registry had the file.
func Push(ctx context.Context, c *registry.Client, ref registry.Reference, u Upload) (digest string, had bool, err error) {
	w, err := c.Writer(ctx, ref)
	if err != nil {
		return "", false, err
	}
	m, err := u.manifest()
	if err != nil {
		return "", false, err
	}
	if _, err := w.PutBlob(ctx, registry.Blob{Digest: m.Config.Digest, Size: m.Config.Size, Content: strings.NewReader(noConfig)}); err != nil {
		return "", false, err
	}
	if had, err = w.PutBlob(ctx, registry.Blob{Digest: m.Layers[0].Digest, Size: u.Size, Content: u.File, Sent: u.Sent}); err != nil {
		return "", false, err
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return "", false, err
	}
	digest, err = w.PutManifest(ctx, manifestType, raw)
	return digest, had, err
}

// manifest reads the file for its digest.
func (u Upload) manifest() (*artifact, error) {
	h := sha256.New()
	n, err := io.Copy(h, io.NewSectionReader(u.File, 0, u.Size))
	if err == nil && n != u.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	config := sha256.Sum256([]byte(noConfig))
	return &artifact{
		SchemaVersion: 2, MediaType: manifestType,
		Config: descriptor{MediaType: configType, Size: int64(len(noConfig)), Digest: digestOf(config[:])},
		Layers: []descriptor{{MediaType: layerType, Size: u.Size, Digest: digestOf(h.Sum(nil)), Annotations: map[string]string{titleKey: u.Title}}},
	}, nil
}

func digestOf(sum []byte) string { return "sha256:" + hex.EncodeToString(sum) }
