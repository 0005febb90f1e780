package policies

import (
	"crypto/x509"
	"fmt"
	"os"

	"github.com/sealift/sealift/image/trust/pem"
)

// certificates reads the certificates in a file, of which there is one at least.
func certificates(path string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list, err := pem.ParseCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}
