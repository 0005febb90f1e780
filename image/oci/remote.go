package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/sealift/sealift/image/oci/registry"
)

// Documents keeps manifests, indexes and configurations between runs, by their
// digests. What it returns is verified.
type Documents interface {
	// Get returns a document, or nil.
	Get(digest string) []byte
	// Put keeps a document if it can.
	Put(digest string, document []byte)
}

// remote is a repository of a registry: a source of blobs, by their paths in a
// layout.
type remote struct {
	ref       registry.Reference
	repo      *registry.Repository
	documents Documents
}

func openRemote(ctx context.Context, ref registry.Reference, o Options) (source, error) {
	if o.Registry == nil {
		return nil, errors.New("no registry can be reached from here")
	}
	repo, err := o.Registry.Open(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &remote{ref, repo, o.Documents}, nil
}

// Close is source's. Connections end with the client's.
func (r *remote) Close() error { return nil }

// open opens a blob; there are no other files.
func (r *remote) open(ctx context.Context, name string, size int64) (*blob, error) {
	algorithm, sum, ok := strings.Cut(strings.TrimPrefix(name, "blobs/"), "/")
	if !ok || size < 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	f, err := r.repo.Blob(ctx, algorithm+":"+sum, size)
	if err != nil {
		return nil, err
	}
	return &blob{f, f, size}, nil
}

// kept returns a document that was kept.
func (r *remote) kept(d digest) []byte {
	if r.documents == nil || d == (digest{}) {
		return nil
	}
	raw := r.documents.Get(d.String())
	h := d.new()
	h.Write(raw)
	if raw == nil || d.check("document", h) != nil {
		return nil // it is fetched again
	}
	return raw
}

func (r *remote) keep(d digest, raw []byte) {
	if r.documents != nil {
		r.documents.Put(d.String(), raw)
	}
}

// manifest returns the manifest or index of a descriptor.
func (r *remote) manifest(ctx context.Context, d descriptor) ([]byte, error) {
	raw, _, _, err := r.document(ctx, d.Digest)
	if err != nil {
		return nil, err
	}
	return raw, d.verify(raw)
}

// document returns a manifest or index, that of the reference for the zero
// digest, with its media type if that is known, and its digest.
func (r *remote) document(ctx context.Context, d digest) (raw []byte, mediaType string, is digest, err error) {
	if raw := r.kept(d); raw != nil {
		return raw, "", d, nil
	}
	name := ""
	if d != (digest{}) {
		name = d.String()
	}
	m, err := r.repo.Manifest(ctx, name)
	if err != nil {
		return nil, "", d, err
	}
	if err := is.UnmarshalText([]byte(m.Digest)); err != nil {
		return nil, "", d, err
	}
	r.keep(is, m.Raw)
	return m.Raw, m.MediaType, is, nil
}

// findRemote finds the image that the reference names.
func (img *Image) findRemote(ctx context.Context, r *remote, p Platform) error {
	resolved, err := r.repo.Resolve(ctx)
	if err != nil {
		return err
	}
	var d digest
	if resolved != "" {
		if err := d.UnmarshalText([]byte(resolved)); err != nil {
			return err
		}
	}
	raw, mediaType, d, err := r.document(ctx, d)
	if err != nil {
		return err
	}
	doc, err := parseDocument(raw, mediaType)
	if err != nil {
		return fmt.Errorf("manifest %s %w", d, err)
	}
	if doc.Manifests != nil {
		return img.choose(ctx, *doc.Manifests, p)
	}
	img.digest = d
	return img.setManifest(ctx, doc, p)
}
