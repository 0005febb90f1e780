package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sealift/sealift/buildcfg/hint"
)

// maxDepth bounds indexes in indexes.
const maxDepth = 4

// Tag gives the image that from names another name in the same registry, and
// returns its digest. No bytes but the manifests' are sent: a blob is shared
// between repositories.
func (c *Client) Tag(ctx context.Context, from, to Reference) (digest string, err error) {
	if from.Host != to.Host {
		return "", hint.New(fmt.Sprintf("%s and %s are in two registries", from, to), "pull the image, and push it")
	}
	w, err := c.Writer(ctx, to)
	if err != nil {
		return "", err
	}
	source := w.e
	if from.Repository != to.Repository {
		if source, err = c.direct(ctx, from, transport.PullScope); err != nil {
			return "", err
		}
	}
	m, err := source.manifest(ctx, from.identifier(), from.Digest)
	if err != nil {
		return "", err
	}
	if source != w.e {
		if err := w.share(ctx, source, from.Repository, m, maxDepth); err != nil {
			return "", err
		}
	}
	return w.PutManifest(ctx, m.MediaType, m.Raw)
}

// share makes what a manifest or index of another repository names known to this
// one.
func (w *Writer) share(ctx context.Context, source *endpoint, from string, m *Manifest, depth int) error {
	type descriptor struct {
		Digest string
		Size   int64
	}
	var list struct {
		Config            *descriptor
		Layers, Manifests []descriptor
	}
	if err := json.Unmarshal(m.Raw, &list); err != nil {
		return fmt.Errorf("manifest %s: %w", m.Digest, err)
	}
	if depth == 0 {
		return errors.New("its indexes are nested too deeply")
	}
	for _, d := range list.Manifests {
		inner, err := source.manifest(ctx, d.Digest, d.Digest)
		if err == nil {
			err = w.share(ctx, source, from, inner, depth-1)
		}
		if err == nil {
			_, err = w.putManifest(ctx, inner.Digest, inner.MediaType, inner.Raw)
		}
		if err != nil {
			return err
		}
	}
	if list.Config != nil {
		list.Layers = append(list.Layers, *list.Config)
	}
	for _, d := range list.Layers {
		if _, err := w.PutBlob(ctx, Blob{Digest: d.Digest, Size: d.Size, From: from}); err != nil {
			return err
		}
	}
	return nil
}
