package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Signature is a signature of an image and what became of verifying it.
type Signature struct {
	// Fingerprint is that of the OpenPGP key that it names, 40 upper-case digits;
	// empty if it is by another kind of key.
	Fingerprint string
	// Key tells the key that made it from others: its fingerprint, of either kind. It
	// is empty if no known key did.
	Key string
	// Signers are those with a key or a certificate that it is by. Two files may give
	// different ones the same name.
	Signers []Signer
	// Valid tells that it was made by its key, which is neither expired nor
	// revoked, over what the image is. Who is named by an invalid one is a claim.
	Valid bool
	// Whole tells that it covers all that there is in the image.
	Whole bool
	// Problem says why it is not valid, if it is not.
	Problem string
}

// String names the signature's key.
func (s Signature) String() string {
	if s.Fingerprint != "" {
		return s.Fingerprint
	}
	if len(s.Signers) > 0 {
		return names(s.Signers)
	}
	return "an unknown key"
}

// by tells whether the signature is, or claims to be, somebody's.
func (s Signature) by(who Signer) bool {
	if who.Fingerprint != "" {
		return s.Fingerprint == who.Fingerprint
	}
	return slices.Contains(s.Signers, who)
}

// Refusal is why a policy does not let an image be used.
type Refusal struct {
	Origin string // file:line of the rule
	Reason string
}

func (r *Refusal) Error() string { return fmt.Sprintf("refused by %s: %s", r.Origin, r.Reason) }

// Judge returns a *Refusal unless the image may be used as far as the rule goes.
func (r *Rule) Judge(list []Signature) error {
	reason, remedy := r.refuse(list)
	if reason == "" {
		return nil
	}
	return hint.Wrap(&Refusal{r.Origin, reason}, "%s", remedy)
}

func (r *Rule) refuse(list []Signature) (reason, remedy string) {
	const sign = "have it signed by those that the rule names, or take one that is; sealift verify tells who has signed it"
	switch r.Action {
	case Allow:
		return "", ""
	case Deny:
		return r.Reason, "take an image from a place that the rules allow, or ask who wrote them"
	}
	if len(list) == 0 {
		return "it is not signed", sign
	}
	for _, s := range list {
		for _, who := range r.Forbidden {
			if s.by(who) {
				return "it is signed by " + who.String() + ", which the rule forbids", "take another image"
			}
		}
		if r.Strict && (!s.Valid || !s.Whole || !r.named(s)) {
			return fmt.Sprintf("it has a signature by %s that does not count, and the rule is strict", s), sign
		}
	}
	if n := r.count(list); n < r.Need {
		return fmt.Sprintf("%d of the %s that have to have signed the whole image did", n, r.demand()) + problems(list), sign
	}
	return "", ""
}

// problems says what is wrong with signatures.
func problems(list []Signature) string {
	text := ""
	for _, s := range list {
		if s.Problem != "" {
			text += "; " + s.Problem
		}
	}
	return text
}

// named tells whether a signature is by one of those that count.
func (r *Rule) named(s Signature) bool {
	return len(r.Signers) == 0 || slices.ContainsFunc(r.Signers, s.by)
}

// count returns how many of those that count have signed the whole image.
func (r *Rule) count(list []Signature) (n int) {
	good := slices.DeleteFunc(slices.Clone(list), func(s Signature) bool { return !s.Valid || !s.Whole })
	keys := map[string]bool{} // a key counts once, by however many names
	for _, s := range good {
		if r.named(s) {
			keys[cmp.Or(s.Key, s.String())] = true
		}
	}
	if len(r.Signers) == 0 {
		return len(keys)
	}
	for _, who := range r.Signers {
		if slices.ContainsFunc(good, func(s Signature) bool { return s.by(who) }) {
			n++
		}
	}
	return min(n, len(keys))
}

// demand says who has to have signed.
func (r *Rule) demand() string {
	if len(r.Signers) == 0 {
		return fmt.Sprintf("%d known signers", r.Need)
	}
	return fmt.Sprintf("%d (of %s)", r.Need, names(r.Signers))
}

func names(list []Signer) string {
	var names []string
	for _, who := range list {
		names = append(names, who.String())
	}
	return strings.Join(names, ", ")
}

// String names a signer for messages.
func (s Signer) String() string {
	if s.Name != "" {
		return s.Name
	}
	return s.Fingerprint
}
