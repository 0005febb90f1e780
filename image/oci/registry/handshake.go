package registry

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// maxHandshake bounds each answer before a registry is agreed with, in bytes.
const maxHandshake = 4 << 20

// shake agrees with a registry on how it is spoken to. The library reads the answer
// to its first question to the end, so that one without an end would never return.
func shake(ctx context.Context, reg name.Registry, auth authn.Authenticator, inner http.RoundTripper, scopes []string) (http.RoundTripper, error) {
	b := &brief{inner: inner}
	defer b.over.Store(true)
	return transport.NewWithContext(ctx, reg, auth, b, scopes)
}

// brief bounds answers until it is over.
type brief struct {
	inner http.RoundTripper
	over  atomic.Bool
}

// RoundTrip is http.RoundTripper's.
func (b *brief) RoundTrip(q *http.Request) (*http.Response, error) {
	resp, err := b.inner.RoundTrip(q)
	if err == nil && !b.over.Load() {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxHandshake), resp.Body}
	}
	return resp, err
}
