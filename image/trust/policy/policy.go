// Package policy says which images may be used, by whom they are signed.
//
// Input: the texts of trust.toml, a site's and a user's, and of Apptainer's
// ecl.toml; where an image is or comes from; and the state of its signatures.
// Output: the rules that hold for the image, and a verdict or a refusal that
// names the rule. All of it is pure: the package opens no file, verifies no
// signature and knows no key but by its fingerprint or name.
//
// Every file that there is has a say: an image is refused if one refuses it, so
// that a user cannot loosen what the site demands. In a file one rule holds: that
// of the longest path or source, or else the default.
package policy

import (
	"net/url"
	"path"
	"strings"
)

// Action is what is to be done about an image.
type Action string

// The actions, as a trust.toml names them.
const (
	Allow  Action = "allow"  // use it
	Deny   Action = "deny"   // do not
	Verify Action = "verify" // use it if its signatures are as the rule demands
)

// Subject is an image that somebody wants to use.
type Subject struct {
	// Path is the path of the open file, absolute and without symbolic links;
	// empty for one that comes from elsewhere.
	Path string
	// Source is where it comes from, such as "docker://docker.io/library/debian",
	// without a tag; empty for a file.
	Source string
}

// Signer is somebody whose signature counts. One of Fingerprint, Key and
// Certificate is there.
type Signer struct {
	Name        string // in other tables and in messages
	Fingerprint string // of an OpenPGP key, 40 upper-case hexadecimal digits
	Key         string // the path of a public key, PEM
	Certificate string // the path of a certificate, PEM
	// Intermediates and Roots are paths of certificates, PEM; those of the system
	// where Roots is empty.
	Intermediates, Roots string
}

// Rule is what a file says about some images.
type Rule struct {
	Origin string // file:line
	Action Action
	// Signers are those of whom so many as Need say have to have signed the whole
	// image; anybody whose key is known if there are none.
	Signers []Signer
	Need    int
	// Strict refuses an image that has any other signature.
	Strict bool
	// Forbidden are those whose signature refuses an image.
	Forbidden []Signer
	// Legacy accepts signatures of the format before SIF 1.0's, of the primary
	// partition only.
	Legacy bool
	// Reason is what Deny gives.
	Reason string

	path   []string // real ones, of which any; of the image or a directory above
	dir    bool     // the path is that of the image's directory
	source string
}

// File is what a policy file says.
type File struct {
	// Sign names the key that builds sign their images with; empty for none.
	Sign string

	rules    []*Rule
	fallback *Rule
}

// Policy is what all files say.
type Policy struct{ files []*File }

// New returns the policy of files, of which any may be nil.
func New(files ...*File) *Policy {
	p := &Policy{}
	for _, f := range files {
		if f != nil {
			p.files = append(p.files, f)
		}
	}
	return p
}

// Rules returns the rules that hold for an image, one of each file. There are
// none if nothing is demanded of it.
func (p *Policy) Rules(s Subject) (list []*Rule) {
	for _, f := range p.files {
		if r := f.rule(s); r.Action != Allow {
			list = append(list, r)
		}
	}
	return list
}

// Resolve replaces paths that rules name by what they are without symbolic links,
// since images are known so. real returns that; a path that it returns nothing
// for stays as it is written.
func (f *File) Resolve(real func(string) string) {
	for _, r := range f.rules {
		for _, p := range r.path {
			if is := real(p); is != "" && is != p {
				r.path = append(r.path, is)
			}
		}
	}
}

// Signers returns everybody that the file's rules name.
func (f *File) Signers() (list []Signer) {
	for _, r := range append(f.rules[:len(f.rules):len(f.rules)], f.fallback) {
		list = append(append(list, r.Signers...), r.Forbidden...)
	}
	return list
}

// rule returns the rule of a file that holds for an image.
func (f *File) rule(s Subject) *Rule {
	best, length := f.fallback, -1
	for _, r := range f.rules {
		if n := r.matches(s); n > length {
			best, length = r, n
		}
	}
	return best
}

// matches returns how much of the image's place the rule names, -1 if it is for
// others.
func (r *Rule) matches(s Subject) int {
	if r.source != "" {
		return covers(r.source, s.Source)
	}
	longest := -1
	for _, p := range r.path {
		if s.Path == "" || r.dir && path.Dir(s.Path) != p {
			continue
		}
		longest = max(longest, covers(p, s.Path))
	}
	return longest
}

// covers returns how many components prefix has if name begins with all of them,
// else -1. A prefix without a transport is for each.
func covers(prefix, name string) int {
	if !strings.Contains(prefix, "://") {
		if _, rest, ok := strings.Cut(name, "://"); ok {
			name = rest
		}
	}
	if name == "" || name != prefix && !strings.HasPrefix(name, strings.TrimSuffix(prefix, "/")+"/") {
		return -1
	}
	return len(prefix)
}

// Source returns where an image comes from by its name, such as
// "docker://docker.io/library/debian:12": without its tag and its digest.
func Source(name string) string {
	transport, rest, ok := strings.Cut(name, "://")
	switch {
	case !ok:
		return name
	case transport == "http" || transport == "https":
		return address(name)
	}
	rest, _, _ = strings.Cut(rest, "@")
	if last := strings.LastIndexByte(rest, '/'); strings.Contains(rest[last+1:], ":") {
		rest = rest[:last+1+strings.IndexByte(rest[last+1:], ':')]
	}
	return transport + "://" + rest
}

// address returns the address of a file in the one way to write it of those that
// differ in the letters of the host, a port that is the usual one, dots in the
// path, a user or a query.
func address(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if p := u.Port(); p != "" && p != map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		host += ":" + p
	}
	return u.Scheme + "://" + host + path.Clean("/"+u.Path)
}
