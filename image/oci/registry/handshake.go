package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sealift/sealift/buildcfg/hint"
)

// maxHandshake bounds each answer before a registry is agreed with, in bytes.
const maxHandshake = 4 << 20

// shake agrees with a registry on how it is spoken to. The library reads the answer
// to its first question to the end, so that one without an end would never return;
// and it lets who redirects that question to a place without TLS have the password
// sent to another such. Plain says that the registry may do without.
func shake(ctx context.Context, reg name.Registry, auth authn.Authenticator, inner http.RoundTripper, scopes []string, plain bool) (http.RoundTripper, error) {
	b := &brief{inner: inner, host: reg.RegistryStr(), plain: plain || local(reg.RegistryStr())}
	defer b.over.Store(true)
	return transport.NewWithContext(ctx, reg, auth, b, scopes)
}

// brief bounds answers until it is over, and keeps to TLS with other hosts unless
// plain. With the registry itself, guard does.
type brief struct {
	inner http.RoundTripper
	host  string
	plain bool
	over  atomic.Bool
}

// RoundTrip is http.RoundTripper's.
func (b *brief) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.URL.Scheme != "https" && q.URL.Host != b.host && !b.plain && !b.over.Load() {
		return nil, hint.New(fmt.Sprintf("redirect to %s://%s refused: that is without TLS", q.URL.Scheme, q.URL.Host),
			"if the registry has no TLS, use --no-https=HOST, or insecure = true in registries.conf")
	}
	resp, err := b.inner.RoundTrip(q)
	if err == nil && !b.over.Load() {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxHandshake), resp.Body}
	}
	return resp, err
}
