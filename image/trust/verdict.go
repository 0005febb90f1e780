package trust

import (
	"fmt"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif"
)

// Failure is why an image is not trusted.
type Failure struct {
	// State is Tampered, Revoked, Expired, Weak or Unknown; or empty, where an
	// object is not signed.
	State State
	err   error
}

func (f *Failure) Error() string { return f.err.Error() }

// Unwrap is for errors.As, and the hint.
func (f *Failure) Unwrap() error { return f.err }

func fail(state State, remedy, format string, args ...any) *Failure {
	return &Failure{state, hint.Wrap(fmt.Errorf(format, args...), "%s", remedy)}
}

// Verdict returns nil if every object that was asked for has a good signature and
// no signature shows that the image was changed; a *Failure otherwise. One of a
// key that is unknown, revoked, expired or weak does no harm beside a good one.
func (r *Report) Verdict() error {
	for _, s := range r.Signatures {
		if s.State == Tampered || s.State == Refused {
			return fail(Tampered, "do not use the image; get it again from where it comes from",
				"signature %d: %v", s.Object.ID, s.Err)
		}
	}
	if len(r.Objects) == 0 {
		return fail("", "see what it holds: sealift inspect", "the image holds nothing that could be signed")
	}
	var worst *Failure
	for _, o := range r.Objects {
		if len(r.Covering(o)) > 0 {
			continue
		}
		if f := r.uncovered(o); worst == nil || rank(f.State) < rank(worst.State) {
			worst = f
		}
	}
	if worst == nil {
		return nil
	}
	return worst
}

// Unanimous returns nil if Verdict does and, what it lets pass, no signature is of a key
// that is unknown, revoked, expired or weak, or about a part of its group; a *Failure
// otherwise. This is what Apptainer calls verified.
func (r *Report) Unanimous() error {
	if err := r.Verdict(); err != nil {
		return err
	}
	for _, s := range r.Signatures {
		if f := s.failure(); f != nil {
			return f
		}
		if s.State == Good && !s.Whole && !s.Legacy {
			return fail("", "remove it, or sign the image again: sealift sif del", "signature %d is about a part of group %d", s.Object.ID, s.Object.Link)
		}
	}
	return nil
}

// failure is why a signature of a key that is not in order is worth nothing, or nil.
func (s Signature) failure() *Failure {
	switch s.State {
	case Unknown:
		return fail(Unknown, unknownRemedy(s), "signature %d: %v", s.Object.ID, s.Err)
	case Revoked, Expired, Weak:
		return fail(s.State, "ask the signer for a signature by another key", "signature %d: %v", s.Object.ID, s.Err)
	}
	return nil
}

// rank orders failures, the worst first.
func rank(s State) int {
	switch s {
	case "":
		return 0
	case Revoked:
		return 1
	case Expired, Weak:
		return 2
	}
	return 3
}

// uncovered says why no good signature covers an object: the worst that is known
// of those for it.
func (r *Report) uncovered(o sif.Object) *Failure {
	var worst *Failure
	legacy, ignored := false, false // the worst is of one that is ignored
	for _, s := range r.Signatures {
		if s.Object.LinksGroup && s.Object.Link != o.Group || !s.Object.LinksGroup && s.Object.Link != o.ID {
			continue
		}
		legacy = legacy || s.State == Legacy
		f := s.failure()
		if f != nil && (worst == nil || ignored && !s.ignored || ignored == s.ignored && rank(f.State) < rank(worst.State)) {
			worst, ignored = f, s.ignored
		}
	}
	switch {
	case worst != nil:
		return worst
	case o.Group == 0:
		return fail("", "remove the object, or verify groups and objects by --group-id and --sif-id",
			"%v is in no group, so that no signature can cover it", o)
	case legacy:
		return fail("", "sign the image again; --legacy-insecure takes such signatures, which cover no metadata",
			"%v has signatures of an old, insecure form only", o)
	}
	return fail("", "'sealift sign' signs an image; --sif-id verifies single objects", "%v of group %d is not signed", o, o.Group)
}

func unknownRemedy(s Signature) string {
	switch {
	case s.Format == PGP && s.ignored:
		return "verify without --key and --certificate, by OpenPGP keys"
	case s.Format == DSSE:
		return "give the signer's public key by --key, or the certificate by --certificate"
	}
	return fmt.Sprintf("after a look at whose it is, 'sealift key pull %s' or 'sealift key import' gets the key", s.Claimed)
}
