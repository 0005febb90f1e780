package pem

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
)

// authority is who vouches for certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (a *authority) issue(name string, edit func(*x509.Certificate)) *authority {
	a.t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	edit(c)
	key := ecKey(a.t, elliptic.P256())
	parent, signer := c, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	must(a.t, err)
	list, err := ParseCertificates(encode("CERTIFICATE", der))
	must(a.t, err)
	return &authority{a.t, list[0], key}
}

func isCA(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
}

func signsCode(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }

func TestChain(t *testing.T) {
	root := (&authority{t: t}).issue("root", isCA)
	middle := root.issue("middle", isCA)
	old := root.issue("old", func(c *x509.Certificate) { isCA(c); c.NotAfter = time.Now().Add(-time.Minute) })
	alice := middle.issue("alice", signsCode)
	list := func(as ...*authority) (cs []*x509.Certificate) {
		for _, a := range as {
			cs = append(cs, a.cert)
		}
		return cs
	}
	now := time.Now()
	good := Chain{alice.cert, list(middle), list(root)}
	chains, err := good.Verify(now)
	must(t, err)
	if len(chains) != 1 || len(chains[0]) != 3 {
		t.Errorf("chains %v", chains)
	}
	k, err := good.Public()
	must(t, err)
	if k.Name != "alice" || !k.Is(alice.key.Public()) {
		t.Errorf("key %+v", k)
	}
	for _, c := range []struct {
		name    string
		chain   Chain
		now     time.Time
		problem Problem
		text    string
	}{
		{"no roots but the system's", Chain{alice.cert, list(middle), nil}, now, Untrusted, "unknown authority"},
		{"intermediate missing", Chain{alice.cert, nil, list(root)}, now, Untrusted, "unknown authority"},
		{"self-signed", Chain{(&authority{t: t}).issue("me", signsCode).cert, nil, list(root)}, now, Untrusted, "unknown authority"},
		{"expired", good, now.Add(2 * time.Hour), Expired, "has expired"},
		{"not yet valid", good, now.Add(-2 * time.Hour), Expired, "not yet valid"},
		{"authority expired", Chain{old.issue("bob", signsCode).cert, list(old), list(root)}, now, Expired, "has expired"},
		{"no usage", Chain{middle.issue("web", func(*x509.Certificate) {}).cert, list(middle), list(root)}, now, Untrusted, "not for signing code"},
		{"other usage", Chain{middle.issue("web", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }).cert, list(middle), list(root)}, now, Untrusted, "not for signing code"},
		{"no signatures", Chain{middle.issue("bob", func(c *x509.Certificate) { signsCode(c); c.KeyUsage = x509.KeyUsageKeyAgreement }).cert, list(middle), list(root)}, now, Untrusted, "not for signatures"},
		{"issued by a signer", Chain{alice.issue("bob", signsCode).cert, list(alice, middle), list(root)}, now, Untrusted, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.chain.Verify(c.now)
			var e *CertificateError
			if !errors.As(err, &e) || e.Problem != c.problem || !strings.Contains(err.Error(), c.text) || hint.Of(err) == "" {
				t.Errorf("error %v (%s), want %s: %q", err, hint.Of(err), c.problem, c.text)
			}
		})
	}
	_, err = Chain{alice.cert, make([]*x509.Certificate, 100), list(root)}.Verify(now)
	wantError(t, err, "100 intermediate certificates; the limit is 10", "")
}

func TestBadCertificates(t *testing.T) {
	_, err := ParseCertificates([]byte("x"))
	wantError(t, err, "no certificate", "openssl x509")
	_, err = ParseCertificates(pkcs8(t, ecKey(t, elliptic.P256())))
	wantError(t, err, `it holds "PRIVATE KEY", not only certificates`, "")
	_, err = ParseCertificates(encode("CERTIFICATE", []byte("x")))
	wantError(t, err, "malformed", "")
	name := name((&authority{t: t}).issue("", isCA).cert)
	if name != "" {
		t.Errorf("name %q", name)
	}
}
