// Package web gets image files from web servers: references http:// and
// https://.
//
// Input: a client of registries for its transport, an address. Output: the file,
// and what tells one state of it from another. Nothing verifies such a file but
// its server's TLS; so what is put together after a cut has to have the same
// strong ETag or time of change all along. A user and password in the address
// go to its own scheme, host and port only, and are not told.
package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/registry"
	"github.com/sealift/sealift/image/oci/wire"
	"github.com/sealift/sealift/image/squashfs/format"
)

// File is a file of a web server.
type File struct {
	server *wire.Server
	url    string
	// Address is the URL without a password, Final where redirects led, without
	// what may be secret there.
	Address, Final string
	// Size is in bytes, -1 where the server does not tell.
	Size int64
	// Key is another one when the file is another: 64 hexadecimal digits. It is
	// empty where the server does not tell, and the file has to be fetched each
	// time.
	Key string
	// validator is as in wire.Download; contentType is what the server calls
	// the file.
	validator, contentType string
}

// Name returns the address of a file without what may be a secret.
func Name(address string) (string, error) {
	u, err := parse(address)
	if err != nil {
		return "", err
	}
	return told(u), nil
}

func parse(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		// What url says of it holds the password.
		return nil, hint.New("this is no address of a file", "write https://HOST/PATH")
	}
	if strings.ContainsFunc(u.Host, func(r rune) bool { return r > unicode.MaxASCII }) {
		// A host has one name, by which rules know it; letters such as U+FF0E would give it more.
		return nil, hint.New("the host is not written in ASCII", "write its ASCII form, with xn--")
	}
	return u, nil
}

// Find asks for what is known of the file at an address.
func Find(ctx context.Context, via *registry.Client, address string) (*File, error) {
	u, err := parse(address)
	if err != nil {
		return nil, err
	}
	user := u.User
	u.User, u.Fragment = nil, ""
	f := &File{url: u.String()}
	f.server = via.Server(func(q *http.Request) {
		if user != nil && q.URL.Scheme == u.Scheme && q.URL.Host == u.Host {
			password, _ := user.Password()
			q.SetBasicAuth(user.Username(), password)
		}
	})
	f.Address = told(u)
	h, err := f.head(ctx)
	if err != nil {
		return nil, err // which names the address
	}
	f.learn(h)
	f.Key = key(u, user, h, f.Size)
	return f, nil
}

// told returns a URL without what may be a secret.
func told(u *url.URL) string {
	c := *u
	c.User, c.RawQuery, c.Fragment = nil, "", ""
	return c.String()
}

func (f *File) learn(h *http.Response) {
	f.Final = told(h.Request.URL)
	f.contentType = h.Header.Get("Content-Type")
	f.validator = wire.Validator(h.Header)
	f.Size = h.ContentLength
	if h.Request.Method == http.MethodHead && f.Size == 0 {
		f.Size = -1 // of the answer, not of the file
	}
}

// head asks by HEAD or, of a server that does not answer that, by GET. The body
// of the answer is closed.
func (f *File) head(ctx context.Context) (*http.Response, error) {
	resp, err := f.ask(ctx, http.MethodHead)
	if err == nil && resp.StatusCode != http.StatusOK {
		resp, err = f.ask(ctx, http.MethodGet)
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %w", f.Address, explain(resp))
	}
	return resp, err
}

func (f *File) ask(ctx context.Context, method string) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, method, f.url, nil)
	if err != nil {
		return nil, err
	}
	q.Header.Set("Accept-Encoding", "identity") // the size counts
	resp, err := f.server.Do(q)
	if err != nil {
		return nil, err
	}
	return resp, resp.Body.Close()
}

func explain(resp *http.Response) error {
	err := fmt.Errorf("the server answers %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return hint.Wrap(err, "check the address; the file may be for those who log in only")
	case http.StatusTooManyRequests:
		return hint.Wrap(err, "wait")
	}
	return hint.Wrap(err, "check the address")
}

// key returns File.Key.
func key(u *url.URL, user *url.Userinfo, h *http.Response, size int64) string {
	validator := wire.Validator(h.Header)
	if validator == "" || validator == h.Header.Get("Last-Modified") && size < 0 {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%d", u, user, validator, size))
	return hex.EncodeToString(sum[:])
}

// Copy writes the file, an image, to w. It writes nothing of a file that is
// none or has more than limit bytes, if the server tells. On an error, what was
// written is worth nothing; who calls says which file it is.
func (f *File) Copy(ctx context.Context, w io.Writer, limit int64) (err error) {
	if f.Size > limit {
		return fmt.Errorf("it has %d bytes, more than %d", f.Size, limit)
	}
	r, err := f.server.Open(ctx, wire.Download{URL: f.url, Size: f.Size, Validator: f.validator, Explain: explain})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	start := make([]byte, sniffed)
	n, err := io.ReadFull(r, start)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return err
	}
	if err := f.checkImage(start[:n]); err != nil {
		return err
	}
	n64, err := io.Copy(w, io.LimitReader(io.MultiReader(bytes.NewReader(start[:n]), r), limit+1))
	if err == nil && n64 > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	return err
}

// sniffed is how many bytes tell what a file is.
const sniffed = 512

// checkImage refuses what does not start as a SIF (the magic at byte 32) or a
// SquashFS.
func (f *File) checkImage(start []byte) error {
	if _, bare := format.Start(start); bare || len(start) > 32 && bytes.HasPrefix(start[32:], []byte("SIF_MAGIC\x00")) {
		return nil
	}
	what := f.contentType
	if what == "" {
		what = http.DetectContentType(start)
	}
	return hint.Wrap(fmt.Errorf("this is no SIF or SquashFS image: the server calls it %.100q", what),
		"open the address in a browser: it may be a page to log in, or one about the file")
}
