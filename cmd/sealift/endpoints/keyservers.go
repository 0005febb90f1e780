package endpoints

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/library"
	"github.com/sealift/sealift/image/library/endpoint"
	"github.com/sealift/sealift/image/oci/registry"
	"github.com/sealift/sealift/image/trust/hkp"
)

// Keyservers is the flag of commands that look for keys.
type Keyservers struct{ address string }

// Add adds the flag.
func (k *Keyservers) Add(flags *pflag.FlagSet) {
	flags.StringVarP(&k.address, "url", "u", "", "use the key server at `URL`: hkps://HOST, https://HOST, hkp://HOST or http://HOST")
	ui.Bind(flags, "url", "URL")
}

// Client returns the client of the key server that the flag names, or of those
// of the remote in use, with what the user shows to them.
func (k *Keyservers) Client(ctx context.Context, p *ui.Process, via *registry.Client) (*hkp.Client, error) {
	return newFiles(p).keyservers(ctx, via, k.address)
}

func (f files) keyservers(ctx context.Context, via *registry.Client, address string) (*hkp.Client, error) {
	c, _, err := f.read()
	if err != nil {
		return nil, err
	}
	r, err := c.Get("")
	if err != nil && address != "" {
		r, err = &endpoint.Remote{}, nil
	}
	if err != nil {
		return nil, err
	}
	var used []*endpoint.Keyserver
	if address == "" || r.Exclusive || !r.UsesOwnKeyserver() {
		if used, err = keyserversOf(ctx, via, r); err != nil {
			return nil, err
		}
	}
	if address != "" {
		k, err := named(c, r, used, address)
		if err != nil {
			return nil, err
		}
		used = []*endpoint.Keyserver{k}
	}
	var servers []hkp.Server
	for _, k := range used {
		u, err := endpoint.ParseKeyserver(k.URI)
		if err != nil {
			return nil, err
		}
		servers = append(servers, hkp.Server{URL: u, Authorization: c.Authorization(r, k), Unverified: k.Insecure})
	}
	return hkp.New(via, servers...), nil
}

// named returns the key server at an address: the remote's, or any other if the
// site lets one use it.
func named(c *endpoint.Config, r *endpoint.Remote, used []*endpoint.Keyserver, address string) (*endpoint.Keyserver, error) {
	i := slices.IndexFunc(used, func(k *endpoint.Keyserver) bool { return endpoint.SameServer(k.URI, address) })
	switch {
	case i >= 0:
		return used[i], nil
	case r.Exclusive:
		return nil, hint.New(fmt.Sprintf("the site lets no key server be used but those of the remote %q", c.Active), "see sealift keyserver list")
	}
	if k := c.ExternalKeyserver(address); k != nil {
		return k, nil
	}
	return &endpoint.Keyserver{URI: address, External: true}, nil
}

// keyserversOf returns the key servers of a remote in their order.
func keyserversOf(ctx context.Context, via *registry.Client, r *endpoint.Remote) ([]*endpoint.Keyserver, error) {
	if !r.UsesOwnKeyserver() {
		return r.UsedKeyservers(), nil
	}
	own, err := ownKeyserver(ctx, via, r)
	if err == nil && own == "" {
		err = hint.New(fmt.Sprintf("the remote at %s has no key server", r.URI), "name one with --url, or sealift keyserver add one")
	}
	return []*endpoint.Keyserver{{URI: own}}, err
}

// ownKeyserver asks a remote where its own key server is, empty where it has
// none.
func ownKeyserver(ctx context.Context, via *registry.Client, r *endpoint.Remote) (string, error) {
	if r.URI == endpoint.DefaultURI {
		return endpoint.DefaultKeyserver, nil
	}
	s, err := library.Discover(ctx, via, r.URL())
	return strings.TrimSuffix(s["keyserver"], "/"), err
}
