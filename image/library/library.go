// Package library speaks to container libraries by the interface that Sylabs'
// cloud (cloud.sylabs.io) and Singularity Enterprise have, and others follow:
// references "library://".
//
// Input: the library's address, a token, a client of registries for its
// transport. Output: SIF files, verified as they come; uploads, tags, deletions
// and searches. What a library sends is untrusted: documents are bounded, and the
// token goes to the library's own scheme, host and port only, whatever a redirect
// says. Storage that a library sends its clients to gets none.
//
// The client of Sylabs and Apptainer (scs-library-client, container-library-
// client) is not used: it reads documents without a bound, does not verify what
// it downloads, does not go on after a cut, and links a second SIF
// implementation.
package library

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/registry"
	"github.com/sealift/sealift/image/oci/wire"
)

// maxDocument bounds a document of a library, in bytes. An error is cut after
// maxError.
const (
	maxDocument = 8 << 20
	maxError    = 64 << 10
)

// ErrNotFound is what a library answers that does not have what was asked for.
var ErrNotFound = errors.New("the library does not have it")

// Client speaks to one library.
type Client struct {
	base   *url.URL
	token  string
	server *wire.Server
	// minParts is the size in bytes above which files are sent in parts.
	minParts int64
}

// New returns a client of the library at address, an http or https URL that the
// service names are below. Token may be empty.
func New(address, token string, via *registry.Client) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
		return nil, hint.New(fmt.Sprintf("%.200q is not the address of a library", withoutUser(address)), "write https://HOST")
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	c := &Client{base: u, token: token, minParts: minMultipart}
	c.server = via.Server(c.authorize)
	return c, nil
}

// withoutUser takes a password out of an address.
func withoutUser(address string) string {
	return address[strings.LastIndexByte(address, '@')+1:]
}

// URL returns the address of the library.
func (c *Client) URL() string { return c.base.String() }

// Host returns the host[:port] of the library, without the port that is its
// scheme's.
func (c *Client) Host() string {
	return strings.TrimSuffix(c.base.Host, map[string]string{"http": ":80", "https": ":443"}[c.base.Scheme])
}

// authorize shows the token to the library, and to nobody else.
func (c *Client) authorize(q *http.Request) {
	if c.token != "" && q.URL.Scheme == c.base.Scheme && strings.EqualFold(q.URL.Host, c.base.Host) {
		q.Header.Set("Authorization", "Bearer "+c.token)
	}
}

// address returns the URL of something of the library.
func (c *Client) address(path string, query url.Values) string {
	u := *c.base
	u.Path += "/" + path
	u.RawQuery = query.Encode()
	return u.String()
}

// answer is the frame of every document.
type answer struct {
	Data  json.RawMessage `json:"data"`
	Error *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// call sends a request with a document, unless nil, and decodes the data of the
// answer into to, unless nil or there are none.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, send, to any) error {
	text, err := c.fetch(ctx, method, path, query, send)
	if err != nil || to == nil || len(text) == 0 {
		return err
	}
	var a answer
	if err := c.decode(text, &a); err != nil {
		return err
	}
	if a.Error != nil {
		return fmt.Errorf("the library %s answers %.500q", c.base.Host, a.Error.Message)
	}
	if len(a.Data) == 0 {
		return nil
	}
	return c.decode(a.Data, to)
}

// fetch sends a request with a document, unless nil, and returns the answer.
func (c *Client) fetch(ctx context.Context, method, path string, query url.Values, send any) ([]byte, error) {
	var body io.Reader = http.NoBody
	if send != nil {
		text, err := json.Marshal(send)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	q, err := http.NewRequestWithContext(ctx, method, c.address(path, query), body)
	if err != nil {
		return nil, err
	}
	if send != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	return c.server.Fetch(q, maxDocument, c.explain)
}

func (c *Client) decode(text []byte, to any) error {
	err := json.Unmarshal(text, to)
	if err == nil {
		return nil
	}
	return hint.Wrap(fmt.Errorf("%s does not answer as a library: %w", c.base.Host, err),
		"check the address of the library: sealift remote status")
}

// explain makes an error of an answer.
func (c *Client) explain(resp *http.Response) error {
	text := fmt.Errorf("the library %s answers %d %s", c.base.Host, resp.StatusCode, http.StatusText(resp.StatusCode))
	var a answer
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if err == nil && json.Unmarshal(raw, &a) == nil && a.Error != nil && a.Error.Message != "" {
		text = fmt.Errorf("%w: %.500q", text, a.Error.Message)
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		if c.token != "" {
			return hint.Wrap(text, "the token may be old, or not be allowed this: sealift remote login")
		}
		return hint.Wrap(text, "check the name, and log in: sealift remote login")
	case http.StatusNotFound:
		return hint.Wrap(errors.Join(ErrNotFound, text), "check the name, the tag and the architecture; a private image takes a sealift remote login")
	case http.StatusTooManyRequests:
		return hint.Wrap(text, "wait, or log in: sealift remote login")
	case http.StatusRequestEntityTooLarge:
		return hint.Wrap(text, "the account may be full: look at it in the library")
	}
	return text
}
