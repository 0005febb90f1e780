package pem

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/sealift/sealift/buildcfg/hint"
)

// responder answers as a template says.
func responder(t *testing.T, issuer *authority, by *authority, template ocsp.Response) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b := make([]byte, q.ContentLength)
		_, err := q.Body.Read(b)
		if err != nil && err.Error() != "EOF" {
			t.Error(err)
		}
		question, err := ocsp.ParseRequest(b)
		if err != nil || q.Header.Get("Content-Type") != "application/ocsp-request" {
			t.Errorf("question: %v", err)
			return
		}
		r := template
		if r.SerialNumber == nil {
			r.SerialNumber = question.SerialNumber
		}
		if by != issuer {
			r.Certificate = by.cert
		}
		answer, err := ocsp.CreateResponse(issuer.cert, by.cert, r, by.key)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(answer)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestCheckRevoked(t *testing.T) {
	now := time.Now()
	root := (&authority{t: t}).issue("root", isCA)
	other := (&authority{t: t}).issue("root", isCA)
	deputy := root.issue("deputy", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} })
	old := root.issue("old", func(c *x509.Certificate) {
		c.ExtKeyUsage, c.NotAfter = deputy.cert.ExtKeyUsage, now.Add(-time.Minute)
	})
	signer := root.issue("signer", signsCode)
	fresh := ocsp.Response{Status: ocsp.Good, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour)}
	with := func(edit func(*ocsp.Response)) ocsp.Response {
		r := fresh
		edit(&r)
		return r
	}
	for _, c := range []struct {
		name     string
		by       *authority
		template ocsp.Response
		problem  Problem
		text     string
	}{
		{"good", root, fresh, "", ""},
		{"good, without an end", root, with(func(r *ocsp.Response) { r.NextUpdate = time.Time{} }), "", ""},
		{"good, by a deputy", deputy, fresh, "", ""},
		{"revoked", root, with(func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, now }), Revoked, "it was revoked at "},
		{"unknown", root, with(func(r *ocsp.Response) { r.Status = ocsp.Unknown }), Untrusted, "does not know it"},
		{"stale", root, with(func(r *ocsp.Response) { r.NextUpdate = now.Add(-time.Second) }), Untrusted, "too old"},
		{"stale, without an end", root, with(func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = now.Add(-48*time.Hour), time.Time{} }), Untrusted, "too old"},
		{"from the future", root, with(func(r *ocsp.Response) { r.ThisUpdate = now.Add(time.Hour) }), Untrusted, "from the future"},
		{"of another certificate", root, with(func(r *ocsp.Response) { r.SerialNumber = big.NewInt(7) }), Untrusted, "answer of"},
		{"by another authority", other, fresh, Untrusted, "answer of"},
		{"by one who signs code", signer, fresh, Untrusted, "a certificate that is not for that"},
		{"by an old deputy", old, fresh, Untrusted, "has expired"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := responder(t, root, c.by, c.template)
			leaf := root.issue("alice", func(cert *x509.Certificate) { signsCode(cert); cert.OCSPServer = []string{s.URL} })
			err := CheckRevoked(context.Background(), s.Client(), []*x509.Certificate{leaf.cert, root.cert}, now)
			var e *CertificateError
			if c.problem == "" && err != nil || c.problem != "" && (!errors.As(err, &e) || e.Problem != c.problem || !strings.Contains(err.Error(), c.text)) {
				t.Errorf("error %v, want %s: %q", err, c.problem, c.text)
			}
			if err != nil && hint.Of(err) == "" {
				t.Errorf("there is no remedy for %v", err)
			}
		})
	}
	for _, c := range []struct {
		name, text string
		servers    []string
	}{
		{"nobody to ask", "names nobody", nil},
		{"a file", `it names "file:///etc/passwd"`, []string{"file:///etc/passwd"}},
		{"nobody there", "connection refused", []string{"http://127.0.0.1:1/"}},
		{"nonsense", "answer of", []string{server(t, 200, "nonsense")}},
		{"trouble", "status 500", []string{server(t, 500, "")}},
		{"endless", "more than 65536 bytes", []string{server(t, 200, strings.Repeat("x", 1<<17))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			leaf := root.issue("alice", func(cert *x509.Certificate) { signsCode(cert); cert.OCSPServer = c.servers })
			err := CheckRevoked(context.Background(), http.DefaultClient, []*x509.Certificate{leaf.cert, root.cert}, now)
			wantError(t, err, c.text, "without --ocsp-verify nobody is asked")
		})
	}
}

func server(t *testing.T, status int, body string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}
