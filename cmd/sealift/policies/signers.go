package policies

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/sealift/sealift/image/trust/pem"
	"github.com/sealift/sealift/image/trust/policy"
)

// plain returns the key that a signer's files hold.
func plain(s policy.Signer, now time.Time, read func(path string) ([]byte, error)) (*pem.PublicKey, error) {
	if s.Key != "" {
		text, err := read(s.Key)
		if err != nil {
			return nil, err
		}
		return pem.ParsePublic(s.Name, text)
	}
	var lists [3][]*x509.Certificate
	for i, path := range []string{s.Certificate, s.Intermediates, s.Roots} {
		if path == "" {
			continue
		}
		text, err := read(path)
		if err != nil {
			return nil, err
		}
		if lists[i], err = pem.ParseCertificates(text); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	c := pem.Chain{Leaf: lists[0][0], Intermediates: lists[1], Roots: lists[2]}
	if _, err := c.Verify(now); err != nil {
		return nil, err
	}
	return c.Public()
}
