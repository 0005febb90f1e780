// Package pem reads plain keys and certificates, in PEM files, and says whether a
// certificate is one to verify signatures of images with.
//
// Input: PEM text (RFC 7468) of keys and certificates, a passphrase by a callback,
// a time, and an HTTP client for questions whether a certificate was revoked.
// Output: keys that sign and verify as sigstore's do, ECDSA and RSA (PKCS #1 v1.5)
// over SHA-256, and Ed25519. The package keeps nothing and asks only who a
// certificate says knows of revocations.
package pem

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"golang.org/x/crypto/ssh"

	"github.com/sealift/sealift/buildcfg/hint"
)

// minRSA is in bits; shorter keys can be broken (NIST SP 800-131A).
const minRSA = 2048

// PublicKey verifies signatures.
type PublicKey struct {
	// Name is what a user calls it: its file, or the subject of its certificate.
	Name     string
	key      crypto.PublicKey
	der      []byte
	verifier signature.Verifier
}

// ParsePublic reads a public key: SubjectPublicKeyInfo or PKCS #1.
func ParsePublic(name string, text []byte) (*PublicKey, error) {
	block, err := only(text, "PUBLIC KEY", "RSA PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	key, err := cryptoutils.UnmarshalPEMToPublicKey(pem.EncodeToMemory(block))
	if err != nil {
		return nil, err
	}
	return newPublic(name, key)
}

func newPublic(name string, key crypto.PublicKey) (*PublicKey, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	v, err := signature.LoadVerifier(key, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return &PublicKey{name, key, der, v}, nil
}

// checkKey refuses kinds of keys that are not taken.
func checkKey(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize < 256 {
			return hint.New(fmt.Sprintf("an ECDSA key of %d bits is too short", k.Curve.Params().BitSize), "use a key of 256 bits or more")
		}
		return nil
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return hint.New(fmt.Sprintf("an RSA key of %d bits is too short", k.N.BitLen()), "use a key of 2048 bits or more")
		}
		return nil
	case ed25519.PublicKey:
		return nil
	}
	return hint.New(fmt.Sprintf("keys of this kind do not sign images (%T)", key), "use an ECDSA, RSA or Ed25519 key")
}

// Verifier is the key for sigstore's packages.
func (k *PublicKey) Verifier() signature.Verifier { return k.verifier }

// Is says whether it is the key that was verified with.
func (k *PublicKey) Is(key crypto.PublicKey) bool {
	der, err := x509.MarshalPKIXPublicKey(key)
	return err == nil && bytes.Equal(der, k.der)
}

// Fingerprint returns the SHA-256 of the SubjectPublicKeyInfo (RFC 5280, 4.1) in
// hexadecimal digits, what `openssl pkey -pubin -outform DER | sha256sum` prints.
func (k *PublicKey) Fingerprint() string { return fmt.Sprintf("%x", sha256.Sum256(k.der)) }

// KeyID returns the name of the key in DSSE envelopes, which is that of OpenSSH;
// it is empty for a key that OpenSSH does not know.
func (k *PublicKey) KeyID() string {
	key, err := ssh.NewPublicKey(k.key)
	if err != nil {
		return ""
	}
	return ssh.FingerprintSHA256(key)
}

// PrivateKey signs.
type PrivateKey struct{ signer signature.Signer }

// Signer is the key for sigstore's packages.
func (k *PrivateKey) Signer() signature.Signer { return k.signer }

// ParsePrivate reads a private key: PKCS #8, PKCS #1 or SEC 1, or one that
// openssl or cosign has encrypted, for which passphrase is called.
func ParsePrivate(text []byte, passphrase func() ([]byte, error)) (*PrivateKey, error) {
	block, err := only(text, "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY",
		"ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	encrypted := strings.HasPrefix(block.Type, "ENCRYPTED ") || block.Headers["DEK-Info"] != ""
	asked := false
	key, err := cryptoutils.UnmarshalPEMToPrivateKey(pem.EncodeToMemory(block), func(bool) ([]byte, error) {
		asked = true
		return passphrase()
	})
	if err != nil && encrypted && asked {
		return nil, hint.Wrap(fmt.Errorf("it does not open: %w", err), "check the passphrase")
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, checkKey(key)
	}
	if err := checkKey(signer.Public()); err != nil {
		return nil, err
	}
	s, err := signature.LoadSigner(key, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return &PrivateKey{s}, nil
}

// only returns the one block of a text that is of a kind. Blocks of parameters,
// which openssl puts before keys of curves, are passed over.
func only(text []byte, kinds ...string) (found *pem.Block, err error) {
	other := ""
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		switch {
		case !slices.Contains(kinds, block.Type):
			if block.Type != "EC PARAMETERS" {
				other = block.Type
			}
		case found != nil:
			return nil, errors.New("it holds more than one key")
		default:
			found = block
		}
	}
	switch {
	case found != nil:
		return found, nil
	case other == "CERTIFICATE":
		return nil, hint.New("it holds a certificate, not a key", "give it by --certificate")
	case other != "":
		return nil, hint.New(fmt.Sprintf("it holds %q, not %s", other, strings.ToLower(kinds[0])),
			"private keys sign, public keys verify")
	}
	return nil, hint.New("it holds no key in PEM form",
		"'openssl pkey' converts keys; OpenPGP keys are imported by 'sealift key import'")
}
