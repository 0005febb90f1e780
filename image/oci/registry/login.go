package registry

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/wire"
)

// Login shows the credentials to a registry at host[:port], which accepts them
// or not: by the distribution specification's "GET /v2/", after buying a token
// where it wants one. Asked is whether it asked for any: a registry without
// logins accepts everything.
func (c *Client) Login(ctx context.Context, host string, x Credentials) (asked bool, err error) {
	rules, err := c.rules()
	if err != nil {
		return false, err
	}
	e, err := rules.Direct(host, "")
	if err != nil {
		return false, err
	}
	plain := e.Insecure || c.o.PlainHTTP != nil && c.o.PlainHTTP(e.Host)
	reg, err := registryOf(host, plain)
	if err != nil {
		return false, err
	}
	e.Host = reg.RegistryStr() // Docker Hub's other name
	watch := &challenged{inner: c.transport(e, plain)}
	rt, err := shake(ctx, reg, x.authenticator(), watch, nil, plain)
	if err != nil {
		return watch.seen.Load(), refused(host, err)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, reg.Scheme()+"://"+e.Host+"/v2/", nil)
	if err != nil {
		return false, err
	}
	resp, err := (&http.Client{Transport: rt, CheckRedirect: wire.CheckRedirect}).Do(q)
	if err == nil {
		defer resp.Body.Close()
		err = transport.CheckError(wire.Limited(resp), http.StatusOK)
	}
	return watch.seen.Load(), refused(host, err)
}

// challenged notes whether credentials were asked for.
type challenged struct {
	inner http.RoundTripper
	seen  atomic.Bool
}

// RoundTrip is http.RoundTripper's.
func (c *challenged) RoundTrip(q *http.Request) (*http.Response, error) {
	resp, err := c.inner.RoundTrip(q)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		c.seen.Store(true)
	}
	return resp, err
}

// refused says that a login failed.
func refused(host string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("log in to %s: %w", host, explain(err))
	if isStatus(err, http.StatusUnauthorized, http.StatusForbidden) {
		return hint.Wrap(err, "check the user name and the password; many registries want a token in the place of the password")
	}
	return err
}
