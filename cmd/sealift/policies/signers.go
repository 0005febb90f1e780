package policies

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/sealift/sealift/image/trust/pem"
	"github.com/sealift/sealift/image/trust/policy"
)

// plain returns the key that a signer's files hold. It lasts if it is theirs until later, whatever
// becomes of other files, such as the system's of whom it trusts.
func plain(s policy.Signer, now, later time.Time, read func(path string) ([]byte, error)) (key *pem.PublicKey, lasts bool, err error) {
	if s.Key != "" {
		text, err := read(s.Key)
		if err != nil {
			return nil, false, err
		}
		key, err = pem.ParsePublic(s.Name, text)
		return key, true, err
	}
	var lists [3][]*x509.Certificate
	for i, path := range []string{s.Certificate, s.Intermediates, s.Roots} {
		if path == "" {
			continue
		}
		text, err := read(path)
		if err != nil {
			return nil, false, err
		}
		if lists[i], err = pem.ParseCertificates(text); err != nil {
			return nil, false, fmt.Errorf("%s: %w", path, err)
		}
	}
	c := pem.Chain{Leaf: lists[0][0], Intermediates: lists[1], Roots: lists[2]}
	chains, err := c.Verify(now)
	if err != nil {
		return nil, false, err
	}
	atLast, _ := c.Verify(later) // none where it fails
	lasts = s.Roots != "" && slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool {
		return slices.ContainsFunc(atLast, func(other []*x509.Certificate) bool {
			return slices.EqualFunc(chain, other, (*x509.Certificate).Equal)
		})
	})
	key, err = c.Public()
	return key, lasts, err
}
