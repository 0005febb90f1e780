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
	// action is what is to be done, in the words of a token's scope.
	action string

	mu     sync.Mutex
	base   string       // the address of the repository, or of the registry as a whole
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
		list[i] = &endpoint{Endpoint: e, c: c, own: e.Host == ref.Host && !e.Mirror, action: transport.PullScope}
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
	rt, base, err := e.c.handshake(ctx, e.Endpoint, e.own, e.action)
	if err != nil {
		return err
	}
	e.base, e.client = base, &http.Client{Transport: rt, CheckRedirect: wire.CheckRedirect}
	return nil
}

// direct returns a repository of the registry itself, connected: not a mirror,
// as what is written, or listed, is there.
func (c *Client) direct(ctx context.Context, ref Reference, action string) (*endpoint, error) {
	rules, err := c.rules()
	if err != nil {
		return nil, err
	}
	at, err := rules.Direct(ref.Host, ref.Repository)
	if err != nil {
		return nil, err
	}
	e := &endpoint{Endpoint: at, c: c, own: true, action: action}
	return e, e.connect(ctx)
}

// catalogScope is that of the list of repositories.
const catalogScope = "registry:catalog:*"

// handshake returns a transport for requests to an endpoint, with its
// credentials, and the endpoint's address. Own says that it is the host which
// the reference names, action what is to be done there. An endpoint without a
// repository is for the list of repositories.
func (c *Client) handshake(ctx context.Context, e mirrors.Endpoint, own bool, action string) (rt http.RoundTripper, base string, err error) {
	plain := e.Insecure || c.o.PlainHTTP != nil && c.o.PlainHTTP(e.Host)
	reg, path, scope, err := named(e, plain, action)
	if err != nil {
		return nil, "", err
	}
	var auth authn.Authenticator
	if own && c.o.Own != (Credentials{}) {
		auth = c.o.Own.authenticator()
	} else if auth, err = c.authenticator(ctx, reg.RegistryStr()+strings.TrimSuffix(path, "/")); err != nil {
		return nil, "", fmt.Errorf("credentials for %s: %w", e.Host, err)
	}
	rt, err = shake(ctx, reg, auth, c.transport(e, plain), []string{scope}, plain)
	return rt, reg.Scheme() + "://" + reg.RegistryStr() + "/v2" + path, explain(err)
}

// named returns what go-containerregistry calls an endpoint, its path with a
// slash at both ends, and what a token has to be for.
func named(e mirrors.Endpoint, plain bool, action string) (reg name.Registry, path, scope string, err error) {
	if e.Repository == "" {
		reg, err = registryOf(e.Host, plain)
		return reg, "/", catalogScope, err
	}
	repo, err := repository(e.Host, e.Repository, plain)
	return repo.Registry, "/" + repo.RepositoryStr() + "/", repo.Scope(action), err
}

func registryOf(host string, plain bool) (name.Registry, error) {
	var options []name.Option
	if plain {
		options = append(options, name.Insecure)
	}
	reg, err := name.NewRegistry(host, options...)
	if err != nil {
		err = hint.Wrap(fmt.Errorf("%q is no registry: %w", host, err), "write HOST[:PORT]")
	}
	return reg, err
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
	return transport.NewUserAgent(wire.Rewinding{Inner: &guard{e.Host, plain || local(e.Host), own, c.base}}, c.o.UserAgent)
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
func (e *endpoint) url(kind, what string) string { return e.base + kind + "/" + what }

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
