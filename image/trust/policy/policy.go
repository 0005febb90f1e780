// Package policy says which images may be used, by whom they are signed.
//
// Input: the texts of trust.toml, a site's and a user's, and of Apptainer's
// ecl.toml; where an image is or comes from; and the state of its signatures.
// Output: the rules that hold for the image, and a verdict or a refusal that
// names the rule. All of it is pure: the package opens no file, verifies no
// signature and knows no key but by its fingerprint or name.
//
// Every file that there is has a say: an image is refused if one refuses it. The
// rules protect users from the images of others. They do not bind users, who can
// copy a file to where no rule is for it, or run another program. In a file one
// rule holds: that whose path or source has the most components, or else the
// default.
package policy

import (
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
	// Source is where it comes from, such as "docker://docker.io/library/debian", as
	// the function Source returns it; empty for a file.
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
	// Tree takes the signers' word that a hash tree in an image is that of its file
	// system, as Sealift makes sure when it signs: no other program does. The file
	// system of an image is read whole before it is used, if this is not said.
	Tree bool
	// Legacy accepts signatures of the format before SIF 1.0's, of the primary
	// partition only.
	Legacy bool
	// Reason is what Deny gives.
	Reason string

	path   []string // real ones, of which any; of the image or a directory above
	dir    bool     // the path is that of the image's directory
	source []source // of which any
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

// Places returns the paths that rules name, as they are written and as Resolve found them; only is
// that the files let all other images be used that are files here.
func (p *Policy) Places() (paths []string, only bool) {
	only = true
	for _, f := range p.files {
		only = only && f.fallback.Action == Allow
		for _, r := range f.rules {
			paths = append(paths, r.path...)
		}
	}
	return paths, only
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

// matches returns how closely the rule names the image's place, -1 if it is for
// others: the components count, then whether it names the transport, and then
// whether it is written so, with the host.
func (r *Rule) matches(s Subject) int {
	closest := -1
	for i, source := range r.source {
		n := source.covers(s.Source)
		if n < 0 {
			continue
		}
		n *= 4
		if strings.Contains(source.name, "://") {
			n += 2
		}
		if i == 0 && !source.hostless {
			n++
		}
		closest = max(closest, n)
	}
	for _, p := range r.path {
		if s.Path == "" || r.dir && path.Dir(s.Path) != p {
			continue
		}
		closest = max(closest, covers(p, s.Path))
	}
	return closest
}

// covers returns how many components prefix has after its transport if name begins
// with all of them, else -1. A prefix without a transport is for each.
func covers(prefix, name string) int {
	transport, components, ok := strings.Cut(prefix, "://")
	if !ok {
		transport, components = "", prefix
	}
	in, rest, elsewhere := strings.Cut(name, "://")
	if !elsewhere {
		rest = name
	}
	if rest == "" || ok && (!elsewhere || in != transport) {
		return -1
	}
	components = strings.TrimSuffix(components, "/")
	switch {
	case components == "":
		return 0
	case rest != components && !strings.HasPrefix(rest, components+"/"):
		return -1
	}
	return strings.Count(strings.TrimPrefix(components, "/"), "/") + 1
}
