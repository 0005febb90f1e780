// Package conn makes connections to registries and other servers: through
// proxies, and with certificates of their own.
//
// Input: how proxies are found, and whom to trust. Output: an http.RoundTripper
// with bounds on how long it waits and on what it takes for headers.
package conn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Bounds on connections: bytes of headers, and idle connections to one host.
const (
	maxHeader = 64 << 10
	maxIdle   = 8
)

var dialer = net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}

// TLS is whom to trust. Certificates of the system are those that crypto/x509
// finds, also by SSL_CERT_FILE and SSL_CERT_DIR.
type TLS struct {
	roots *x509.CertPool
	any   bool
	// host returns what is special about a host, nil where nothing is.
	host func(host string) (*tls.Config, error)
}

// AnyCertificate returns a TLS that trusts whoever answers.
func AnyCertificate() *TLS { return &TLS{any: true} }

// TrustFile returns a TLS that trusts the certificates of a PEM file beside
// those of the system.
func TrustFile(path string) (*TLS, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	return &TLS{roots: pool}, trust(pool, path)
}

// trust adds the certificates of a PEM file.
func trust(pool *x509.CertPool, path string) error {
	pem, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !pool.AppendCertsFromPEM(pem) {
		return hint.New(fmt.Sprintf("%s holds no certificate", path), "name a file of PEM certificates")
	}
	return nil
}

// TrustHosts returns a TLS that trusts in a host[:port], beside the certificates
// of the system, those of the files that roots names for it. The directory of
// its name in each of dirs adds *.crt, and shows the host NAME.cert with
// NAME.key: containers-certs.d(5).
func TrustHosts(dirs []string, roots func(host string) ([]string, error)) *TLS {
	return &TLS{host: func(host string) (*tls.Config, error) {
		files, err := roots(host)
		if err != nil {
			return nil, err
		}
		var pairs []string
		if !filepath.IsLocal(host) {
			dirs = nil // it is no name of a directory
		}
		for _, dir := range dirs {
			crt, cert, err := certificates(filepath.Join(dir, host))
			if err != nil {
				return nil, err
			}
			files, pairs = append(files, crt...), append(pairs, cert...)
		}
		if len(files)+len(pairs) == 0 {
			return nil, nil
		}
		return special(files, pairs)
	}}
}

// certificates lists a directory of certs.d. One that is missing, or that the
// user may not read, has nothing for this user.
func certificates(dir string) (crt, cert []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil, nil
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch filepath.Ext(path) {
		case ".crt":
			crt = append(crt, path)
		case ".cert":
			cert = append(cert, path)
		}
	}
	return crt, cert, err
}

// special is the configuration of a host with certificates of its own.
func special(files, pairs []string) (*tls.Config, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		if err := trust(pool, path); err != nil {
			return nil, err
		}
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	for _, cert := range pairs {
		pair, err := tls.LoadX509KeyPair(cert, strings.TrimSuffix(cert, ".cert")+".key")
		if errors.Is(err, fs.ErrPermission) {
			continue // another user's: the host says if it wants one
		}
		if err != nil {
			return nil, fmt.Errorf("client certificate %s: %w", cert, err)
		}
		c.Certificates = append(c.Certificates, pair)
	}
	return c, nil
}

func (t *TLS) config() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t != nil {
		c.RootCAs, c.InsecureSkipVerify = t.roots, t.any
	}
	return c
}

// NewTransport returns a transport that asks proxy, if not nil, for the proxy
// of a request, and that trusts as t says, or the certificates of the system.
func NewTransport(proxy func(*http.Request) (*url.URL, error), t *TLS) http.RoundTripper {
	if t == nil || t.host == nil {
		return newTransport(proxy, t.config())
	}
	return &byHost{proxy: proxy, host: t.host, usual: newTransport(proxy, t.config()), made: map[string]http.RoundTripper{}}
}

func newTransport(proxy func(*http.Request) (*url.URL, error), c *tls.Config) http.RoundTripper {
	usual := &http.Transport{
		Proxy: proxy, TLSClientConfig: c, ForceAttemptHTTP2: true,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    20 * time.Second,
		ResponseHeaderTimeout:  time.Minute,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConnsPerHost:    maxIdle,
	}
	sending := usual.Clone()
	sending.ResponseHeaderTimeout = sentTimeout
	return &bySize{usual, sending}
}

// A server that was sent more than largeBody bytes may copy or verify them
// before it answers, for as long as sentTimeout.
const (
	largeBody   = 1 << 20
	sentTimeout = 15 * time.Minute
)

// bySize is a transport for requests with large bodies and one for all others.
type bySize struct{ usual, sending http.RoundTripper }

// RoundTrip is http.RoundTripper's.
func (b *bySize) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.ContentLength > largeBody {
		return b.sending.RoundTrip(q)
	}
	return b.usual.RoundTrip(q)
}

// byHost gives hosts with certificates of their own a transport of their own.
type byHost struct {
	proxy func(*http.Request) (*url.URL, error)
	host  func(host string) (*tls.Config, error)
	usual http.RoundTripper
	mu    sync.Mutex
	made  map[string]http.RoundTripper
}

// RoundTrip is http.RoundTripper's.
func (b *byHost) RoundTrip(q *http.Request) (*http.Response, error) {
	rt, err := b.transport(q.URL.Host)
	if err != nil {
		return nil, err
	}
	return rt.RoundTrip(q)
}

func (b *byHost) transport(host string) (http.RoundTripper, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if rt := b.made[host]; rt != nil {
		return rt, nil
	}
	c, err := b.host(host)
	if err != nil {
		return nil, err
	}
	b.made[host] = b.usual
	if c != nil {
		b.made[host] = newTransport(b.proxy, c)
	}
	return b.made[host], nil
}
