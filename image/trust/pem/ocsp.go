package pem

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Limits on a responder: bytes of an answer, how far its clock may be ahead, and
// how old an answer without an end may be.
const (
	maxAnswer = 64 << 10
	skew      = 5 * time.Minute
	maxAge    = 24 * time.Hour
)

// CheckRevoked asks the responder of each certificate of a chain but the root
// whether it was revoked (RFC 6960). Only "good" will do: an answer that is
// missing, stale, or signed by somebody else is an error as well.
func CheckRevoked(ctx context.Context, client *http.Client, chain []*x509.Certificate, now time.Time) error {
	for i := range len(chain) - 1 {
		if err := askResponder(ctx, client, chain[i], chain[i+1], now); err != nil {
			err = fmt.Errorf("certificate of %s: %w", name(chain[i]), err)
			var revoked *CertificateError
			if errors.As(err, &revoked) {
				return &CertificateError{Revoked, hint.Wrap(err, "ask the signer for a signature by another key")}
			}
			return &CertificateError{Untrusted, hint.Wrap(err, "without --ocsp-verify nobody is asked about revocations")}
		}
	}
	return nil
}

func askResponder(ctx context.Context, client *http.Client, cert, issuer *x509.Certificate, now time.Time) error {
	if len(cert.OCSPServer) == 0 {
		return errors.New("it names nobody who knows whether it was revoked")
	}
	where, err := url.Parse(cert.OCSPServer[0])
	if err != nil || where.Host == "" || where.Scheme != "http" && where.Scheme != "https" {
		return fmt.Errorf("it names %q as who knows whether it was revoked", cert.OCSPServer[0])
	}
	answer, err := post(ctx, client, where, cert, issuer)
	if err != nil {
		return fmt.Errorf("ask %s whether it was revoked: %w", where.Redacted(), err)
	}
	r, err := ocsp.ParseResponseForCert(answer, cert, issuer)
	if err == nil {
		err = checkAnswer(r, issuer, now)
	}
	if err != nil {
		return fmt.Errorf("answer of %s: %w", where.Redacted(), err)
	}
	switch r.Status {
	case ocsp.Good:
		return nil
	case ocsp.Revoked:
		return &CertificateError{Revoked, fmt.Errorf("it was revoked at %s", r.RevokedAt.UTC().Format(time.RFC3339))}
	}
	return fmt.Errorf("%s does not know it", where.Redacted())
}

// checkAnswer checks when an answer holds, and that who signed it may (RFC 6960,
// 4.2.2.2): the issuer, or whom the issuer has made its responder. That the
// signatures are right is known already.
func checkAnswer(r *ocsp.Response, issuer *x509.Certificate, now time.Time) error {
	switch {
	case r.ThisUpdate.After(now.Add(skew)):
		return errors.New("it is from the future")
	case !r.NextUpdate.IsZero() && r.NextUpdate.Before(now), r.NextUpdate.IsZero() && r.ThisUpdate.Before(now.Add(-maxAge)):
		return errors.New("it is too old")
	case r.Certificate == nil || r.Certificate.Equal(issuer):
		return nil
	case !slices.Contains(r.Certificate.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("it is signed by a certificate that is not for that")
	case now.Before(r.Certificate.NotBefore) || now.After(r.Certificate.NotAfter):
		return errors.New("it is signed by a certificate that has expired, or is not valid yet")
	}
	return nil
}

func post(ctx context.Context, client *http.Client, where *url.URL, cert, issuer *x509.Certificate) (answer []byte, err error) {
	question, err := ocsp.CreateRequest(cert, issuer, nil)
	if err != nil {
		return nil, err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, where.String(), bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/ocsp-request")
	q.Header.Set("Accept", "application/ocsp-response")
	reply, err := client.Do(q)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reply.Body.Close()) }()
	if reply.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", reply.Status)
	}
	answer, err = io.ReadAll(io.LimitReader(reply.Body, maxAnswer+1))
	if err == nil && len(answer) > maxAnswer {
		err = fmt.Errorf("it has more than %d bytes", maxAnswer)
	}
	return answer, err
}
