package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sealift/sealift/image/oci/wire"
)

// Blob opens the blob of a digest that has size bytes, as wire.Open does: of the
// mirrors first, and of the next place when one breaks again and again.
func (r *Repository) Blob(ctx context.Context, digest string, size int64) (io.ReadCloser, error) {
	if _, err := newHash(digest); err != nil {
		return nil, err
	}
	at := 0 // the endpoint that is read, by its place among the repository's
	return wire.Open(ctx, r.endpoints[0].c.wire, wire.Source{
		Name: "blob " + digest, Remedy: "the image in the registry is damaged; it has to be pushed again", Size: size,
		Host: func() string { return r.endpoints[at].Host },
		Ask: func(ctx context.Context, part http.Header, use func(*http.Response) error) error {
			return r.try(ctx, &at, func(e *endpoint) error { return e.askBlob(ctx, digest, part, use) })
		},
		Broken: func(times int, err error) bool {
			if times <= wire.MirrorTries || at == len(r.endpoints)-1 {
				return false
			}
			r.endpoints[at].skip(err)
			return true
		},
	})
}

// askBlob asks for a part of a blob.
func (e *endpoint) askBlob(ctx context.Context, digest string, part http.Header, use func(*http.Response) error) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url("blobs", digest), nil)
	if err != nil {
		return err
	}
	q.Header = part.Clone() // what a transport adds, such as credentials, is for this endpoint
	resp, err := e.client.Do(q)
	if err == nil && resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && q.Header.Get("Range") != "" {
		// There may be no parts to be had, so all of it is asked for. If it is shorter
		// than it should be, the answer to that tells.
		wire.Discard(resp.Body)
		q = q.Clone(ctx)
		q.Header.Del("Range")
		resp, err = e.client.Do(q)
	}
	if err == nil {
		err = transport.CheckError(wire.Limited(resp), http.StatusOK, http.StatusPartialContent)
	}
	if err != nil {
		return fmt.Errorf("blob %s: %w", digest, explain(err))
	}
	return use(resp)
}
