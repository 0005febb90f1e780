package mirrors

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// hub is Docker Hub in the rules; hubHost is the host that serves it.
const (
	hub     = "docker.io"
	hubHost = "index.docker.io"
)

// place is a registry, or a part of one: host[:port][/path]. As a prefix, a
// host may be *.DOMAIN.
type place struct{ host, path string }

var (
	hostSyntax = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^((\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)
	})
	pathSyntax = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`)
	})
)

// UnmarshalText is encoding.TextUnmarshaler's.
func (p *place) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "" {
		return nil // as if it were not there
	}
	if strings.Contains(s, "://") {
		return fmt.Errorf("%q begins with a scheme; write HOST[:PORT][/PATH]", s)
	}
	host, path, slash := strings.Cut(s, "/")
	host = canonical(host)
	wild := strings.HasPrefix(host, "*.")
	switch {
	case !hostSyntax().MatchString(host):
		return fmt.Errorf("%q does not begin with HOST[:PORT] or *.DOMAIN", s)
	case wild && (slash || strings.Contains(host, ":")):
		return fmt.Errorf("%q: *.DOMAIN is without port and path", s)
	case strings.ContainsAny(path, ":@"):
		return fmt.Errorf("%q has a tag or a digest; rules are for repositories", s)
	case slash && !pathSyntax().MatchString(path):
		return fmt.Errorf("%q has a path that no repository has", s)
	}
	*p = place{host, path}
	return nil
}

// String returns what UnmarshalText reads.
func (p place) String() string {
	if p.path == "" {
		return p.host
	}
	return p.host + "/" + p.path
}

// length decides between prefixes that match: the longest counts.
func (p place) length() int { return len(p.String()) }

// canonical returns the one spelling of a host[:port]: DNS ignores case and a
// final dot, and Docker Hub has several names.
func canonical(host string) string {
	name, port := splitPort(strings.ToLower(host))
	name = strings.TrimSuffix(name, ".")
	if port == "" && (name == hubHost || name == "registry-1.docker.io") {
		name = hub
	}
	return name + port
}

// splitPort returns a host and its ":port".
func splitPort(host string) (name, port string) {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[:i], host[i:]
	}
	return host, ""
}

// holds says whether a host is the place's.
func (p place) holds(host string) bool {
	if domain, wild := strings.CutPrefix(p.host, "*"); wild {
		name, _ := splitPort(host)
		return strings.HasSuffix(name, domain)
	}
	return p.host == host
}

// covers says whether a name lies in the place. With anyPort, a place without a
// port is for all of them.
func (p place) covers(name place, anyPort bool) bool {
	host := name.host
	if short, _ := splitPort(host); anyPort && p.host == canonical(short) {
		host = p.host
	}
	return p.holds(host) && (p.path == "" || name.path == p.path || strings.HasPrefix(name.path, p.path+"/"))
}

// rewrite returns the endpoint that a name in the rule's place has in another.
func (r *rule) rewrite(name, to place) Endpoint {
	rest := strings.TrimPrefix(strings.TrimPrefix(name.path, r.prefix.path), "/")
	path := strings.Trim(to.path+"/"+rest, "/")
	if to.host != hub {
		return Endpoint{Host: to.host, Repository: path}
	}
	if path != "" && !strings.Contains(path, "/") {
		path = "library/" + path // Docker's own images
	}
	return Endpoint{Host: hubHost, Repository: path}
}

// pull says which images a mirror is asked for.
type pull struct{ from string }

// UnmarshalText is encoding.TextUnmarshaler's.
func (p *pull) UnmarshalText(text []byte) error {
	switch p.from = string(text); p.from {
	case "", "all", "digest-only", "tag-only":
		return nil
	}
	return errors.New("pull-from-mirror is one of all, digest-only, tag-only")
}

func (p pull) allows(pinned bool) bool {
	return p.from == "" || p.from == "all" || pinned == (p.from == "digest-only")
}
