package pem

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
)

// maxChain bounds a chain of certificates, from that of the signer to a root.
const maxChain = 10

// Problem says what is wrong with a certificate.
type Problem string

// The problems.
const (
	Untrusted Problem = "untrusted"
	Expired   Problem = "expired"
	Revoked   Problem = "revoked"
)

// CertificateError is that a certificate is not one to verify with.
type CertificateError struct {
	Problem Problem
	err     error
}

func (e *CertificateError) Error() string { return e.err.Error() }

// Unwrap is for errors.As, and the hint.
func (e *CertificateError) Unwrap() error { return e.err }

// ParseCertificates reads one certificate or more.
func ParseCertificates(text []byte) (list []*x509.Certificate, err error) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("it holds %q, not only certificates", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, hint.New("it holds no certificate in PEM form", "'openssl x509' converts certificates")
	}
	return list, nil
}

// Chain is a certificate of a signer, those that vouch for it, and who is trusted
// in the end.
type Chain struct {
	Leaf          *x509.Certificate
	Intermediates []*x509.Certificate
	// Roots are trusted; nil stands for those of the system.
	Roots []*x509.Certificate
}

// Verify returns the chains from the certificate to a root that are in order at a
// time: for signing code, RFC 5280's extended key usage (4.2.1.12).
func (c Chain) Verify(now time.Time) ([][]*x509.Certificate, error) {
	if len(c.Intermediates) > maxChain {
		return nil, fmt.Errorf("there are %d intermediate certificates; the limit is %d", len(c.Intermediates), maxChain)
	}
	opts := x509.VerifyOptions{
		Intermediates: pool(c.Intermediates), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	if c.Roots != nil {
		opts.Roots = pool(c.Roots)
	}
	err := c.usage()
	if err == nil {
		var chains [][]*x509.Certificate
		if chains, err = c.Leaf.Verify(opts); err == nil {
			return chains, nil
		}
	}
	return nil, c.explain(err)
}

// usage asks for more than the library: that the usage is in the certificate of
// the signer itself, not absent, and that what it may do includes signatures.
func (c Chain) usage() error {
	if !slices.Contains(c.Leaf.ExtKeyUsage, x509.ExtKeyUsageCodeSigning) {
		return &usageError{"it is not for signing code"}
	}
	if c.Leaf.KeyUsage != 0 && c.Leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return &usageError{"it is not for signatures"}
	}
	return nil
}

type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func (c Chain) explain(err error) error {
	named := fmt.Errorf("certificate of %s: %w", name(c.Leaf), err)
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return &CertificateError{Expired, hint.Wrap(named, "ask the signer for a certificate that is valid, and a signature with it")}
	}
	var usage *usageError
	if errors.As(err, &usage) || errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage {
		return &CertificateError{Untrusted, hint.Wrap(named, "it needs the extended key usage codeSigning")}
	}
	return &CertificateError{Untrusted, hint.Wrap(named,
		"give those who vouch for it by --certificate-intermediates, and whom you trust by --certificate-roots")}
}

// Public returns the certificate's key. It says nothing of the certificate.
func (c Chain) Public() (*PublicKey, error) { return newPublic(name(c.Leaf), c.Leaf.PublicKey) }

func name(c *x509.Certificate) string {
	if c.Subject.CommonName != "" {
		return c.Subject.CommonName
	}
	return c.Subject.String()
}

func pool(list []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range list {
		p.AddCert(c)
	}
	return p
}
