// Package crypt opens and makes the encrypted file systems of images, as
// Apptainer has them when nobody is root: SIF partitions of type 6.
//
// Such a partition is a SquashFS image, the outer one, of two files: the
// configuration of gocryptfs, and a file that gocryptfs has encrypted, whose
// plaintext is the SquashFS image of the root file system. The password of
// gocryptfs is a passphrase; or a random one, which lies beside the partition
// encrypted for an RSA key.
//
// Input: a partition and a Key, or a Key and the bytes of a file system as they
// are written. Output: the plaintext at any offset, every block authenticated as
// it is read; or the partition, in one pass. No plaintext reaches any file, and
// no program is started. What encryption does not say is who made an image: who
// knows the passphrase or has the public key can make another one.
package crypt

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/youmark/pkcs8"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/crypt/gocryptfs"
)

// MaxPEM is how many bytes of a PEM file are read.
const MaxPEM = 256 << 10

// Key is what an image is encrypted for, and opened with. The zero value is none.
type Key struct {
	passphrase string
	public     *rsa.PublicKey
	private    *rsa.PrivateKey
	// unlocks says that the passphrase is the very password of an image, whatever
	// it was encrypted for.
	unlocks bool
}

// String tells the kind of a key, and nothing of the key.
func (k *Key) String() string {
	switch {
	case k.private != nil:
		return "a private key"
	case k.public != nil:
		return "a public key"
	}
	return "a passphrase"
}

// GoString is String, so that no format shows a key.
func (k *Key) GoString() string { return k.String() }

// Passphrase returns the key that a passphrase is: a line of text.
func Passphrase(text string) (*Key, error) {
	switch {
	case text == "":
		return nil, errors.New("the passphrase is empty")
	case len(text) > gocryptfs.MaxPassword:
		return nil, fmt.Errorf("the passphrase has %d bytes; the limit is %d", len(text), gocryptfs.MaxPassword)
	case strings.ContainsAny(text, "\n\x00"):
		return nil, hint.New("the passphrase has more than one line", "use a passphrase of one line, without the end of the line")
	}
	return &Key{passphrase: text}, nil
}

// ErrKeyPassphrase is wrapped when the passphrase of an encrypted PEM key is
// wrong.
var ErrKeyPassphrase = errors.New("wrong passphrase of the key")

// ParsePEM returns the first RSA key of a PEM file: a private one (PKCS #1 or
// PKCS #8), which may be encrypted, or a public one (PKCS #1, or PKIX as openssl
// writes it). Ask is called for the passphrase of an encrypted one.
func ParsePEM(text []byte, ask func() (string, error)) (*Key, error) {
	for rest := text; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return nil, hint.New("no RSA key in PEM form", "make one: openssl genrsa -out key.pem 3072, and openssl rsa -in key.pem -pubout -out public.pem")
		}
		if !strings.HasSuffix(b.Type, "KEY") {
			continue
		}
		k, err := parseBlock(b, ask)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", b.Type, err)
		}
		return k, nil
	}
}

func parseBlock(b *pem.Block, ask func() (string, error)) (*Key, error) {
	var key any
	var err error
	switch {
	case b.Type == "ENCRYPTED PRIVATE KEY":
		key, err = decrypt(b.Bytes, ask, func(der, password []byte) (any, error) { return pkcs8.ParsePKCS8PrivateKey(der, password) })
	case strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED"):
		key, err = decrypt(b.Bytes, ask, func(_, password []byte) (any, error) { return legacy(b, password) })
	case b.Type == "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case b.Type == "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case b.Type == "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(b.Bytes)
	case b.Type == "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(b.Bytes)
	}
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return &Key{private: key, public: &key.PublicKey}, nil
	case *rsa.PublicKey:
		return &Key{public: key}, nil
	}
	return nil, hint.New("it is no RSA key", "use an RSA key: openssl genrsa -out key.pem 3072")
}

// decrypt parses an encrypted key with the passphrase that is asked for.
func decrypt(b []byte, ask func() (string, error), parse func(b, password []byte) (any, error)) (any, error) {
	text, err := ask()
	if err != nil {
		return nil, err
	}
	if text == "" { // which pkcs8 takes for a key that is not encrypted
		return nil, ErrKeyPassphrase
	}
	key, err := parse(b, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("%w, or an unknown way of encryption: %w", ErrKeyPassphrase, err)
	}
	return key, nil
}

// legacy decrypts a key in the form of RFC 1423, section 1, as openssl genrsa
// -traditional writes it.
func legacy(b *pem.Block, password []byte) (any, error) {
	//lint:ignore SA1019 It is weak, and there are keys that nothing else opens.
	der, err := x509.DecryptPEMBlock(b, password)
	if err != nil {
		return nil, err
	}
	return x509.ParsePKCS1PrivateKey(der)
}
