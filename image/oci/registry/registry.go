// Package registry reads from registries of OCI images, by the distribution
// specification 1.1 (opencontainers/distribution-spec).
//
// Input: a Reference, credentials by host, a transport. Output: manifests, and
// blobs as streams that go on where they were when a connection breaks.
// Everything that a registry sends is untrusted: documents are bounded in size,
// waits and retries in number, credentials reach only the host that they are
// for. Who reads a blob verifies its digest; manifests are verified here.
//
// The package knows nothing of what images hold, and writes no file. It is
// the only one that may import go-containerregistry, which parses names and does
// the handshakes of authentication.
package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Credentials are a user's at one host. All are empty for an anonymous one.
type Credentials struct {
	Username, Password string
	// IdentityToken is a refresh token of OAuth 2, RegistryToken a bearer token
	// for the registry itself.
	IdentityToken, RegistryToken string
}

// Options are what a Client works with. Zero values stand for the defaults.
type Options struct {
	// Credentials returns those for a registry's host[:port]; nil is anonymous.
	Credentials func(ctx context.Context, host string) (Credentials, error)
	// PlainHTTP says whether a host may be spoken to without TLS. Hosts of this
	// machine may.
	PlainHTTP func(host string) bool
	// Transport makes the connections; nil is NewTransport(nil, nil).
	Transport http.RoundTripper
	// UserAgent is the program's name and version.
	UserAgent string
	// Stall is how long a registry may send nothing, or next to nothing, before
	// the connection counts as broken; 0 is 60 s.
	Stall time.Duration
	// Sleep waits, or returns the error of a context that ended; nil really
	// waits.
	Sleep func(ctx context.Context, d time.Duration) error
	// Warn, if not nil, is told of waits and retries.
	Warn func(line string)
}

// Client reads from registries.
type Client struct {
	o    Options
	base http.RoundTripper
}

// NewTransport returns a transport that asks proxy, if not nil, for the proxy
// of a request, and that trusts the certificates in roots, or those of the
// system.
func NewTransport(proxy func(*http.Request) (*url.URL, error), tls *TLS) http.RoundTripper {
	return &http.Transport{
		Proxy: proxy, TLSClientConfig: tls.config(), ForceAttemptHTTP2: true,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    20 * time.Second,
		ResponseHeaderTimeout:  time.Minute,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConnsPerHost:    maxIdle,
	}
}

// New returns a client.
func New(o Options) *Client {
	if o.Transport == nil {
		o.Transport = NewTransport(nil, nil)
	}
	if o.Stall == 0 {
		o.Stall = time.Minute
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	return &Client{o, transport.NewUserAgent(&retrying{inner: o.Transport, o: &o}, o.UserAgent)}
}

// sleep waits for d or the end of the context.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Repository is a repository that the client may read.
type Repository struct {
	ref    Reference
	repo   name.Repository
	client *http.Client
	o      *Options
}

// Open prepares to read the repository that ref names: it asks the registry
// how it wants to be spoken to, and shows it the credentials.
func (c *Client) Open(ctx context.Context, ref Reference) (*Repository, error) {
	repo, err := c.repository(ref)
	if err != nil {
		return nil, err
	}
	auth, err := c.authenticator(ctx, repo.RegistryStr())
	if err != nil {
		return nil, fmt.Errorf("credentials for %s: %w", repo.RegistryStr(), err)
	}
	rt, err := transport.NewWithContext(ctx, repo.Registry, auth, c.base, []string{repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, explain(err)
	}
	return &Repository{ref, repo, &http.Client{Transport: rt, CheckRedirect: checkRedirect}, &c.o}, nil
}

func (c *Client) repository(ref Reference) (name.Repository, error) {
	options := []name.Option{name.WeakValidation}
	if c.o.PlainHTTP != nil && c.o.PlainHTTP(ref.Host) {
		options = append(options, name.Insecure)
	}
	repo, err := name.NewRepository(ref.Host+"/"+ref.Repository, options...)
	if err != nil {
		return repo, badReference(ref.String(), err)
	}
	return repo, nil
}

func (c *Client) authenticator(ctx context.Context, host string) (authn.Authenticator, error) {
	if c.o.Credentials == nil {
		return authn.Anonymous, nil
	}
	x, err := c.o.Credentials(ctx, host)
	if err != nil || x == (Credentials{}) {
		return authn.Anonymous, err
	}
	return authn.FromConfig(authn.AuthConfig{
		Username: x.Username, Password: x.Password, IdentityToken: x.IdentityToken, RegistryToken: x.RegistryToken,
	}), nil
}

// url returns the address of something of the repository.
func (r *Repository) url(kind, what string) string {
	u := url.URL{Scheme: r.repo.Scheme(), Host: r.repo.RegistryStr(), Path: "/v2/" + r.repo.RepositoryStr() + "/" + kind + "/" + what}
	return u.String()
}
