// Package oras gets and puts SIF files that lie in registries as artifacts, as
// Apptainer and SingularityCE have it: a manifest of one layer, the file.
//
// Input: a registry's client, a reference, and the file to be put. Output: the
// file, verified as it comes, or the artifact. It knows nothing of what a SIF
// holds.
package oras

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/registry"
	"github.com/sealift/sealift/image/oci/wire"
)

// layerType is the media type of the layer that is a SIF file. Old versions of
// the peers left the "v1" out.
const (
	layerType    = "application/vnd.sylabs.sif.layer.v1.sif"
	oldLayerType = "appliciation/vnd.sylabs.sif.layer.tar"
)

// File is a SIF file in a registry.
type File struct {
	connect func() (*registry.Repository, error)
	// Digest is "sha256:" and 64 hexadecimal digits, Size in bytes.
	Digest string
	Size   int64
}

// manifest is what matters of an artifact's manifest: manifest.md of the OCI
// image format.
type manifest struct {
	Layers []struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
		Size      int64  `json:"size"`
	} `json:"layers"`
}

// Find looks a file up by what the reference names: a tag costs a request, and
// what documents, unless nil, keep of a digest none.
func Find(ctx context.Context, c *registry.Client, ref registry.Reference, documents registry.Documents) (*File, error) {
	connect := sync.OnceValues(func() (*registry.Repository, error) { return c.Open(ctx, ref) })
	raw, err := find(ctx, connect, ref.Digest, documents)
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(raw.Raw, &m); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", raw.Digest, err)
	}
	if len(m.Layers) == 1 && (m.Layers[0].MediaType == layerType || m.Layers[0].MediaType == oldLayerType) {
		l := m.Layers[0]
		if sum, ok := strings.CutPrefix(l.Digest, "sha256:"); !ok || len(sum) != 2*sha256.Size || strings.Trim(sum, "0123456789abcdef") != "" || l.Size < 0 {
			return nil, fmt.Errorf("manifest %s: its layer has the digest %.140q and %d bytes", raw.Digest, l.Digest, l.Size)
		}
		return &File{connect, l.Digest, l.Size}, nil
	}
	return nil, hint.Wrap(errors.New("this is no SIF file"), "for a container image write docker:// instead of oras://")
}

// find returns the manifest of a digest, or else of the repository's reference.
func find(ctx context.Context, connect func() (*registry.Repository, error), digest string, documents registry.Documents) (*registry.Manifest, error) {
	if digest == "" {
		repo, err := connect()
		if err != nil {
			return nil, err
		}
		if digest, err = repo.Resolve(ctx); err != nil {
			return nil, err
		}
		if digest == "" { // the registry does not tell before it sends
			return repo.Manifest(ctx, "")
		}
	}
	raw, err := registry.Document(documents, digest, func() ([]byte, error) {
		repo, err := connect()
		if err != nil {
			return nil, err
		}
		m, err := repo.Manifest(ctx, digest)
		if err != nil {
			return nil, err
		}
		return m.Raw, nil
	})
	return &registry.Manifest{Raw: raw, Digest: digest}, err
}

// Copy writes the file to w. It is verified at the end: on an error, what was
// written is worth nothing.
func (f *File) Copy(ctx context.Context, w io.Writer) (err error) {
	repo, err := f.connect()
	if err != nil {
		return err
	}
	r, err := repo.Blob(ctx, f.Digest, f.Size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return wire.CopyVerified(w, r, f.Digest)
}
