// Package hkp speaks to OpenPGP key servers by the protocol that all of them have
// (draft-shaw-openpgp-hkp-00, draft-gallagher-openpgp-hkp): keys by fingerprint,
// searches, uploads.
//
// Input: the addresses of servers, a client of registries for its transport.
// Output: keys that have the fingerprint that was asked for, lists of keys. What
// a server sends is untrusted: it is bounded, a key counts only under its own
// fingerprint and without what others say of it, and a list proves nothing.
// Credentials go to the server's own scheme, host and port only.
package hkp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/registry"
	"github.com/sealift/sealift/image/oci/wire"
	"github.com/sealift/sealift/image/trust/keyring"
)

// maxAnswer bounds an answer in bytes: a key that strangers signed is long.
// An error is cut after maxError.
const (
	maxAnswer = 8 << 20
	maxError  = 500
)

// ErrNotFound is what servers answer that do not have a key.
var ErrNotFound = errors.New("no such key")

// Server is where a key server is.
type Server struct {
	// URL is of http or https.
	URL *url.URL
	// Authorization is the header's value, or empty; a secret.
	Authorization string
	// Unverified says that the server may have any certificate.
	Unverified bool
}

// Client speaks to key servers.
type Client struct{ servers []*server }

type server struct {
	Server
	wire *wire.Server
}

// New returns a client of servers. The first one is searched and gets uploads;
// a key is asked for from each in turn.
func New(via *registry.Client, servers ...Server) *Client {
	c := &Client{}
	for _, at := range servers {
		s := &server{Server: at}
		s.wire = via.Server(s.authorize)
		if at.Unverified {
			s.wire = via.UnverifiedServer(s.authorize)
		}
		c.servers = append(c.servers, s)
	}
	return c
}

// first returns the server for what only one is asked.
func (c *Client) first() (*server, error) {
	if len(c.servers) == 0 {
		return nil, hint.New("there is no key server", "name one with --url, or ask for the remote's: sealift keyserver list")
	}
	return c.servers[0], nil
}

// authorize shows the credentials to the server, and to nobody else.
func (s *server) authorize(q *http.Request) {
	if s.Authorization != "" && q.URL.Scheme == s.URL.Scheme && strings.EqualFold(q.URL.Host, s.URL.Host) {
		q.Header.Set("Authorization", s.Authorization)
	}
}

// Get returns the key of a fingerprint, 40 hexadecimal digits, from the first
// server that has it. If none has it, the error is ErrNotFound or tells of the
// servers that did not say.
func (c *Client) Get(ctx context.Context, fingerprint string) (*keyring.Key, error) {
	if _, err := c.first(); err != nil {
		return nil, err
	}
	var failed []error
	for _, s := range c.servers {
		k, err := s.get(ctx, fingerprint)
		if err == nil {
			return k, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		if !errors.Is(err, ErrNotFound) || len(c.servers) == 1 {
			failed = append(failed, err)
		}
	}
	if len(failed) == 0 {
		return nil, hint.Wrap(fmt.Errorf("%d servers: %w: %s", len(c.servers), ErrNotFound, fingerprint), "ask its owner to upload it, or import it from a file")
	}
	return nil, errors.Join(failed...)
}

func (s *server) get(ctx context.Context, fingerprint string) (*keyring.Key, error) {
	text, err := s.lookup(ctx, url.Values{"op": {"get"}, "options": {"mr"}, "exact": {"on"}, "search": {"0x" + fingerprint}})
	if err != nil {
		return nil, err
	}
	if err := s.checkHTML(text); err != nil {
		return nil, err
	}
	keys, problems := keyring.Parse(text)
	for _, k := range keys {
		if k.Fingerprint() == fingerprint && len(keys) == 1 {
			return own(k)
		}
		problems = append(problems, fmt.Errorf("it sends the key %s", k.Fingerprint()))
	}
	err = fmt.Errorf("the key server %s does not send the key %s: %w", s.URL.Host, fingerprint, errors.Join(problems...))
	if len(keys) > 0 {
		return nil, hint.Wrap(err, "do not use this server")
	}
	return nil, hint.Wrap(err, "import the key from a file of its owner; some servers leave out users who did not confirm their address")
}

// own returns what a key says itself in public.
func own(k *keyring.Key) (*keyring.Key, error) {
	public, err := k.Public()
	if err != nil {
		return nil, err
	}
	return public.Own()
}

// Push uploads the public part of a key to the first server, and returns what
// that says, untrusted text.
func (c *Client) Push(ctx context.Context, k *keyring.Key) (string, error) {
	s, err := c.first()
	if err != nil {
		return "", err
	}
	public, err := k.Public()
	if err != nil {
		return "", err
	}
	text, err := public.Armor()
	if err != nil {
		return "", err
	}
	answer, err := s.ask(ctx, http.MethodPost, "pks/add", nil, url.Values{"keytext": {string(text)}})
	if err != nil {
		return "", err
	}
	if s.checkHTML(answer) != nil {
		return "", nil // words for a browser
	}
	return string(answer[:min(len(answer), maxError)]), nil
}

// Check asks the first server whether it accepts the credentials. One that has
// nothing to show at its address does.
func (c *Client) Check(ctx context.Context) error {
	s, err := c.first()
	if err != nil {
		return err
	}
	_, err = s.ask(ctx, http.MethodGet, "", nil, nil)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// lookup asks for keys.
func (s *server) lookup(ctx context.Context, query url.Values) ([]byte, error) {
	return s.ask(ctx, http.MethodGet, "pks/lookup", query, nil)
}

// ask sends a request, with a form unless nil, and returns the answer.
func (s *server) ask(ctx context.Context, method, path string, query, form url.Values) ([]byte, error) {
	u := *s.URL
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + path
	u.RawQuery = query.Encode()
	var body io.Reader = http.NoBody
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	q, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	if form != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return s.wire.Fetch(q, maxAnswer, s.explain)
}

// explain makes an error of an answer.
func (s *server) explain(resp *http.Response) error {
	err := fmt.Errorf("the key server %s answers %d %s", s.URL.Host, resp.StatusCode, http.StatusText(resp.StatusCode))
	said, readErr := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if readErr == nil && len(said) > 0 && s.checkHTML(said) == nil {
		err = fmt.Errorf("%w: %q", err, bytes.TrimSpace(said))
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return hint.Wrap(err, "log in: sealift remote login for a remote's own server, or else sealift keyserver login")
	case http.StatusNotFound:
		return hint.Wrap(errors.Join(ErrNotFound, err), "check the address of the server and the fingerprint; the key may not be there yet")
	case http.StatusTooManyRequests:
		return hint.Wrap(err, "wait")
	}
	return hint.Wrap(err, "try again later, or another server with --url")
}

// checkHTML refuses a page for browsers.
func (s *server) checkHTML(text []byte) error {
	if !strings.HasPrefix(http.DetectContentType(text), "text/html") {
		return nil
	}
	return hint.New(fmt.Sprintf("%s does not answer as a key server but with a web page", s.URL.Host), "check the address of the server")
}
