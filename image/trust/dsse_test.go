package trust

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	encoding "encoding/pem"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/sealift/sealift/image/trust/pem"
)

// pair is a plain key.
type pair struct {
	private *pem.PrivateKey
	public  *pem.PublicKey
}

func newPair(t testing.TB, name string, key crypto.Signer) pair {
	t.Helper()
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	open, err := x509.MarshalPKIXPublicKey(key.Public())
	must(t, err)
	private, err := pem.ParsePrivate(encoding.EncodeToMemory(&encoding.Block{Type: "PRIVATE KEY", Bytes: secret}), nil)
	must(t, err)
	public, err := pem.ParsePublic(name, encoding.EncodeToMemory(&encoding.Block{Type: "PUBLIC KEY", Bytes: open}))
	must(t, err)
	return pair{private, public}
}

func pairs(t testing.TB) (ec, ed, r pair) {
	t.Helper()
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	return newPair(t, "ecdsa", ecKey), newPair(t, "ed25519", edKey), newPair(t, "rsa", rsaKey)
}

func signPlain(t testing.TB, f *os.File, p pair) {
	t.Helper()
	must(t, Sign(context.Background(), f, SignOptions{Plain: p.private, Now: time.Now()}))
}

func TestDSSE(t *testing.T) {
	ec, ed, r := pairs(t)
	f := typical(t)
	for _, p := range []pair{ec, ed, r} {
		signPlain(t, f, p)
	}
	for _, c := range []struct {
		known []*pem.PublicKey
		want  string
	}{
		{[]*pem.PublicKey{ec.public}, "3 DSSE verified [ecdsa] [1 2]\n4 DSSE unknown key [] []\n5 DSSE unknown key [] []\n"},
		{[]*pem.PublicKey{ed.public}, "3 DSSE unknown key [] []\n4 DSSE verified [ed25519] [1 2]\n5 DSSE unknown key [] []\n"},
		{[]*pem.PublicKey{ec.public, r.public}, "3 DSSE verified [ecdsa] [1 2]\n4 DSSE unknown key [] []\n5 DSSE verified [rsa] [1 2]\n"},
	} {
		report := verify(t, f, Options{Plain: c.known})
		wantStates(t, report, c.want)
		must(t, report.Verdict())
	}
	twice := verify(t, f, Options{Plain: []*pem.PublicKey{ec.public, ec.public}})
	must(t, twice.Verdict())
	report := verify(t, f, Options{})
	wantFailure(t, report, Unknown, "by a public key that was not given")
}

// OpenPGP and plain signatures stand beside each other.
func TestMixed(t *testing.T) {
	ec, _, _ := pairs(t)
	k := newKey(t, "Alice", packet.Config{})
	f := typical(t)
	signPlain(t, f, ec)
	sign(t, f, k, SignOptions{})
	must(t, verify(t, f, Options{Keys: ring(t, k)}).Verdict())
	must(t, verify(t, f, Options{Plain: []*pem.PublicKey{ec.public}}).Verdict())
	report := verify(t, f, Options{Keys: ring(t, k), Plain: []*pem.PublicKey{ec.public}})
	wantStates(t, report, "3 DSSE verified [ecdsa] [1 2]\n4 PGP verified [Alice <alice@example.org>] [1 2]\n")
	// What is said is about the kind of key that one has.
	_, ed, _ := pairs(t)
	wantFailure(t, verify(t, f, Options{Keys: ring(t)}), Unknown, "signature 4: the key "+k.Fingerprint())
	wantFailure(t, verify(t, f, Options{Plain: []*pem.PublicKey{ed.public}}), Unknown, "signature 3: it is by a public key that was not given")
}

// What the key named in an envelope did not make is tampered with.
func TestDSSEChanged(t *testing.T) {
	ec, _, r := pairs(t)
	f := typical(t)
	signPlain(t, f, ec)
	b := bytesOf(t, f)
	known := Options{Plain: []*pem.PublicKey{r.public, ec.public}}
	start := bytes.Index(b, []byte(`"sig":"`)) + len(`"sig":"`)
	for name, c := range map[string]struct {
		edit  func(b []byte)
		state State
		text  string
	}{
		"signature": {func(b []byte) { copy(b[start+20:], "AAAA") }, Tampered, "did not make it"},
		"data":      {func(b []byte) { copy(b[bytes.Index(b, []byte("the file system")):], "THE") }, Tampered, "object 2 (FS) is not as it was signed"},
		"deffile":   {func(b []byte) { copy(b[bytes.Index(b, []byte("Bootstrap")):], "b") }, Tampered, "object 1 (Def.FILE) is not as it was signed"},
		"header":    {func(b []byte) { b[50] ^= 1 }, Tampered, "the header is not as it was signed"},
		"key's name": {func(b []byte) {
			at := regexp.MustCompile(`"keyid":"SHA256:....`).FindIndex(b)[1]
			copy(b[at-4:], "AAAA")
		}, Unknown, "was not given"},
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(b)
			c.edit(b)
			report, err := verifyBytes(b, known)
			must(t, err)
			wantFailure(t, report, c.state, c.text)
			if strings.Contains(c.text, "object 2") && len(report.Signatures[0].Objects) != 0 {
				t.Errorf("objects %v", report.Signatures[0].Objects)
			}
		})
	}
}
