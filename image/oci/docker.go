package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// dockerManifestFile lists the images in the output of docker save.
const dockerManifestFile = "manifest.json"

// dockerImage is one element of manifest.json in the output of docker save.
// Its paths are of files in the archive, "ID/layer.tar" before Docker 25 and
// "blobs/sha256/…" since.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// findDocker finds the image with the name in a docker-archive.
func (img *Image) findDocker(ctx context.Context, name string, p Platform) error {
	raw, err := readFile(ctx, img.source, dockerManifestFile, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return hint.Wrap(fmt.Errorf("is not the output of docker save: %w", err),
			"for an OCI layout write %s:FILE; an archive from before Docker 1.10 must be saved again", LayoutArchive)
	}
	if err != nil {
		return err
	}
	var images []dockerImage
	if err := json.Unmarshal(raw, &images); err != nil {
		return damaged("manifest.json: %w", err)
	}
	found, err := named(images, name)
	if err != nil {
		return err
	}
	return img.setDocker(ctx, found, p)
}

// named returns the image with the name, or the only one if name is empty.
func named(images []dockerImage, name string) (*dockerImage, error) {
	if len(images) == 0 {
		return nil, errors.New("holds no image")
	}
	if name == "" && len(images) == 1 {
		return &images[0], nil
	}
	var tags []string
	for i := range images {
		for _, tag := range images[i].RepoTags {
			if name != "" && familiar(tag) == familiar(name) {
				return &images[i], nil
			}
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	if name == "" {
		return nil, manyTags(tags)
	}
	return nil, noTag(name, tags)
}

// familiar returns a name as Docker shows it, without the default registry
// and with a tag.
func familiar(name string) string {
	name = strings.TrimPrefix(name, "docker.io/")
	name = strings.TrimPrefix(name, "library/")
	if !strings.Contains(path.Base(name), ":") {
		name += ":latest"
	}
	return name
}

// setDocker takes over the configuration and layers of d.
func (img *Image) setDocker(ctx context.Context, d *dockerImage, p Platform) error {
	if len(d.Layers) > maxLayers {
		return fmt.Errorf("has %d layers, more than %d", len(d.Layers), maxLayers)
	}
	raw, err := readFile(ctx, img.source, d.Config, maxConfig)
	if err != nil {
		return fmt.Errorf("image configuration: %w", err)
	}
	img.digest = digestOf(raw)
	if want := digestIn(d.Config); want != (digest{}) && want != img.digest {
		return damaged("image configuration is %s, not %s", img.digest, want)
	}
	diffIDs, err := img.setConfig(raw, len(d.Layers), p)
	if err != nil {
		return err
	}
	for i, name := range d.Layers {
		l := &layer{source: img.source, path: name, size: unknownSize, diffID: diffIDs[i]}
		if strings.HasPrefix(name, "blobs/") {
			l.digest = digestIn(name)
		}
		img.layers = append(img.layers, l)
	}
	return nil
}

// digestIn returns the SHA-256 digest that the last part of a path spells, or
// the zero digest if it spells none.
func digestIn(name string) digest {
	var d digest
	if err := d.UnmarshalText([]byte("sha256:" + strings.TrimSuffix(path.Base(name), ".json"))); err != nil {
		return digest{}
	}
	return d
}
