package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	"github.com/sealift/sealift/image/oci/ahead"
	"github.com/sealift/sealift/image/oci/registry"
)

// remote is a repository of a registry: a source of blobs, by their paths in a
// layout.
type remote struct {
	ref registry.Reference
	// connect returns the repository, which is connected to when something is
	// wanted of it: what was kept needs no registry.
	connect   func() (*registry.Repository, error)
	documents registry.Documents
}

func openRemote(ctx context.Context, ref registry.Reference, o Options) (source, error) {
	if o.Registry == nil {
		return nil, errors.New("no registry can be reached from here")
	}
	connect := sync.OnceValues(func() (*registry.Repository, error) { return o.Registry.Open(ctx, ref) })
	return &remote{ref, connect, o.Documents}, nil
}

// Close is source's. Connections end with the client's.
func (r *remote) Close() error { return nil }

// open opens a blob; there are no other files.
func (r *remote) open(ctx context.Context, name string, size int64) (*blob, error) {
	algorithm, sum, ok := strings.Cut(strings.TrimPrefix(name, "blobs/"), "/")
	if !ok || size < 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	repo, err := r.connect()
	if err != nil {
		return nil, err
	}
	f, err := repo.Blob(ctx, algorithm+":"+sum, size)
	if err != nil {
		return nil, err
	}
	return &blob{f, f, size}, nil
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
	name := ""
	if d != (digest{}) {
		name = d.String()
	}
	fetch := func() ([]byte, error) {
		repo, err := r.connect()
		if err != nil {
			return nil, err
		}
		m, err := repo.Manifest(ctx, name)
		if err != nil {
			return nil, err
		}
		mediaType = m.MediaType
		return m.Raw, is.UnmarshalText([]byte(m.Digest))
	}
	if name == "" {
		raw, err = fetch()
		return raw, mediaType, is, err
	}
	raw, err = registry.Document(r.documents, name, fetch)
	return raw, mediaType, d, err
}

// resolve returns the digest that the reference names, empty if the registry
// does not tell before it sends the document.
func (r *remote) resolve(ctx context.Context) (string, error) {
	if r.ref.Digest != "" {
		return r.ref.Digest, nil
	}
	repo, err := r.connect()
	if err != nil {
		return "", err
	}
	return repo.Resolve(ctx)
}

// queued is a remote whose layers are fetched ahead. Each has a place in the
// queue, the one that is read first the first.
type queued struct {
	source
	queue *ahead.Queue
	place int
}

func (q queued) open(ctx context.Context, _ string, size int64) (*blob, error) {
	f, err := q.queue.Open(ctx, q.place)
	if err != nil {
		return nil, err
	}
	return &blob{f, f, size}, nil
}

// enqueue has the layers fetched in the order in which a merge reads them: from
// the top down.
func (img *Image) enqueue(ctx context.Context, dir string) {
	top := len(img.layers) - 1
	blobs := make([]ahead.Blob, len(img.layers))
	for i := range blobs {
		l := img.layers[top-i].(*layer)
		from := l.source
		blobs[i] = ahead.Blob{Size: l.size, Open: func(ctx context.Context) (io.ReadCloser, error) {
			f, err := from.open(ctx, l.path, l.size)
			return f, missing(err)
		}}
	}
	img.queue = ahead.New(ctx, dir, blobs)
	for i := range blobs {
		l := img.layers[top-i].(*layer)
		l.source = queued{l.source, img.queue, i}
	}
}

// findRemote finds the image that the reference names.
func (img *Image) findRemote(ctx context.Context, r *remote, p Platform) error {
	resolved, err := r.resolve(ctx)
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
