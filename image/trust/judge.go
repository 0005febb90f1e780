package trust

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sylabs/sif/v2/pkg/integrity"

	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/pem"
)

// judge takes what the library found of one signature. It is good if there is no
// error, the key is in order, and the library verified what was read here too.
func (v *verifier) judge(s *Signature, m message, results []integrity.VerifyResult, want []uint32) {
	var verified []uint32
	for _, r := range results {
		v.signers(s, r)
		if r.Error() != nil {
			s.State, s.Err = v.state(s, m, r)
			return
		}
		for _, d := range r.Verified() {
			verified = append(verified, d.ID())
		}
	}
	slices.Sort(verified)
	if len(results) == 0 || !slices.Equal(verified, want) || len(s.Signers) == 0 {
		s.Err = fmt.Errorf("the objects %v were verified, not %v", verified, want)
		return
	}
	if s.Format == PGP {
		if s.State, s.Err = v.timely(s.Signers[0], m); s.Err != nil {
			return
		}
	}
	s.State = Good
	list := v.img.Objects()
	for i := range list {
		if _, ok := slices.BinarySearch(verified, list[i].ID); ok {
			s.Objects = append(s.Objects, list[i])
		}
	}
}

// signers notes whose keys fit.
func (v *verifier) signers(s *Signature, r integrity.VerifyResult) {
	s.Signers = nil
	if e := r.Entity(); e != nil {
		signer := Signer{Fingerprint: fmt.Sprintf("%X", e.PrimaryKey.Fingerprint), Ring: -1}
		if k, ring := v.o.Keys.Find(signer.Fingerprint); k != nil {
			signer.Ring, signer.Name = ring, k.Name()
		}
		s.Signers = append(s.Signers, signer)
	}
	for _, key := range r.Keys() {
		if i := slices.IndexFunc(v.o.Plain, func(k *pem.PublicKey) bool { return k.Is(key) }); i >= 0 {
			k := v.o.Plain[i]
			s.Signers = append(s.Signers, Signer{Name: k.Name, Fingerprint: k.Fingerprint(), Ring: -1})
		}
	}
}

// timely finds a signature or a key that is not in order though the library takes it, which
// knows no other time than now.
func (v *verifier) timely(signer Signer, m message) (State, error) {
	k, _ := v.o.Keys.Find(signer.Fingerprint)
	if k == nil {
		return Weak, fmt.Errorf("the key %s is in no ring", signer.Fingerprint)
	}
	if err := k.Lasts(m.armor, v.o.Now); err != nil {
		return v.messageState(Signature{Signers: []Signer{signer}}, err)
	}
	return ofKey(k.State(v.o.Now), signer)
}

// ofKey is the state of a signature whose key has a state.
func ofKey(s keyring.State, signer Signer) (State, error) {
	switch s {
	case keyring.Valid:
		return Good, nil
	case keyring.Expired, keyring.Future:
		return Expired, fmt.Errorf("it or the key %s has expired, or is not valid yet", signer.Fingerprint)
	case keyring.Revoked:
		return Revoked, fmt.Errorf("the key %s was revoked", signer.Fingerprint)
	}
	return Weak, fmt.Errorf("the key %s is %s", signer.Fingerprint, s)
}

// state says what an error of the library is.
func (v *verifier) state(s *Signature, m message, r integrity.VerifyResult) (State, error) {
	err := r.Error()
	v.noteUnread(err)
	var invalid *integrity.SignatureNotValidError
	if errors.As(err, &invalid) {
		if m.format == DSSE {
			return v.envelopeState(*s, m)
		}
		return v.messageState(*s, invalid.Err)
	}
	var descriptor *integrity.DescriptorIntegrityError
	var object *integrity.ObjectIntegrityError
	switch {
	case errors.Is(err, integrity.ErrHeaderIntegrity):
		return Tampered, errors.New("the header is not as it was signed")
	case errors.As(err, &descriptor):
		s.Changed = descriptor.ID
		return Tampered, fmt.Errorf("the descriptor of %s is not as it was signed", v.object(descriptor.ID))
	case errors.As(err, &object):
		s.Changed = object.ID
		return Tampered, fmt.Errorf("%s is not as it was signed", v.object(object.ID))
	case len(s.Signers) > 0 && s.Format == PGP && s.Claimed != s.Signers[0].Fingerprint:
		return Tampered, fmt.Errorf("it is said to be of the key %q, but %s made it", s.Claimed, s.Signers[0].Fingerprint)
	}
	return Tampered, fmt.Errorf("what it signs is not what is there: %w", err)
}

func (v *verifier) object(id uint32) string {
	if o, ok := v.img.Object(id); ok {
		return o.String()
	}
	return "what it signs"
}

// messageState is the state of an OpenPGP signature that does not verify.
func (v *verifier) messageState(s Signature, err error) (State, error) {
	switch state := keyring.StateOf(err); {
	case state == keyring.Unknown:
		return Unknown, v.noKey(s)
	case state == keyring.Weak:
		return Refused, fmt.Errorf("it is in a form, or by an algorithm, that is not taken: %w", err)
	case state != keyring.Valid && len(s.Signers) > 0:
		return ofKey(state, s.Signers[0])
	}
	return Tampered, fmt.Errorf("the key did not make it: %w", err)
}

// envelopeState is the state of an envelope that does not verify. It may name the
// key, and then that key did not make it.
func (v *verifier) envelopeState(s Signature, m message) (State, error) {
	for _, k := range v.o.Plain {
		if id := k.KeyID(); id != "" && slices.Contains(m.keyIDs, id) {
			return Tampered, fmt.Errorf("the key %s did not make it, or not for this", k.Fingerprint())
		}
	}
	return Unknown, v.noKey(s)
}

// noKey says which key is missing.
func (v *verifier) noKey(s Signature) error {
	switch {
	case s.Format == DSSE:
		return errors.New("it is by a public key that was not given")
	case s.ignored:
		return errors.New("it is by an OpenPGP key, and those are not looked at")
	}
	if s.Claimed == "" {
		return errors.New("no key is known that made it, and it names none")
	}
	return fmt.Errorf("the key %s, which it is said to be of, is not known", s.Claimed)
}
