package keyring

import (
	"fmt"
	"io"
	"testing"

	pgp "github.com/ProtonMail/go-crypto/openpgp/errors"
)

func TestStateOf(t *testing.T) {
	for err, want := range map[error]State{
		pgp.ErrUnknownIssuer: Unknown, pgp.ErrKeyExpired: Expired, pgp.ErrSignatureExpired: Expired,
		pgp.ErrSignatureOlderThanKey: Future, pgp.ErrKeyRevoked: Revoked, pgp.StructuralError("x"): Weak,
		pgp.UnsupportedError("x"): Weak, pgp.WeakAlgorithmError("x"): Weak, pgp.SignatureError("x"): Valid, io.EOF: Valid,
	} {
		if got := StateOf(fmt.Errorf("signature: %w", err)); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}
