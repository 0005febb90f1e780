package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Server speaks to servers that are no registries as package registry does to
// those that are.
type Server struct {
	o      *Options
	client *http.Client
}

// NewServer returns a Server over base. Auth, if not nil, adds credentials to a
// request. It is called for each hop of a redirect, and has to look at where it
// goes.
func NewServer(o *Options, base http.RoundTripper, auth func(*http.Request)) *Server {
	if auth != nil {
		base = authorizing{base, auth}
	}
	return &Server{o, &http.Client{Transport: base, CheckRedirect: checkHop}}
}

type authorizing struct {
	inner http.RoundTripper
	auth  func(*http.Request)
}

// RoundTrip is http.RoundTripper's.
func (a authorizing) RoundTrip(q *http.Request) (*http.Response, error) {
	q = q.Clone(q.Context())
	a.auth(q)
	return a.inner.RoundTrip(q)
}

// checkHop keeps the address before, which may have a secret in it, from
// whom a redirect leads to.
func checkHop(q *http.Request, via []*http.Request) error {
	q.Header.Del("Referer")
	return CheckRedirect(q, via)
}

// Do sends a request and returns the answer, whatever its status. Its body
// ends in an error when it stalls, and is not bounded. Errors tell the address
// without user and query.
func (s *Server) Do(q *http.Request) (*http.Response, error) {
	resp, err := s.do(q)
	if err == nil {
		resp.Body = Watch(resp.Body, s.o.Stall)
	}
	return resp, err
}

// Fetch is Do of a request whose answer is a document of at most limit bytes. One
// that is none, by its status, is made an error by explain.
func (s *Server) Fetch(q *http.Request, limit int64, explain func(*http.Response) error) ([]byte, error) {
	resp, err := s.Do(q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, explain(resp)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = hint.New(fmt.Sprintf("it sends a document of more than %d bytes", limit), "check the address of the server, or ask for less")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q.URL.Host, err)
	}
	return text, nil
}

// Send is Do of a request whose body is a file.
func (s *Server) Send(q *http.Request, f *Outgoing) (*http.Response, error) {
	return s.o.Send(q, f, 0, s.Do)
}

func (s *Server) do(q *http.Request) (*http.Response, error) {
	resp, err := s.client.Do(q)
	if err == nil {
		return resp, nil
	}
	err = withoutSecrets(err)
	var network *net.OpError
	if errors.As(err, &network) {
		err = hint.Wrap(err, "check the address, and the network and proxies of this machine (HTTPS_PROXY)")
	}
	return nil, err
}

// Pause waits before a request is sent again that failed try times.
func (s *Server) Pause(ctx context.Context, try int) error {
	return s.o.Sleep(ctx, PauseAfter(try, nil))
}

// withoutSecrets takes what may be one out of the address in an error.
func withoutSecrets(err error) error {
	var failed *url.Error
	if !errors.As(err, &failed) {
		return err
	}
	u, parseErr := url.Parse(failed.URL)
	if parseErr != nil {
		return failed.Err
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return fmt.Errorf("%s: %w", u, failed.Err)
}

// Download is a file of a server.
type Download struct {
	URL string
	// Size is in bytes, -1 where it is not known.
	Size int64
	// Validator, unless empty, is the file's as it is expected. When it is
	// another one, the stream ends in an error.
	Validator string
	// Verified says that whoever reads it verifies its digest.
	Verified bool
	// Explain makes an error of an answer of a bad status.
	Explain func(*http.Response) error
}

// Open opens a file as a stream. It goes on where it was if the file is verified
// or has a Validator.
func (s *Server) Open(ctx context.Context, d Download) (io.ReadCloser, error) {
	u, err := url.Parse(d.URL)
	if err != nil {
		return nil, err
	}
	return Open(ctx, s.o, Source{
		Host: func() string { return u.Host }, Size: d.Size, Validator: d.Validator, Once: d.Validator == "" && !d.Verified,
		Remedy: "try again; if it stays so, tell who runs the server",
		Ask: func(ctx context.Context, part http.Header, use func(*http.Response) error) error {
			q, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL, nil)
			if err != nil {
				return err
			}
			q.Header = part
			resp, err := s.do(q)
			if err != nil {
				return err
			}
			switch resp.StatusCode {
			case http.StatusOK, http.StatusPartialContent:
				return use(resp)
			case http.StatusRequestedRangeNotSatisfiable:
				if part.Get("Range") != "" {
					return use(resp)
				}
			}
			return errors.Join(d.Explain(Limited(resp)), resp.Body.Close())
		},
	})
}

// Validator returns what tells one state of a file from another (RFC 9110, 8.8):
// a strong ETag or the time of the last change. Without either it is empty.
func Validator(h http.Header) string {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	return h.Get("Last-Modified")
}
