package registry

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Bounds on connections: bytes of headers, and idle connections to one host.
const (
	maxHeader = 64 << 10
	maxIdle   = 8
)

var dialer = net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}

// TLS is whom to trust.
type TLS struct{ roots *x509.CertPool }

// TrustFile returns a TLS that trusts the certificates of a PEM file beside
// those of the system.
func TrustFile(path string) (*TLS, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, hint.New(fmt.Sprintf("%s holds no certificate", path), "name a file of PEM certificates")
	}
	return &TLS{pool}, nil
}

func (t *TLS) config() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t != nil {
		c.RootCAs = t.roots
	}
	return c
}
