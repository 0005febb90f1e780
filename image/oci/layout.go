package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/compression"
	"github.com/sealift/sealift/image/oci/registry"
)

// find finds the image with the tag in a layout.
func (img *Image) find(ctx context.Context, tag string, p Platform) error {
	if err := checkLayout(ctx, img.source); err != nil {
		return err
	}
	raw, err := readFile(ctx, img.source, v1.ImageIndexFile, maxManifest)
	if err != nil {
		return err
	}
	index, err := parseDocument(raw, "")
	if err == nil && index.Manifests == nil {
		err = errors.New("is a manifest")
	}
	if err != nil {
		return damaged("%s %w", v1.ImageIndexFile, err)
	}
	list, err := tagged(*index.Manifests, tag)
	if err != nil {
		return err
	}
	return img.choose(ctx, list, p)
}

// choose takes the image for p out of indexes in indexes.
func (img *Image) choose(ctx context.Context, list []descriptor, p Platform) error {
	for range maxNesting {
		d, err := choose(list, p)
		if err != nil {
			return err
		}
		raw, err := img.manifest(ctx, d)
		if err != nil {
			return err
		}
		doc, err := parseDocument(raw, d.MediaType)
		if err != nil {
			return fmt.Errorf("blob %s %w", d.Digest, err)
		}
		if doc.Manifests == nil {
			img.digest = d.Digest
			return img.setManifest(ctx, doc, p)
		}
		list = *doc.Manifests
	}
	return damaged("indexes are nested more than %d deep", maxNesting)
}

// manifest reads a manifest or an index. Registries keep them apart from
// blobs.
func (img *Image) manifest(ctx context.Context, d descriptor) ([]byte, error) {
	if r, ok := img.source.(*remote); ok {
		return r.manifest(ctx, d)
	}
	return readBlob(ctx, img.source, d, maxManifest)
}

func checkLayout(ctx context.Context, src source) error {
	raw, err := readFile(ctx, src, v1.ImageLayoutFile, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return hint.Wrap(fmt.Errorf("is not an OCI layout: %w", err), "for the output of docker save write %s:FILE", DockerArchive)
	}
	if err != nil {
		return err
	}
	var layout v1.ImageLayout
	if err := json.Unmarshal(raw, &layout); err != nil {
		return damaged("%s: %w", v1.ImageLayoutFile, err)
	}
	if !strings.HasPrefix(layout.Version, "1.") {
		return fmt.Errorf("is an OCI layout of version %.140q, not 1", layout.Version)
	}
	return nil
}

// tagged returns the manifests of a layout's index that have the tag. Without
// a tag they are all returned, as the platforms of one image, unless they have
// different tags.
func tagged(all []descriptor, tag string) ([]descriptor, error) {
	if len(all) == 0 {
		return nil, errors.New("holds no image")
	}
	var found []descriptor
	var tags []string
	seen := make(map[digest]bool)
	for _, d := range all {
		name := d.Annotations[v1.AnnotationRefName]
		if name != "" {
			tags = append(tags, name)
		}
		if (tag == "" || name == tag) && !seen[d.Digest] {
			seen[d.Digest] = true
			found = append(found, d)
		}
	}
	slices.Sort(tags)
	tags = slices.Compact(tags)
	if tag == "" && len(tags) > 1 && len(found) > 1 {
		return nil, manyTags(tags)
	}
	if len(found) == 0 {
		return nil, noTag(tag, tags)
	}
	return found, nil
}

func manyTags(tags []string) error {
	return hint.New("holds several images", "add one of the tags :%.2000s", strings.Join(tags, ", :"))
}

func noTag(tag string, tags []string) error {
	err := fmt.Errorf("holds no image with the tag %q", tag)
	if len(tags) == 0 {
		return hint.Wrap(err, "leave the tag out; no image there has one")
	}
	return hint.Wrap(err, "use one of the tags :%.2000s", strings.Join(tags, ", :"))
}

// configuration reads an image's configuration.
func (img *Image) configuration(ctx context.Context, d descriptor) ([]byte, error) {
	r, ok := img.source.(*remote)
	if !ok {
		return readBlob(ctx, img.source, d, maxConfig)
	}
	raw, err := registry.Document(r.documents, d.Digest.String(), func() ([]byte, error) { return readBlob(ctx, r, d, maxConfig) })
	if err != nil {
		return nil, err
	}
	return raw, d.verify(raw)
}

// setManifest takes over the configuration and layers of a manifest.
func (img *Image) setManifest(ctx context.Context, doc *document, p Platform) error {
	raw, err := img.configuration(ctx, *doc.Config)
	if err != nil {
		return fmt.Errorf("image configuration: %w", err)
	}
	diffIDs, err := img.setConfig(raw, len(*doc.Layers), p)
	if err != nil {
		return err
	}
	for i, d := range *doc.Layers {
		if d.Digest == (digest{}) || d.Size < 0 {
			return damaged("layer %d of the manifest has no digest or size", i+1)
		}
		want, err := compression.Of(d.MediaType)
		if err != nil {
			return fmt.Errorf("layer %s: %w", d.Digest, err)
		}
		img.layers = append(img.layers, &layer{
			source: img.source, path: d.Digest.path(), digest: d.Digest, size: d.Size,
			diffID: diffIDs[i], compression: want,
		})
	}
	return nil
}
