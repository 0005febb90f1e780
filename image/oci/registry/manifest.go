package registry

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/wire"
)

// maxManifest bounds a manifest or index in bytes; the distribution
// specification has registries accept 4 MiB.
const maxManifest = 4 << 20

// accepted are the media types of manifests, OCI's and Docker's.
const accepted = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, " +
	"application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"

// Manifest is a manifest or an index.
type Manifest struct {
	Raw []byte
	// MediaType is what the registry says that it is.
	MediaType string
	// Digest is Raw's, verified where it was known before.
	Digest string
}

// Resolve returns the digest of the image that the reference names: it asks the
// registry for what a tag is at the moment, and nothing for a digest. It is
// empty where the registry does not tell.
func (r *Repository) Resolve(ctx context.Context) (string, error) {
	if r.ref.Digest != "" {
		return r.ref.Digest, nil
	}
	digest := ""
	err := r.try(ctx, new(int), func(e *endpoint) error {
		resp, err := e.do(ctx, http.MethodHead, e.url("manifests", r.ref.identifier()), accepted)
		if err != nil {
			return err
		}
		wire.Discard(resp.Body)
		digest = resp.Header.Get("Docker-Content-Digest")
		return nil
	})
	if _, bad := newHash(digest); bad != nil {
		digest = "" // Manifest tells
	}
	return digest, err
}

// Manifest returns the manifest or index of the given digest or, without one,
// of the reference.
func (r *Repository) Manifest(ctx context.Context, digest string) (m *Manifest, err error) {
	identifier := digest
	if digest == "" {
		identifier, digest = r.ref.identifier(), r.ref.Digest
	}
	err = r.try(ctx, new(int), func(e *endpoint) (err error) {
		m, err = e.manifest(ctx, identifier, digest)
		return err
	})
	return m, err
}

// manifest returns what an endpoint has by an identifier, of the given digest
// unless that is empty.
func (e *endpoint) manifest(ctx context.Context, identifier, digest string) (*Manifest, error) {
	resp, err := e.do(ctx, http.MethodGet, e.url("manifests", identifier), accepted)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(wire.Watch(resp.Body, e.c.wire.Stall), maxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if len(raw) > maxManifest {
		return nil, fmt.Errorf("the manifest has more than %d bytes", maxManifest)
	}
	mediaType, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	m := &Manifest{Raw: raw, MediaType: strings.TrimSpace(mediaType), Digest: digest}
	if digest == "" {
		// What the registry says of it is of no use: only the bytes count.
		sum := sha256.Sum256(raw)
		m.Digest = "sha256:" + hex.EncodeToString(sum[:])
	}
	return m, m.verify()
}

func (m *Manifest) verify() error {
	h, err := newHash(m.Digest)
	if err != nil {
		return err
	}
	h.Write(m.Raw)
	if got := hex.EncodeToString(h.Sum(nil)); !strings.HasSuffix(m.Digest, ":"+got) {
		return hint.Wrap(fmt.Errorf("the registry sent a manifest of digest %s instead of %s", got, m.Digest),
			"do not use this registry or mirror until its administrator has looked at it")
	}
	return nil
}

// newHash returns the hash function of a digest, whose syntax it checks.
func newHash(digest string) (hash.Hash, error) {
	algorithm, sum, _ := strings.Cut(digest, ":")
	var h hash.Hash
	switch algorithm {
	case "sha256":
		h = sha256.New()
	case "sha512":
		h = sha512.New()
	}
	if h == nil || len(sum) != 2*h.Size() || strings.Trim(sum, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("%.140q is not a sha256 or sha512 digest", digest)
	}
	return h, nil
}

// do sends a request and returns an answer of a good status.
func (e *endpoint) do(ctx context.Context, method, url, accept string) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	q.Header.Set("Accept", accept)
	resp, err := e.client.Do(q)
	if err == nil {
		err = transport.CheckError(wire.Limited(resp), http.StatusOK)
	}
	if err != nil {
		return nil, explain(err)
	}
	return resp, nil
}

// unreachable adds to an error of the network what may be wrong.
func unreachable(err error) error {
	var failed *net.OpError
	if !errors.As(err, &failed) {
		return err
	}
	return hint.Wrap(err, "check the name of the registry, and the network and proxies of this machine (HTTPS_PROXY)")
}

// answered is the error of an answer with a status.
type answered struct {
	error
	status int
}

// Unwrap is for errors.As.
func (a answered) Unwrap() error { return a.error }

// isStatus says whether an error is of an answer with one of some statuses.
func isStatus(err error, statuses ...int) bool {
	var a answered
	return errors.As(err, &a) && slices.Contains(statuses, a.status)
}

// noToken is what go-containerregistry says of an answer without one.
const noToken = "no token in bearer response"

// explain gives an answer of the registry its remedy.
func explain(err error) error {
	var untrusted *tls.CertificateVerificationError
	var e *transport.Error
	switch {
	case errors.As(err, &untrusted): // whatever came of a try without TLS
		return hint.Wrap(fmt.Errorf("the registry's certificate is not trusted: %w", untrusted.Err),
			"have it trusted by ca = \"/FILE\" in registries.conf, a file in /etc/containers/certs.d/HOST, or SSL_CERT_FILE")
	case err != nil && strings.Contains(err.Error(), "Proxy Authentication Required"):
		return hint.Wrap(err, "name the proxy with its user and password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT")
	case err != nil && strings.Contains(err.Error(), noToken): // the whole answer follows
		return hint.New("the registry's token service sends no token", "tell who runs the registry")
	case !errors.As(err, &e):
		return unreachable(err)
	}
	var text error = answered{fmt.Errorf("the registry answers %d %s", e.StatusCode, http.StatusText(e.StatusCode)), e.StatusCode}
	for _, d := range e.Errors {
		text = fmt.Errorf("%w: %.200s %.500s", text, d.Code, d.Message)
	}
	switch e.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return hint.Wrap(text, "check the name, and log in with 'sealift registry login' or as SEALIFT_DOCKER_USERNAME and SEALIFT_DOCKER_PASSWORD say")
	case http.StatusNotFound:
		return hint.Wrap(text, "check the name and the tag")
	case http.StatusRequestEntityTooLarge:
		return hint.Wrap(text, "the registry, or a proxy before it, takes no files of this size; tell who runs it")
	case http.StatusTooManyRequests:
		return hint.Wrap(text, "wait, or log in: registries allow more to those they know")
	}
	return text
}
