package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgp "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Unknown is the State of a key that a ring lacks.
const Unknown State = "unknown"

// StateOf returns what the OpenPGP library's refusal of a signature says of its
// key: Unknown, Expired (the key or the signature), Future or Revoked; Weak where
// the message is in a form or made by an algorithm that is not taken; and Valid
// where the signature itself is wrong.
func StateOf(err error) State {
	var structural pgp.StructuralError
	var unsupported pgp.UnsupportedError
	var weak pgp.WeakAlgorithmError
	switch {
	case errors.Is(err, pgp.ErrUnknownIssuer):
		return Unknown
	case errors.Is(err, pgp.ErrKeyExpired), errors.Is(err, pgp.ErrSignatureExpired):
		return Expired
	case errors.Is(err, pgp.ErrSignatureOlderThanKey):
		return Future
	case errors.Is(err, pgp.ErrKeyRevoked):
		return Revoked
	case errors.As(err, &structural), errors.As(err, &unsupported), errors.As(err, &weak):
		return Weak
	}
	return Valid
}

// Lasts returns an error if a signature by the key, in armour, counts no more at a time: by what
// it says itself (RFC 9580, 5.2.3.18), or because the subkey that made it has expired or was
// revoked. It does not look at the primary key, as State does.
func (k *Key) Lasts(signature string, until time.Time) error {
	block, err := armor.Decode(strings.NewReader(signature))
	if err != nil {
		return err
	}
	p, err := packet.Read(block.Body)
	if err != nil {
		return err
	}
	s, ok := p.(*packet.Signature)
	if !ok {
		return fmt.Errorf("it is a %T", p)
	}
	life := s.SigLifetimeSecs // none and 0 are for ever
	if life != nil && *life > 0 && until.After(s.CreationTime.Add(time.Duration(*life)*time.Second)) {
		return pgp.ErrSignatureExpired
	}
	e, err := k.entity()
	if err != nil {
		return err
	}
	for i := range e.Subkeys {
		sub := &e.Subkeys[i]
		switch made := s.IssuerKeyId != nil && *s.IssuerKeyId == sub.PublicKey.KeyId || bytes.Equal(s.IssuerFingerprint, sub.PublicKey.Fingerprint); {
		case !made:
		case sub.Revoked(until):
			return pgp.ErrKeyRevoked
		case sub.Sig == nil || sub.PublicKey.KeyExpired(sub.Sig, until) || sub.Sig.SigExpired(until):
			return pgp.ErrKeyExpired
		}
	}
	return nil
}

// Name returns the first user as NAME (COMMENT) <EMAIL>, empty where the key
// names none.
func (k *Key) Name() string {
	users := k.Users()
	if len(users) == 0 {
		return ""
	}
	u := users[0]
	text := u.Name
	if u.Comment != "" {
		text += " (" + u.Comment + ")"
	}
	if u.Email != "" {
		text += " <" + u.Email + ">"
	}
	return text
}
