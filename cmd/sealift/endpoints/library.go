package endpoints

import (
	"context"
	"fmt"
	"net/url"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/library"
	"github.com/sealift/sealift/image/library/endpoint"
	"github.com/sealift/sealift/image/oci/registry"
)

// Library is the flag of commands that read or write library://.
type Library struct{ address string }

// Add adds the flag.
func (l *Library) Add(flags *pflag.FlagSet) {
	flags.StringVar(&l.address, "library", "", "use the container library at `URL` for library://")
	ui.Bind(flags, "library", "LIBRARY")
}

// Libraries returns what finds the client for a reference: of the library of the
// address or else the flag, of the reference's host, without TLS if plain says so
// of that, or of the remote in use, whose token it has. For a search the
// reference is zero.
func (l *Library) Libraries(p *ui.Process, via *registry.Client, plain func(host string) bool) func(context.Context, library.Reference, string) (*library.Client, error) {
	return func(ctx context.Context, ref library.Reference, address string) (*library.Client, error) {
		if address == "" {
			address = l.address
		}
		return newFiles(p).library(ctx, via, address, ref, plain(ref.Host))
	}
}

// noLibrary is how to get one.
const noLibrary = "set one up: sealift remote add --no-login SylabsCloud cloud.sylabs.io; sealift remote use SylabsCloud"

func (f files) library(ctx context.Context, via *registry.Client, address string, ref library.Reference, plain bool) (*library.Client, error) {
	if address != "" && ref.Host != "" {
		return nil, hint.New(fmt.Sprintf("--library is %s, and %s names a host", address, ref), "give one of the two")
	}
	if ref.Host != "" {
		address = "https://" + ref.Host
		if plain {
			address = "http://" + ref.Host
		}
	}
	c, _, err := f.read()
	if err != nil {
		return nil, err
	}
	if address != "" {
		return explicit(ctx, via, address, c)
	}
	r, err := c.Get("")
	if err != nil {
		return nil, err
	}
	at, err := libraryOf(ctx, via, c.Active, r)
	if err != nil {
		return nil, err
	}
	return library.New(at, r.Token, via)
}

// explicit returns the client of a library that was named. It has no token:
// that is for the remote's own.
func explicit(ctx context.Context, via *registry.Client, address string, c *endpoint.Config) (*library.Client, error) {
	l, err := library.New(address, "", via)
	if err != nil {
		return nil, err
	}
	r := c.Remotes[c.Active]
	if r == nil || !r.Exclusive {
		return l, nil
	}
	only, err := libraryOf(ctx, via, c.Active, r)
	if err != nil {
		return nil, err
	}
	if !sameHost(l.URL(), only) {
		return nil, hint.New(fmt.Sprintf("the site lets no library be used but %s", only), "ask the system administrator")
	}
	return l, nil
}

func sameHost(a, b string) bool {
	x, err1 := url.Parse(a)
	y, err2 := url.Parse(b)
	return err1 == nil && err2 == nil && x.Scheme == y.Scheme && x.Host == y.Host
}

// libraryOf asks a remote where its library is.
func libraryOf(ctx context.Context, via *registry.Client, name string, r *endpoint.Remote) (string, error) {
	missing := hint.New(fmt.Sprintf("the remote in use, %s at %s, has no library", name, r.URI), noLibrary)
	if r.URI == endpoint.DefaultURI {
		return "", missing
	}
	s, err := library.Discover(ctx, via, r.URL())
	if err != nil {
		return "", err
	}
	if s["library"] == "" {
		return "", missing
	}
	return s["library"], nil
}
