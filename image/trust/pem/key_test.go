package pem

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, text, remedy string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(hint.Of(err), remedy) {
		t.Errorf("error %v (%s), want %q (%s)", err, hint.Of(err), text, remedy)
	}
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func ecKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	must(t, err)
	return k
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	must(t, err)
	return k
}

func pkcs8(t testing.TB, k crypto.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	must(t, err)
	return encode("PRIVATE KEY", der)
}

func pkix1(t testing.TB, k crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k)
	must(t, err)
	return encode("PUBLIC KEY", der)
}

func never() ([]byte, error) { return nil, errors.New("a passphrase is asked for") }

// What a private key signs its public key verifies, and says so by one name.
func TestKeys(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	ec := ecKey(t, elliptic.P256())
	sec1, err := x509.MarshalECPrivateKey(ec)
	must(t, err)
	r := rsaKey(t, 2048)
	for name, c := range map[string]struct {
		private []byte
		public  crypto.PublicKey
	}{
		"ed25519":        {pkcs8(t, ed), ed.Public()},
		"ecdsa":          {pkcs8(t, ec), ec.Public()},
		"ecdsa, 384":     {pkcs8(t, ecKey(t, elliptic.P384())), nil},
		"ecdsa, openssl": {append(encode("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}), encode("EC PRIVATE KEY", sec1)...), ec.Public()},
		"rsa":            {pkcs8(t, r), r.Public()},
		"rsa, PKCS #1":   {encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r)), r.Public()},
	} {
		t.Run(name, func(t *testing.T) {
			private, err := ParsePrivate(c.private, never)
			must(t, err)
			key, err := private.Signer().PublicKey()
			must(t, err)
			public, err := ParsePublic("me", pkix1(t, key))
			must(t, err)
			sig, err := private.Signer().SignMessage(strings.NewReader("message"))
			must(t, err)
			must(t, public.Verifier().VerifySignature(strings.NewReader(string(sig)), strings.NewReader("message")))
			if err := public.Verifier().VerifySignature(strings.NewReader(string(sig)), strings.NewReader("massage")); err == nil {
				t.Error("another message is verified")
			}
			if !public.Is(key) || public.Is(rsaKey(t, 1024).Public()) || public.Name != "me" || len(public.Fingerprint()) != 64 || !strings.HasPrefix(public.KeyID(), "SHA256:") {
				t.Errorf("key %+v: %s, %s", public, public.Fingerprint(), public.KeyID())
			}
		})
	}
}

// openssl wrote them, of one key, with the passphrase "secret".
func TestEncryptedKey(t *testing.T) {
	answer := func(s string) func() ([]byte, error) { return func() ([]byte, error) { return []byte(s), nil } }
	for _, name := range []string{"ec-rfc1423.pem", "ec-pkcs8.pem"} {
		text, err := os.ReadFile("testdata/" + name)
		must(t, err)
		k, err := ParsePrivate(text, answer("secret"))
		must(t, err)
		key, err := k.Signer().PublicKey()
		must(t, err)
		public, err := newPublic(name, key)
		must(t, err)
		if got := public.Fingerprint(); got != "9498d01e0d019ecf09ae9b81113e69fc902da76511c05cba8d9dd9590451734a" {
			t.Errorf("%s is the key %s", name, got)
		}
		_, err = ParsePrivate(text, answer("wrong"))
		wantError(t, err, "it does not open", "check the passphrase")
		_, err = ParsePrivate(text, never)
		wantError(t, err, "a passphrase is asked for", "")
	}
}

func TestBadKeys(t *testing.T) {
	short, r := rsaKey(t, 1024), rsaKey(t, 2048)
	for _, c := range []struct {
		name         string
		text         []byte
		error, hint_ string
	}{
		{"empty", nil, "no key in PEM form", "openssl pkey"},
		{"OpenPGP", []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"), "it holds \"PGP PUBLIC KEY BLOCK\"", "private keys sign"},
		{"certificate", encode("CERTIFICATE", []byte("x")), "it holds a certificate", "--certificate"},
		{"private", pkcs8(t, r), `it holds "PRIVATE KEY", not public key`, "private keys sign, public keys verify"},
		{"two", append(pkix1(t, r.Public()), pkix1(t, r.Public())...), "more than one key", ""},
		{"garbage", encode("PUBLIC KEY", []byte("x")), "asn1", ""},
		{"short RSA", pkix1(t, short.Public()), "an RSA key of 1024 bits is too short", "2048 bits or more"},
		{"short curve", pkix1(t, ecKey(t, elliptic.P224()).Public()), "an ECDSA key of 224 bits is too short", "256 bits or more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParsePublic("me", c.text)
			wantError(t, err, c.error, c.hint_)
		})
	}
	_, err := ParsePrivate(pkcs8(t, short), never)
	wantError(t, err, "1024 bits is too short", "2048")
	_, err = ParsePrivate(pkix1(t, r.Public()), never)
	wantError(t, err, `it holds "PUBLIC KEY", not private key`, "private keys sign")
	_, err = ParsePrivate(encode("PRIVATE KEY", []byte("x")), never)
	wantError(t, err, "asn1", "")
	wantError(t, checkKey("x"), "keys of this kind", "use an ECDSA, RSA or Ed25519 key")
}
