package mirrors

import (
	"errors"
	"fmt"
	"iter"
	"path"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/conffile"
)

// File is what a registries.conf says.
type File struct{ rules []*rule }

// rule is a table [[registry]].
type rule struct {
	origin                        string // file:line
	prefix, location              place
	insecure, blocked, digestOnly bool
	ca                            string
	mirrors                       []mirror
}

// mirror is a table [[registry.mirror]].
type mirror struct {
	location place
	insecure bool
	pull     pull
	ca       string
}

// document is the file as TOML. What is read into any has no use here.
type document struct {
	Registry            []registryTable `toml:"registry"`
	Unqualified         any             `toml:"unqualified-search-registries"`
	ShortNameMode       any             `toml:"short-name-mode"`
	Aliases             map[string]any  `toml:"aliases"`
	CredentialHelpers   any             `toml:"credential-helpers"`
	AdditionalLayerAuth any             `toml:"additional-layer-store-auth-helper"`
}

type registryTable struct {
	Prefix     place         `toml:"prefix"`
	Location   place         `toml:"location"`
	Insecure   bool          `toml:"insecure"`
	Blocked    bool          `toml:"blocked"`
	DigestOnly bool          `toml:"mirror-by-digest-only"`
	CA         absolute      `toml:"ca"`
	Mirror     []mirrorTable `toml:"mirror"`
}

type mirrorTable struct {
	Location place    `toml:"location"`
	Insecure bool     `toml:"insecure"`
	Pull     pull     `toml:"pull-from-mirror"`
	CA       absolute `toml:"ca"`
}

// absolute is the path of a file, whoever reads it. It is a struct, as those
// that are strings by nature are not asked to read their text.
type absolute struct{ path string }

// UnmarshalText is encoding.TextUnmarshaler's.
func (a *absolute) UnmarshalText(text []byte) error {
	if !path.IsAbs(string(text)) {
		return fmt.Errorf("%q is not an absolute path", text)
	}
	a.path = string(text)
	return nil
}

// Parse reads a registries.conf. The name is for errors, which begin with
// NAME:LINE:COLUMN.
func Parse(name string, text []byte) (*File, error) {
	var d document
	if err := conffile.Decode(name, text, &d); err != nil {
		return nil, malformed(err)
	}
	f := &File{}
	seen := map[place]bool{}
	lines := conffile.Tables(text, "registry")
	for i, t := range d.Registry {
		line := 1 // an array of inline tables
		if i < len(lines) {
			line = lines[i]
		}
		r, err := t.rule()
		if err == nil && seen[r.prefix] {
			err = fmt.Errorf("another table has the prefix %s", r.prefix)
		}
		if err != nil {
			return nil, malformed(fmt.Errorf("%s:%d:1: %w", name, line, err))
		}
		seen[r.prefix] = true
		r.origin = fmt.Sprintf("%s:%d", name, line)
		f.rules = append(f.rules, r)
	}
	return f, nil
}

func malformed(err error) error {
	return hint.Wrap(err, "write it as containers-registries.conf(5), version 2, describes")
}

// rule checks what a table says as a whole.
func (t registryTable) rule() (*rule, error) {
	r := &rule{
		prefix: t.Prefix, location: t.Location,
		insecure: t.Insecure, blocked: t.Blocked, digestOnly: t.DigestOnly, ca: t.CA.path,
	}
	if r.prefix == (place{}) {
		r.prefix = r.location
	}
	wild := strings.HasPrefix(r.prefix.host, "*.")
	switch {
	case r.prefix == (place{}):
		return nil, errors.New("[[registry]] has neither a prefix nor a location")
	case strings.HasPrefix(r.location.host, "*."):
		return nil, fmt.Errorf("the location %s is no host", r.location)
	case r.location == (place{}) && !wild:
		r.location = r.prefix
	}
	for _, m := range t.Mirror {
		switch {
		case m.Location == (place{}) || strings.HasPrefix(m.Location.host, "*."):
			return nil, fmt.Errorf("a mirror of %s has no host as its location", r.prefix)
		case t.DigestOnly && m.Pull != (pull{}):
			return nil, fmt.Errorf("the mirror %s has pull-from-mirror beside the registry's mirror-by-digest-only", m.Location)
		}
		r.mirrors = append(r.mirrors, mirror{m.Location, m.Insecure, m.Pull, m.CA.path})
	}
	return r, nil
}

// best returns the rule for a name, nil where there is none. anyPort is as in
// covers.
func (f *File) best(name place, anyPort bool) (found *rule) {
	for _, r := range f.rules {
		if r.prefix.covers(name, anyPort) && (found == nil || r.prefix.length() > found.prefix.length()) {
			found = r
		}
	}
	return found
}

// check is an error for a name that the file blocks.
func (f *File) check(name place) error {
	if r := f.best(name, true); r != nil && r.blocked {
		return hint.Wrap(fmt.Errorf("%s is blocked by %s", name, r.origin), "take the image from another registry, or ask who wrote that file")
	}
	return nil
}

// certified yields the places of a rule that have certificates of their own.
func (r *rule) certified() iter.Seq2[place, string] {
	return func(yield func(place, string) bool) {
		where := r.location
		if where == (place{}) {
			where = r.prefix
		}
		if r.ca != "" && !yield(where, r.ca) {
			return
		}
		for _, m := range r.mirrors {
			if m.ca != "" && !yield(m.location, m.ca) {
				return
			}
		}
	}
}
