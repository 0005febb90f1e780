package conn

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTrustFile(t *testing.T) {
	path := t.TempDir() + "/ca.pem"
	if err := os.WriteFile(path, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := TrustFile(path); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Errorf("error %v", err)
	}
	if _, err := TrustFile(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// pair makes a certificate for 127.0.0.1, signed by itself.
func pair(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// TestTrustHosts: a directory named as the host says whom to trust there, and
// who the client is.
func TestTrustHosts(t *testing.T) {
	var client []*x509.Certificate
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) { client = q.TLS.PeerCertificates }))
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	cert, key := pair(t)
	host := strings.TrimPrefix(s.URL, "https://")
	dir := t.TempDir()
	file := filepath.Join(dir, "ca.pem")
	ask := func(dirs []string, roots ...string) error {
		rt := NewTransport(nil, TrustHosts(dirs, func(h string) ([]string, error) {
			if h != host {
				return nil, nil
			}
			return roots, nil
		}))
		resp, err := (&http.Client{Transport: rt}).Get(s.URL)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	put := func(name string, text []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("ca.pem", ca)
	put("bad.pem", []byte("none"))
	put("good/"+host+"/ca.crt", ca)
	put("client/"+host+"/me.cert", cert)
	put("client/"+host+"/me.key", key)
	put("half/"+host+"/me.cert", cert)
	put("other/other.example/ca.crt", ca)
	for _, c := range []struct {
		dirs  []string
		roots []string
		want  string
	}{
		{nil, nil, "certificate"}, {nil, []string{file}, ""}, {[]string{"none", "good"}, nil, ""}, {[]string{"other"}, nil, "certificate"},
		{nil, []string{filepath.Join(dir, "bad.pem")}, "holds no certificate"}, {nil, []string{"/none.pem"}, "no such file"},
		{[]string{"half"}, nil, "me.key"}, {[]string{"good", "client"}, nil, ""},
	} {
		var dirs []string
		for _, d := range c.dirs {
			dirs = append(dirs, filepath.Join(dir, d))
		}
		client = nil
		err := ask(dirs, c.roots...)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q, %q: %v; want %s", c.dirs, c.roots, err, c.want)
		}
		if shown := len(client) == 1; shown != (len(c.dirs) == 2 && c.dirs[1] == "client") {
			t.Errorf("%q: shown %v", c.dirs, shown)
		}
	}
}

// TestPatience: whoever was sent much has longer to answer.
func TestPatience(t *testing.T) {
	for size, want := range map[int64]time.Duration{0: time.Minute, -1: time.Minute, largeBody: time.Minute, largeBody + 1: sentTimeout} {
		b, ok := NewTransport(nil, nil).(*bySize)
		if !ok {
			t.Fatal("another transport")
		}
		var chosen *http.Transport
		note := func(rt http.RoundTripper) http.RoundTripper {
			return through(func(*http.Request) (*http.Response, error) {
				chosen, _ = rt.(*http.Transport)
				return nil, io.EOF
			})
		}
		b = &bySize{note(b.usual), note(b.sending)}
		if _, err := b.RoundTrip(&http.Request{ContentLength: size}); err != io.EOF || chosen.ResponseHeaderTimeout != want {
			t.Errorf("%d bytes: %v, %v", size, chosen.ResponseHeaderTimeout, err)
		}
	}
}

// through is a transport.
type through func(*http.Request) (*http.Response, error)

func (f through) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }
