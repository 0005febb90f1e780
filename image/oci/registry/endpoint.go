package registry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/mirrors"
	"github.com/sealift/sealift/image/oci/wire"
)

// endpoint is a repository in one registry: where images of a Repository may be.
type endpoint struct {
	mirrors.Endpoint
	c *Client
	// own is whether the reference names this very host.
	own bool

	mu     sync.Mutex
	repo   name.Repository
	client *http.Client // nil until it is connected

	// gone is set when it failed and is not asked again, told when a warning
	// said so or that something is not there.
	gone, told atomic.Bool
}

// rules returns the rules of registries.conf.
func (c *Client) rules() (*mirrors.Rules, error) {
	if c.o.Mirrors == nil {
		return nil, nil
	}
	return c.o.Mirrors()
}

// endpoints returns where an image may be, in order, the registry itself last.
func (c *Client) endpoints(ref Reference) ([]*endpoint, error) {
	rules, err := c.rules()
	if err != nil {
		return nil, err
	}
	places, err := rules.Endpoints(ref.Host, ref.Repository, ref.Digest != "")
	if err != nil {
		return nil, err
	}
	list := make([]*endpoint, len(places))
	for i, e := range places {
		list[i] = &endpoint{Endpoint: e, c: c, own: e.Host == ref.Host && !e.Mirror}
	}
	return list, nil
}

// try asks the endpoints from at on until one answers, which at is then. Only
// what the last one, the registry itself, says is an error: what is wrong with a
// mirror is a warning.
func (r *Repository) try(ctx context.Context, at *int, ask func(*endpoint) error) error {
	for last := len(r.endpoints) - 1; ; *at++ {
		e := r.endpoints[*at]
		if *at < last && e.gone.Load() {
			continue
		}
		err := e.connect(ctx)
		if err == nil {
			err = ask(e)
		}
		if err == nil || *at == last || ctx.Err() != nil {
			return err
		}
		e.skip(err)
	}
}

// skip notes that a mirror failed. One that only lacks something is asked for
// other things.
func (e *endpoint) skip(err error) {
	if !isStatus(err, http.StatusNotFound) {
		e.gone.Store(true)
	}
	if !e.told.Swap(true) {
		e.c.wire.Warnf("mirror %s/%s: %v; asking the next one", e.Host, e.Repository, err)
	}
}

// connect asks the registry how it wants to be spoken to, and shows it the
// credentials, unless that was done.
func (e *endpoint) connect(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client != nil {
		return nil
	}
	rt, repo, err := e.c.handshake(ctx, e.Endpoint, e.own, transport.PullScope)
	if err != nil {
		return err
	}
	e.repo, e.client = repo, &http.Client{Transport: rt, CheckRedirect: wire.CheckRedirect}
	return nil
}

// handshake returns a transport for requests to an endpoint, with its
// credentials. Own says that it is the host which the reference names.
func (c *Client) handshake(ctx context.Context, e mirrors.Endpoint, own bool, scope string) (http.RoundTripper, name.Repository, error) {
	plain := e.Insecure || c.o.PlainHTTP != nil && c.o.PlainHTTP(e.Host)
	repo, err := repository(e.Host, e.Repository, plain)
	if err != nil {
		return nil, repo, err
	}
	var auth authn.Authenticator
	if own && c.o.Own != (Credentials{}) {
		auth = c.o.Own.authenticator()
	} else if auth, err = c.authenticator(ctx, repo.Name()); err != nil {
		return nil, repo, fmt.Errorf("credentials for %s: %w", e.Host, err)
	}
	rt, err := transport.NewWithContext(ctx, repo.Registry, auth, c.transport(e, plain), []string{repo.Scope(scope)})
	return rt, repo, explain(err)
}

func repository(host, path string, plain bool) (name.Repository, error) {
	options := []name.Option{name.WeakValidation}
	if plain {
		options = append(options, name.Insecure)
	}
	repo, err := name.NewRepository(host+"/"+path, options...)
	if err != nil {
		return repo, badReference(host+"/"+path, err)
	}
	return repo, nil
}

// transport returns what requests to an endpoint go through.
func (c *Client) transport(e mirrors.Endpoint, plain bool) http.RoundTripper {
	tries := wire.MaxTries
	if e.Mirror {
		tries = wire.MirrorTries
	}
	inner := c.o.Transport
	if e.Insecure {
		inner = c.o.Unverified
	}
	own := &wire.Retrying{Inner: inner, Options: c.wire, Tries: tries}
	return transport.NewUserAgent(&guard{e.Host, plain || local(e.Host), own, c.base}, c.o.UserAgent)
}

// guard keeps what is allowed for one host to that host, and others than those
// of this machine from being spoken to without TLS: go-containerregistry tries
// that with all private addresses.
type guard struct {
	host       string
	plain      bool
	own, other http.RoundTripper
}

// RoundTrip is http.RoundTripper's.
func (g *guard) RoundTrip(q *http.Request) (*http.Response, error) {
	switch {
	case q.URL.Host != g.host:
		return g.other.RoundTrip(q)
	case q.URL.Scheme == "http" && !g.plain:
		return nil, hint.New(fmt.Sprintf("%s is not spoken to without TLS", g.host),
			"if it has no TLS, use --no-https=%s, or insecure = true in registries.conf", g.host)
	}
	return g.own.RoundTrip(q)
}

// local says whether a host[:port] is this machine, which may do without TLS.
func local(host string) bool {
	u := url.URL{Host: host}
	if strings.HasSuffix("."+strings.ToLower(u.Hostname()), ".localhost") {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}

// url returns the address of something of the repository.
func (e *endpoint) url(kind, what string) string {
	u := url.URL{Scheme: e.repo.Scheme(), Host: e.repo.RegistryStr(), Path: "/v2/" + e.repo.RepositoryStr() + "/" + kind + "/" + what}
	return u.String()
}

// authenticator returns the credentials for HOST[:PORT]/PATH.
func (c *Client) authenticator(ctx context.Context, where string) (authn.Authenticator, error) {
	if c.o.Credentials == nil {
		return authn.Anonymous, nil
	}
	x, err := c.o.Credentials(ctx, where)
	return x.authenticator(), err
}

func (x Credentials) authenticator() authn.Authenticator {
	if x == (Credentials{}) {
		return authn.Anonymous
	}
	return authn.FromConfig(authn.AuthConfig{
		Username: x.Username, Password: x.Password, IdentityToken: x.IdentityToken, RegistryToken: x.RegistryToken,
	})
}
