package pem

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"
)

// dsaKey is a key of DSA as certificates and files of keys have it.
func dsaKey(t *testing.T, y *big.Int) []byte {
	t.Helper()
	parameters, err := asn1.Marshal(struct{ P, Q, G *big.Int }{big.NewInt(23), big.NewInt(11), big.NewInt(2)})
	must(t, err)
	number, err := asn1.Marshal(y)
	must(t, err)
	b, err := asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}{
		pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1}, Parameters: asn1.RawValue{FullBytes: parameters}},
		asn1.BitString{Bytes: number, BitLength: len(number) * 8},
	})
	must(t, err)
	return b
}

// certificate is the outer form of one, to exchange the key.
type certificate struct {
	Body struct {
		Version    int `asn1:"optional,explicit,default:0,tag:0"`
		Serial     *big.Int
		Algorithm  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		Validity   asn1.RawValue
		Subject    asn1.RawValue
		Key        asn1.RawValue
		Extensions asn1.RawValue `asn1:"optional,explicit,tag:3"`
	}
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

// TestDSAT54: keys of DSA are refused, as files and in certificates, whatever is in
// them (CVE-2025-58188).
func TestDSAT54(t *testing.T) {
	_, err := ParsePublic("me", encode("PUBLIC KEY", dsaKey(t, big.NewInt(8))))
	wantError(t, err, "keys of this kind", "use an ECDSA, RSA or Ed25519 key")
	now := time.Now()
	key := ecKey(t, elliptic.P256())
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "dsa"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, KeyUsage: x509.KeyUsageDigitalSignature,
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "dsa"}}, key.Public(), key)
	must(t, err)
	var c certificate
	_, err = asn1.Unmarshal(der, &c)
	must(t, err)
	c.Body.Key = asn1.RawValue{FullBytes: dsaKey(t, big.NewInt(8))}
	der, err = asn1.Marshal(c)
	must(t, err)
	list, err := ParseCertificates(encode("CERTIFICATE", der))
	must(t, err)
	for _, roots := range [][]*x509.Certificate{nil, list} {
		chain := Chain{list[0], list, roots}
		if chains, err := chain.Verify(now); err == nil && len(roots) == 0 {
			t.Errorf("chains %v", chains)
		}
		_, err = chain.Public()
		wantError(t, err, "keys of this kind", "use an ECDSA, RSA or Ed25519 key")
	}
}
