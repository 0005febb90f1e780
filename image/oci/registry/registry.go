// Package registry reads and writes registries of OCI images, by the
// distribution specification 1.1 (opencontainers/distribution-spec).
//
// Input: a Reference, credentials by host, a transport. Output: manifests, and
// blobs as streams that go on where they were when a connection breaks; and
// manifests and blobs that are sent, named, listed and deleted.
// Everything that a registry sends is untrusted: documents are bounded in size,
// waits and retries in number, credentials reach only the host that they are
// for. Where the rules of registries.conf name mirrors, these are asked first, and
// no other registry ever is; what is written or listed is always at the registry
// itself. Who reads a blob verifies its digest; manifests are verified here.
//
// The package knows nothing of what images hold, and writes no file. It is
// the only one that may import go-containerregistry, which parses names and does
// the handshakes of authentication.
package registry

import (
	"context"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sealift/sealift/image/oci/conn"
	"github.com/sealift/sealift/image/oci/mirrors"
	"github.com/sealift/sealift/image/oci/wire"
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
	// Credentials returns those for a repository, HOST[:PORT]/PATH, or for a host;
	// nil is anonymous.
	Credentials func(ctx context.Context, where string) (Credentials, error)
	// Own, unless zero, take their place for the hosts that references name; no
	// mirror sees them.
	Own Credentials
	// Mirrors returns the rules of where images are asked for; nil has none. It
	// is called when the first image is.
	Mirrors func() (*mirrors.Rules, error)
	// PlainHTTP says whether a host may be spoken to without TLS. Hosts of this
	// machine may.
	PlainHTTP func(host string) bool
	// Transport makes the connections; nil is conn.NewTransport(nil, nil).
	Transport http.RoundTripper
	// Unverified makes those to endpoints that the rules call insecure; nil is
	// conn.NewTransport(nil, conn.AnyCertificate()).
	Unverified http.RoundTripper
	// UserAgent is the program's name and version.
	UserAgent string
	// Stall is how long a registry may send nothing, or next to nothing, before
	// the connection counts as wire.Broken; 0 is 60 s.
	Stall time.Duration
	// Sleep waits, or returns the error of a context that ended; nil really
	// waits.
	Sleep func(ctx context.Context, d time.Duration) error
	// Warn, if not nil, is told of waits and retries.
	Warn func(line string)
}

// Client speaks to registries.
type Client struct {
	o    Options
	wire *wire.Options
	// base makes requests, and unverified those to servers without a certificate
	// that counts.
	base, unverified http.RoundTripper
}

// New returns a client.
func New(o Options) *Client {
	if o.Transport == nil {
		o.Transport = conn.NewTransport(nil, nil)
	}
	if o.Unverified == nil {
		o.Unverified = conn.NewTransport(nil, conn.AnyCertificate())
	}
	w := wire.Options{Transport: o.Transport, Stall: o.Stall, Sleep: o.Sleep, Warn: o.Warn}.Complete()
	retrying := func(inner http.RoundTripper) http.RoundTripper {
		return transport.NewUserAgent(&wire.Retrying{Inner: inner, Options: w, Tries: wire.MaxTries}, o.UserAgent)
	}
	return &Client{o, w, retrying(o.Transport), retrying(o.Unverified)}
}

// Server returns what speaks to servers that are no registries with the client's
// transport and bounds. Auth is as in wire.NewServer.
func (c *Client) Server(auth func(*http.Request)) *wire.Server {
	return wire.NewServer(c.wire, c.base, auth)
}

// UnverifiedServer is Server for one that may have any certificate.
func (c *Client) UnverifiedServer(auth func(*http.Request)) *wire.Server {
	return wire.NewServer(c.wire, c.unverified, auth)
}

// Repository is a repository that the client may read.
type Repository struct {
	ref       Reference
	endpoints []*endpoint
}

// Open prepares to read the repository that ref names: it asks the first of its
// mirrors that is there, or the registry, how it wants to be spoken to, and shows
// it the credentials.
func (c *Client) Open(ctx context.Context, ref Reference) (*Repository, error) {
	list, err := c.endpoints(ref)
	if err != nil {
		return nil, err
	}
	r := &Repository{ref, list}
	return r, r.try(ctx, new(int), func(*endpoint) error { return nil })
}
