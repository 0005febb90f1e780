package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Bounds on documents. Registries refuse manifests over 4 MiB.
const (
	maxManifest = 4 << 20 // bytes, also of an index
	maxConfig   = 8 << 20 // bytes
	maxLayers   = 1000
	maxNesting  = 8 // indexes in indexes
)

// Media types of documents. Those of layers are in compression.go.
const (
	dockerManifest  = "application/vnd.docker.distribution.manifest.v2+json"
	dockerIndex     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerConfig    = "application/vnd.docker.container.image.v1+json"
	dockerManifest1 = "application/vnd.docker.distribution.manifest.v1"
)

// descriptor points to a blob; descriptor.md.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      digest            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    *Platform         `json:"platform"`
	Annotations map[string]string `json:"annotations"`
}

// document is an index or a manifest. Both are decoded alike so that one which
// claims to be both is seen (CVE-2021-41190).
type document struct {
	SchemaVersion int           `json:"schemaVersion"`
	MediaType     string        `json:"mediaType"`
	Manifests     *[]descriptor `json:"manifests"`
	Config        *descriptor   `json:"config"`
	Layers        *[]descriptor `json:"layers"`
}

// parseDocument decodes an index or manifest that a descriptor says has the
// given media type, which may be empty.
func parseDocument(raw []byte, mediaType string) (*document, error) {
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, err
	}
	if d.SchemaVersion == 1 || strings.HasPrefix(d.MediaType, dockerManifest1) {
		return nil, hint.New("has a manifest of Docker's schema 1", "save the image again with a Docker or Podman of this decade")
	}
	if d.MediaType != "" && mediaType != "" && d.MediaType != mediaType {
		return nil, fmt.Errorf("is of media type %.140q, but %.140q where it is named", d.MediaType, mediaType)
	}
	if (d.Manifests != nil) == (d.Layers != nil) {
		return nil, errors.New("is not either an index with manifests or a manifest with layers")
	}
	if d.MediaType == "" {
		d.MediaType = mediaType
	}
	return &d, d.check()
}

func (d *document) check() error {
	switch d.MediaType {
	case "":
	case v1.MediaTypeImageIndex, dockerIndex:
		if d.Manifests == nil {
			return errors.New("is an index without manifests")
		}
	case v1.MediaTypeImageManifest, dockerManifest:
		if d.Layers == nil {
			return errors.New("is a manifest without layers")
		}
	default:
		return fmt.Errorf("has the unknown media type %.140q", d.MediaType)
	}
	if d.Manifests != nil {
		return nil
	}
	if d.Config == nil {
		return errors.New("is a manifest without a configuration")
	}
	if t := d.Config.MediaType; t != v1.MediaTypeImageConfig && t != dockerConfig {
		return fmt.Errorf("is an artifact of type %.140q, not a container image", t)
	}
	if n := len(*d.Layers); n > maxLayers {
		return fmt.Errorf("has %d layers, more than %d", n, maxLayers)
	}
	return nil
}

// setConfig parses an image's configuration, raw, and returns the diff IDs of
// its layers, of which there must be count.
func (img *Image) setConfig(raw []byte, count int, p Platform) ([]digest, error) {
	var checked struct {
		RootFS struct {
			DiffIDs []digest `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := errors.Join(json.Unmarshal(raw, &checked), json.Unmarshal(raw, &img.config)); err != nil {
		return nil, fmt.Errorf("image configuration: %w", err)
	}
	img.raw = raw
	c := &img.config
	if c.OS == "" || c.Architecture == "" {
		return nil, damaged("image configuration names no platform")
	}
	if q := (Platform{c.OS, c.Architecture, c.Variant}); !p.runs(q) {
		return nil, wrongPlatform(p, []string{q.String()})
	}
	if n := len(checked.RootFS.DiffIDs); n != count {
		return nil, damaged("image configuration has diff IDs for %d layers, the image has %d", n, count)
	}
	return checked.RootFS.DiffIDs, nil
}

// readFile reads a file of at most limit bytes.
func readFile(ctx context.Context, src source, name string, limit int64) ([]byte, error) {
	f, err := src.open(ctx, name, unknownSize)
	if err != nil {
		return nil, err
	}
	return readAll(f, name, limit)
}

// readAll reads the whole of a file of at most limit bytes, and closes it.
func readAll(f *blob, name string, limit int64) ([]byte, error) {
	defer f.Close()
	if f.size > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, f.size, limit)
	}
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if int64(len(raw)) != f.size {
		return nil, damaged("%s has %d bytes, not %d", name, len(raw), f.size)
	}
	return raw, nil
}

// readBlob reads the blob of a descriptor and verifies it.
func readBlob(ctx context.Context, src source, d descriptor, limit int64) ([]byte, error) {
	if d.Digest == (digest{}) {
		return nil, damaged("a descriptor has no digest")
	}
	if d.Size > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", d.Digest, d.Size, limit)
	}
	f, err := src.open(ctx, d.Digest.path(), d.Size)
	if err != nil {
		return nil, missing(err)
	}
	raw, err := readAll(f, d.Digest.path(), limit)
	if err != nil {
		return nil, err
	}
	return raw, d.verify(raw)
}

// verify tells whether raw is the blob.
func (d descriptor) verify(raw []byte) error {
	if int64(len(raw)) != d.Size {
		return damaged("blob %s has %d bytes, not %d", d.Digest, len(raw), d.Size)
	}
	h := d.Digest.new()
	h.Write(raw)
	return d.Digest.check("blob", h)
}
