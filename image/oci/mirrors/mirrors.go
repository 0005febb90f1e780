// Package mirrors says where images are really asked for, by the rules of
// registries.conf (containers-registries.conf(5), version 2): mirrors, other
// locations, registries that are blocked, and how far each is trusted.
//
// Input: the texts of the site's file and of the user's. Output: for an image's
// name, the endpoints in their order, or why there is none. It is pure: it reads
// no file and asks no registry.
//
// What is not the man page's: a registry or mirror may have ca = "/FILE", a PEM
// file of certificates that vouch for its host beside the system's; a rule ends
// before the tag; a block without a port is for all ports; lists of registries
// for short names are read and not used, as a short name is Docker Hub's.
package mirrors

import (
	"fmt"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Endpoint is a place that may have an image.
type Endpoint struct {
	// Host is the registry's host[:port], Repository the path in it.
	Host, Repository string
	// Insecure allows no TLS, and any certificate.
	Insecure bool
	// Mirror tells a mirror from the registry itself.
	Mirror bool
}

// Rules are those of a site and of a user. Nil has none.
type Rules struct{ site, user *File }

// Merge puts the rules of a user over those of the site: of two for the same
// prefix the user's counts, but what the site blocks stays blocked. A nil file
// has no rules.
func Merge(site, user *File) *Rules {
	return &Rules{orNone(site), orNone(user)}
}

func orNone(f *File) *File {
	if f == nil {
		return &File{}
	}
	return f
}

// Endpoints returns where an image of a repository is to be read, in order: the
// mirrors, and at last the registry itself. Pinned is whether the image is known
// by its digest. A blocked one is an error that names the rule.
func (r *Rules) Endpoints(host, repository string, pinned bool) ([]Endpoint, error) {
	name := place{canonical(host), repository}
	rule, own, err := r.choose(name)
	if err != nil {
		return nil, err
	}
	if rule == nil {
		return []Endpoint{{Host: host, Repository: repository}}, nil
	}
	var list []Endpoint
	for _, m := range rule.mirrors {
		if !rule.digestOnly && m.pull.allows(pinned) || rule.digestOnly && pinned {
			e := rule.rewrite(name, m.location)
			list = append(list, Endpoint{e.Host, e.Repository, m.insecure, true})
		}
	}
	last := Endpoint{Host: host, Repository: repository}
	if rule.location != (place{}) && rule.location != rule.prefix {
		last = rule.rewrite(name, rule.location)
	}
	last.Insecure = rule.insecure
	list = append(list, last)
	for _, e := range list {
		if e.Repository == "" {
			return nil, hint.Wrap(fmt.Errorf("%s: %s stands for %s, where no repository is left", rule.origin, e.Host, rule.prefix),
				"give the location a path")
		}
		// A user's rule leads to no place that the site blocks.
		if own {
			if err := r.site.check(place{canonical(e.Host), e.Repository}); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// Direct returns the endpoint of a repository where nothing stands for it, for
// what is written: mirrors and other locations are for reading.
func (r *Rules) Direct(host, repository string) (Endpoint, error) {
	rule, _, err := r.choose(place{canonical(host), repository})
	e := Endpoint{Host: host, Repository: repository}
	if rule != nil && (rule.location == (place{}) || rule.location.host == canonical(host)) {
		e.Insecure = rule.insecure
	}
	return e, err
}

// choose returns the rule for a name, and whether it is the user's.
func (r *Rules) choose(name place) (rule *rule, own bool, err error) {
	if r == nil {
		return nil, false, nil
	}
	if err := r.site.check(name); err != nil {
		return nil, false, err
	}
	if err := r.user.check(name); err != nil {
		return nil, false, err
	}
	site, user := r.site.best(name, false), r.user.best(name, false)
	if user != nil && (site == nil || user.prefix.length() >= site.prefix.length()) {
		return user, true, nil
	}
	return site, false, nil
}

// Roots returns the PEM files whose certificates vouch for a host[:port], beside
// those of the system.
func (r *Rules) Roots(host string) (files []string) {
	if r == nil {
		return nil
	}
	host = canonical(host)
	for _, f := range []*File{r.site, r.user} {
		for _, rule := range f.rules {
			for where, ca := range rule.certified() {
				if where.holds(host) {
					files = append(files, ca)
				}
			}
		}
	}
	return files
}
