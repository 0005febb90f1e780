package keyring

import (
	"errors"

	pgp "github.com/ProtonMail/go-crypto/openpgp/errors"
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
