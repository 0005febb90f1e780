package crypt

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/crypt/gocryptfs"
)

// MaxMessage is how many bytes of a message are read.
const MaxMessage = 64 << 10

// errNotFor says that a private key does not open a message.
var errNotFor = errors.New("the image was encrypted for another key")

// wrap encrypts a password for a public key, in the form of Apptainer: a PEM
// block of an ASN.1 octet string of RSA-OAEP messages (SHA-256, no label), as many
// as the password takes.
func wrap(public *rsa.PublicKey, password string) ([]byte, error) {
	var sealed []byte
	step := public.Size() - 2*sha256.Size - 2
	if step <= 0 {
		return nil, fmt.Errorf("an RSA key of %d bits is too short", public.N.BitLen())
	}
	for rest := []byte(password); len(rest) > 0; {
		part := rest[:min(step, len(rest))]
		rest = rest[len(part):]
		m, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public, part, nil)
		if err != nil {
			return nil, err
		}
		sealed = append(sealed, m...)
	}
	der, err := asn1.Marshal(sealed)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "MESSAGE", Bytes: der}), nil
}

// unwrap is the reverse of wrap.
func unwrap(private *rsa.PrivateKey, message []byte) (string, error) {
	b, _ := pem.Decode(message)
	if b == nil {
		return "", damaged("no PEM block in the encrypted password")
	}
	var sealed []byte
	if rest, err := asn1.Unmarshal(b.Bytes, &sealed); err != nil || len(rest) > 0 {
		return "", damaged("the encrypted password is no octet string")
	}
	if len(sealed) == 0 || len(sealed)%private.Size() != 0 || len(sealed) > gocryptfs.MaxPassword*8 {
		return "", hint.Wrap(errNotFor, "name the private key that belongs to the public key of the build")
	}
	var password bytes.Buffer
	for len(sealed) > 0 {
		part, err := rsa.DecryptOAEP(sha256.New(), nil, private, sealed[:private.Size()], nil)
		if err != nil {
			return "", hint.Wrap(errNotFor, "name the private key that belongs to the public key of the build")
		}
		password.Write(part)
		sealed = sealed[private.Size():]
	}
	return password.String(), nil
}

func damaged(text string, args ...any) error {
	return hint.Wrap(fmt.Errorf("encrypted image: "+text, args...), "copy or download the image again")
}
