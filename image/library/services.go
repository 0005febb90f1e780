package library

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/registry"
)

// Services are where the services of a remote are, by name: "library", "token",
// "keyserver", "builder", "consent".
type Services map[string]string

// Discover asks the remote at an address, an http or https URL, for its
// services.
func Discover(ctx context.Context, via *registry.Client, address string) (Services, error) {
	c, err := New(address, "", via)
	if err != nil {
		return nil, err
	}
	text, err := c.fetch(ctx, http.MethodGet, "assets/config/config.prod.json", nil, nil)
	if errors.Is(err, ErrNotFound) {
		err = hint.New(c.base.Host+" does not tell of services", "check its address: it is not that of a remote")
	}
	if err != nil {
		return nil, fmt.Errorf("services of %s: %w", address, err)
	}
	// A service has an address, and may have whatever else.
	var all map[string]json.RawMessage
	if err := c.decode(text, &all); err != nil {
		return nil, err
	}
	s := Services{}
	for name, raw := range all {
		var at struct{ URI string }
		if json.Unmarshal(raw, &at) != nil || at.URI == "" {
			continue
		}
		name = strings.TrimSuffix(name, "API")
		if name == "keystore" {
			name = "keyserver"
		}
		s[name] = at.URI
	}
	return s, nil
}

// CheckToken asks a remote's service of tokens whether it knows one.
func (s Services) CheckToken(ctx context.Context, via *registry.Client, token string) error {
	if s["token"] == "" {
		return hint.New("the remote has no service of tokens", "use it without: sealift remote add --no-login")
	}
	c, err := New(s["token"], token, via)
	if err != nil {
		return err
	}
	_, err = c.fetch(ctx, http.MethodGet, "v1/token-status", nil, nil)
	if err != nil {
		return hint.Wrap(fmt.Errorf("the token is not accepted: %w", err), "make a new token, and give all of it")
	}
	return nil
}

// Version returns the version of the service at an address.
func Version(ctx context.Context, via *registry.Client, address string) (string, error) {
	c, err := New(address, "", via)
	if err != nil {
		return "", err
	}
	var v struct {
		Version string `json:"version"`
	}
	err = c.call(ctx, http.MethodGet, "version", nil, nil, &v)
	return v.Version, err
}
