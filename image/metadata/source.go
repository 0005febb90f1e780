package metadata

import (
	"context"
	"net/url"
	"strings"
)

// Source is something that a build read from elsewhere.
type Source struct {
	// Name says where it was, as a recipe names it.
	Name string
	// Digest returns what it was, "sha256:" and hexadecimal, empty where that is not
	// known. It is nil for what has no digest.
	Digest func(context.Context) (string, error)
}

// Known returns a source of which the digest is known.
func Known(name, digest string) Source {
	return Source{name, func(context.Context) (string, error) { return digest, nil }}
}

// Public returns the name of a source without what may be secret in it: a user, a
// password, and the query of a URL.
func (s Source) Public() string {
	name := WithoutUser(s.Name)
	if scheme, _, ok := strings.Cut(name, "://"); ok && strings.HasPrefix(scheme, "http") {
		u, err := url.Parse(name)
		if err != nil {
			return scheme + ":"
		}
		u.RawQuery, u.Fragment, u.ForceQuery = "", "", false
		return u.String()
	}
	return name
}
