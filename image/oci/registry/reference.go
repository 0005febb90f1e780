package registry

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Reference names an image in a registry.
type Reference struct {
	// Host is the registry's host[:port].
	Host string
	// Repository is the path, such as "library/debian".
	Repository string
	// Tag is empty where there is a Digest.
	Tag, Digest string
}

// ParseReference reads "[HOST[:PORT]/]PATH[:TAG][@DIGEST]". Without a host it is
// Docker Hub's, without tag and digest "latest"; with both, the digest counts.
// "//" in front is accepted.
func ParseReference(s string) (Reference, error) {
	text := strings.TrimPrefix(s, "//")
	ref, err := name.ParseReference(text, name.WeakValidation)
	if err != nil {
		return Reference{}, badReference(s, err)
	}
	c := ref.Context()
	out := Reference{Host: c.RegistryStr(), Repository: c.RepositoryStr()}
	for part := range strings.SplitSeq(out.Repository, "/") {
		if strings.Trim(part, "._-") != part || part == "" {
			return Reference{}, badReference(s, fmt.Errorf("the part %q of its path does not begin and end with a letter or digit", part))
		}
	}
	switch ref := ref.(type) {
	case name.Digest:
		out.Digest = ref.DigestStr()
	case name.Tag:
		out.Tag = ref.TagStr()
	}
	return out, nil
}

// errUser refuses USER@HOST.
var errUser = errors.New("there is no user in it; log in instead")

func badReference(s string, err error) error {
	// A password, and what is wrong with it, is for nobody's log.
	if at := strings.LastIndexByte(strings.SplitN(strings.TrimPrefix(s, "//"), "/", 2)[0], '@'); at >= 0 && strings.Contains(s, "/") {
		s, err = strings.TrimPrefix(s, "//")[at+1:], errUser
	}
	return hint.Wrap(fmt.Errorf("%q does not name an image of a registry: %w", s, err),
		"write [HOST[:PORT]/]PATH[:TAG] or [HOST[:PORT]/]PATH@sha256:DIGEST")
}

// ParseRegistry reads HOST[:PORT][/PATH], a registry or a part of one, and
// returns it as logins are kept for it: Docker Hub is docker.io, and a host in
// lower case.
func ParseRegistry(s string) (string, error) {
	host, path, part := strings.Cut(strings.TrimSuffix(s, "/"), "/")
	bad := func(s string, err error) (string, error) {
		return "", hint.Wrap(fmt.Errorf("%q does not name a registry: %w", s, err), "write HOST[:PORT] or HOST[:PORT]/PATH")
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		return bad(host[i+1:], errors.New("a user goes with --username"))
	}
	reg, err := name.NewRegistry(strings.ToLower(host), name.StrictValidation)
	if err == nil && strings.HasSuffix(host, ":") {
		err = errors.New("there is nothing after the colon")
	}
	if err != nil {
		return bad(s, err)
	}
	host = reg.RegistryStr()
	if host == name.DefaultRegistry {
		host = "docker.io"
	}
	if !part {
		return host, nil
	}
	if _, err := name.NewRepository("any.example/"+path, name.StrictValidation); err != nil {
		return bad(s, err)
	}
	return host + "/" + path, nil
}

// String returns what ParseReference reads, with everything spelled out.
func (r Reference) String() string {
	s := r.Host + "/" + r.Repository
	if r.Digest != "" {
		return s + "@" + r.Digest
	}
	return s + ":" + r.Tag
}

// identifier is what names the manifest in its repository.
func (r Reference) identifier() string {
	if r.Digest != "" {
		return r.Digest
	}
	return r.Tag
}
