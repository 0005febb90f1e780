package policy

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/conffile"
)

// document is a trust.toml.
type document struct {
	Default *ruleTable    `toml:"default"`
	Rule    []ruleTable   `toml:"rule"`
	Signer  []signerTable `toml:"signer"`
	Build   struct {
		Sign string `toml:"sign"`
	} `toml:"build"`
}

type ruleTable struct {
	Path      string   `toml:"path"`
	Source    string   `toml:"source"`
	Action    Action   `toml:"action"`
	Signers   []string `toml:"signers"`
	Need      *int     `toml:"need"`
	Strict    bool     `toml:"strict"`
	Forbidden []string `toml:"forbidden"`
	Tree      bool     `toml:"tree"`
}

type signerTable struct {
	Name          string `toml:"name"`
	Fingerprint   string `toml:"fingerprint"`
	Key           string `toml:"key"`
	Certificate   string `toml:"certificate"`
	Intermediates string `toml:"intermediates"`
	Roots         string `toml:"roots"`
}

// Parse reads a trust.toml. The name is for errors, which begin with
// NAME:LINE:COLUMN. An image that no rule is for may be used unless [default]
// says otherwise.
func Parse(name string, text []byte) (*File, error) {
	f, err := parse(name, text)
	return f, hint.Wrap(err, "write it as sealift help trust describes; no image is used until then")
}

func parse(name string, text []byte) (*File, error) {
	var d document
	if err := conffile.Decode(name, text, &d); err != nil {
		return nil, err
	}
	known, err := d.signers(name, conffile.Tables(text, "signer"))
	if err != nil {
		return nil, err
	}
	f := &File{Sign: d.Build.Sign}
	if f.rules, err = d.rules(name, conffile.Tables(text, "rule"), known); err != nil {
		return nil, err
	}
	if f.fallback, err = d.fallback(name, known); err != nil {
		return nil, fmt.Errorf("%s:1:1: [default]: %w", name, err)
	}
	return f, nil
}

// origin is where the table number i is, file:line; one of an array of inline tables
// has no line.
func origin(name string, lines []int, i int) string {
	if i < len(lines) {
		return fmt.Sprintf("%s:%d", name, lines[i])
	}
	return name + ":1"
}

// signers returns those that the file names, by name.
func (d *document) signers(name string, lines []int) (map[string]Signer, error) {
	known := map[string]Signer{}
	for i, t := range d.Signer {
		s, err := t.signer()
		if _, twice := known[s.Name]; err == nil && twice {
			err = fmt.Errorf("another signer has the name %q", s.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:1: %w", origin(name, lines, i), err)
		}
		known[s.Name] = s
	}
	return known, nil
}

// rules returns those for places, of which there is one for each.
func (d *document) rules(name string, lines []int, known map[string]Signer) (list []*Rule, err error) {
	seen := map[string]bool{}
	for i, t := range d.Rule {
		r, err := t.rule(known)
		where := ""
		if err == nil {
			where, err = t.where(r)
		}
		if err == nil && seen[where] {
			err = fmt.Errorf("another rule is for %s", where)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:1: %w", origin(name, lines, i), err)
		}
		seen[where] = true
		r.Origin = origin(name, lines, i)
		list = append(list, r)
	}
	return list, nil
}

// where returns the place that a rule is for, in the one form.
func (t ruleTable) where(r *Rule) (string, error) {
	switch {
	case (t.Path == "") == (t.Source == ""):
		return "", errors.New("a rule has either a path or a source; one for all other images is [default]")
	case t.Path != "" && (!path.IsAbs(t.Path) || path.Clean(t.Path) != t.Path):
		return "", fmt.Errorf("path %q is not absolute and plain", t.Path)
	case t.Path != "":
		return t.Path, nil
	case len(r.source) == 0 || r.source[0].name == "":
		return "", fmt.Errorf("source %q names no place", t.Source)
	}
	return r.source[0].name, nil
}

// fallback returns the rule for images that no other is for.
func (d *document) fallback(name string, known map[string]Signer) (*Rule, error) {
	if d.Default == nil {
		return &Rule{Origin: name, Action: Allow}, nil
	}
	if d.Default.Path+d.Default.Source != "" {
		return nil, errors.New("it has no path and no source")
	}
	r, err := d.Default.rule(known)
	if err != nil {
		return nil, err
	}
	r.Origin = name
	return r, nil
}

// rule checks what a table says as a whole.
func (t ruleTable) rule(known map[string]Signer) (*Rule, error) {
	r := &Rule{Action: t.Action, Strict: t.Strict, Tree: t.Tree, Need: 1, Reason: "images of there are not to be used"}
	switch {
	case t.Path != "":
		r.path = []string{t.Path}
	case t.Source != "":
		r.source = sources(t.Source)
	default:
		r.Reason = "no rule allows it"
	}
	var err error
	if r.Signers, err = lookUp(t.Signers, known); err != nil {
		return nil, err
	}
	if r.Forbidden, err = lookUp(t.Forbidden, known); err != nil {
		return nil, err
	}
	if t.Need != nil {
		r.Need = *t.Need
	}
	switch {
	case t.Action != Verify && t.Action != Allow && t.Action != Deny:
		return nil, fmt.Errorf("action is %q, not %q, %q or %q", t.Action, Verify, Allow, Deny)
	case t.Action != Verify && (len(t.Signers)+len(t.Forbidden) > 0 || t.Need != nil || t.Strict || t.Tree):
		return nil, fmt.Errorf("signers, need, strict, forbidden and tree are for action %q, not %q", Verify, t.Action)
	case r.Need < 1:
		return nil, fmt.Errorf("need is %d, less than 1", r.Need)
	case len(r.Signers) > 0 && r.Need > len(r.Signers):
		return nil, fmt.Errorf("need is %d of %d signers", r.Need, len(r.Signers))
	}
	return r, nil
}

// lookUp returns signers by name or fingerprint.
func lookUp(list []string, known map[string]Signer) (found []Signer, err error) {
	seen := map[Signer]bool{}
	for _, word := range list {
		s, ok := known[word]
		if !ok {
			print, err := fingerprint(word)
			if err != nil {
				return nil, fmt.Errorf("%q is neither the name of a [[signer]] nor a fingerprint of 40 hexadecimal digits", word)
			}
			s = Signer{Fingerprint: print}
		}
		if key := (Signer{Fingerprint: s.Fingerprint, Key: s.Key, Certificate: s.Certificate}); seen[key] {
			return nil, fmt.Errorf("%q is a signer that is named before", word)
		} else {
			seen[key] = true
		}
		found = append(found, s)
	}
	return found, nil
}

// fingerprint returns the upper-case digits of a full fingerprint. Key ids, which
// others can have keys for too, are none.
func fingerprint(word string) (string, error) {
	digits := strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(word, "0x"), " ", ""))
	if len(digits) != 40 || strings.Trim(digits, "0123456789ABCDEF") != "" {
		return "", fmt.Errorf("%q is not a fingerprint of 40 hexadecimal digits", word)
	}
	return digits, nil
}

func (t signerTable) signer() (s Signer, err error) {
	s = Signer{Name: t.Name, Key: t.Key, Certificate: t.Certificate, Intermediates: t.Intermediates, Roots: t.Roots}
	kinds := 0
	for _, v := range []string{t.Fingerprint, t.Key, t.Certificate} {
		if v != "" {
			kinds++
		}
	}
	switch {
	case t.Name == "":
		return s, errors.New("a signer has no name")
	case kinds != 1:
		return s, fmt.Errorf("signer %q has not one of fingerprint, key and certificate", t.Name)
	case t.Certificate == "" && t.Intermediates+t.Roots != "":
		return s, fmt.Errorf("signer %q has intermediates or roots without a certificate", t.Name)
	}
	for _, p := range []string{t.Key, t.Certificate, t.Intermediates, t.Roots} {
		if p != "" && !path.IsAbs(p) {
			return s, fmt.Errorf("signer %q: %q is not an absolute path", t.Name, p)
		}
	}
	if t.Fingerprint != "" {
		s.Fingerprint, err = fingerprint(t.Fingerprint)
	}
	return s, err
}
