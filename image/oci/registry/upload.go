package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/wire"
)

// Blob is a blob to be sent.
type Blob struct {
	// Digest is that of Content, Size its bytes.
	Digest  string
	Size    int64
	Content io.ReaderAt
	// From, unless empty, is another repository of the registry that has it: if
	// the registry agrees, it is not sent. It has to, where Content is nil.
	From string
	// Sent, if not nil, is told how many bytes more are on their way.
	Sent func(n int64)
}

// PutBlob sends a blob unless the registry has it, and returns whether it had.
// When the connection breaks, it goes on where the registry is, if that tells,
// or else begins anew: the distribution specification's "Pushing blobs".
func (w *Writer) PutBlob(ctx context.Context, b Blob) (had bool, err error) {
	if _, err := newHash(b.Digest); err != nil {
		return false, err
	}
	u := &upload{Writer: w, blob: b, tries: w.e.tries(), file: wire.Outgoing{Content: b.Content, Size: b.Size, Sent: b.Sent}}
	had, err = u.run(ctx)
	if err != nil {
		err = fmt.Errorf("blob %s: %w", b.Digest, err)
	}
	return had, err
}

// upload is a blob being sent.
type upload struct {
	*Writer
	blob  Blob
	file  wire.Outgoing
	tries *wire.Tries
	// at is where the registry wants the bytes, empty before it was asked. It may
	// be a secret.
	at string
	// off is how many bytes the registry has.
	off int64
}

func (u *upload) run(ctx context.Context) (had bool, err error) {
	for first := true; ; first = false {
		var resp *http.Response
		had, err := u.start(ctx)
		if had && err == nil {
			return first, nil
		}
		why := ""
		switch {
		case err == nil:
			resp, err = u.send(ctx)
			why = wire.Transient(ctx, resp, err)
		case !first && errors.Is(err, syscall.ECONNREFUSED):
			why = "it is gone" // one that was there may be starting anew
		default:
			return false, err
		}
		if err == nil && (resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable) {
			why, u.at = "what was sent got lost there", ""
		}
		again, stop := u.tries.Again(ctx, why, resp)
		switch {
		case stop != nil:
			return false, stop
		case !again:
			return false, created(resp, err, u.blob.Digest)
		}
	}
}

// start finds out where to send the blob, and what of it is there already. It
// returns whether all is.
func (u *upload) start(ctx context.Context) (had bool, err error) {
	if u.at != "" && u.resume(ctx) {
		return false, nil
	}
	// One that was sent may have come, and only the answer got lost.
	if had, err := u.has(ctx, u.blob.Digest); err != nil || had {
		return had, err
	}
	address := u.e.url("blobs", "uploads/")
	if u.blob.From != "" {
		address += "?" + url.Values{"mount": {u.blob.Digest}, "from": {u.blob.From}}.Encode()
	}
	resp, err := u.ask(ctx, http.MethodPost, address)
	if err == nil {
		defer wire.Discard(resp.Body)
		err = transport.CheckError(wire.Limited(resp), http.StatusAccepted, http.StatusCreated)
	}
	if err != nil {
		return false, explain(err)
	}
	switch {
	case u.blob.From != "" && resp.StatusCode == http.StatusCreated:
		return true, nil
	case u.blob.Content == nil:
		return false, hint.New("the registry does not give it to another repository", "pull the image, and push it")
	}
	u.off = 0
	return false, u.located(resp)
}

// resume asks how much of an upload that broke is there. It is false where that
// cannot be known.
func (u *upload) resume(ctx context.Context) bool {
	resp, err := u.ask(ctx, http.MethodGet, u.at)
	if err != nil {
		return false
	}
	defer wire.Discard(resp.Body)
	last, ok := strings.CutPrefix(resp.Header.Get("Range"), "0-")
	n, err := strconv.ParseInt(last, 10, 64)
	if resp.StatusCode != http.StatusNoContent || !ok || err != nil || n < 0 || n >= u.blob.Size {
		return false
	}
	if n++; n == 1 {
		return false // "0-0" is also what some say that have nothing
	}
	if n > u.off {
		u.tries.Progress()
	}
	u.off = n
	return resp.Header.Get("Location") == "" || u.located(resp) == nil
}

// send sends what the registry lacks, and returns the last answer.
func (u *upload) send(ctx context.Context) (*http.Response, error) {
	if u.off > 0 && u.off < u.blob.Size {
		resp, err := u.sendRest(ctx)
		if err != nil || resp.StatusCode != http.StatusAccepted && resp.StatusCode != http.StatusNoContent {
			return resp, err
		}
		wire.Discard(resp.Body)
		if err := u.located(resp); err != nil {
			return nil, err
		}
		u.off = u.blob.Size
	}
	separator := "?"
	if strings.Contains(u.at, "?") {
		separator = "&" // what is there may be signed: it stays as it is
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPut, u.at+separator+"digest="+url.QueryEscape(u.blob.Digest), nil)
	if err != nil {
		return nil, err
	}
	return u.sendFrom(q)
}

// sendRest sends the bytes from off on as a chunk.
func (u *upload) sendRest(ctx context.Context) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPatch, u.at, nil)
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Range", fmt.Sprintf("%d-%d", u.off, u.blob.Size-1))
	return u.sendFrom(q)
}

func (u *upload) sendFrom(q *http.Request) (*http.Response, error) {
	q.Header.Set("Content-Type", "application/octet-stream")
	resp, err := u.e.c.wire.Send(q, &u.file, u.off, u.e.client.Do)
	return resp, withoutAddress(err)
}

// ask sends a request without a body.
func (u *upload) ask(ctx context.Context, method, address string) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, err
	}
	return u.e.client.Do(q)
}

// withoutAddress takes the address out of an error: it may be signed.
func withoutAddress(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// located notes where an answer sends the bytes. Other hosts than the registry
// get no credentials; that is the transport's.
func (u *upload) located(resp *http.Response) error {
	to, err := resp.Location()
	if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		return hint.New("the registry names no address to send a blob to", "tell who runs the registry")
	}
	if to.Scheme == "http" && resp.Request.URL.Scheme == "https" {
		return hint.New(fmt.Sprintf("the registry wants the blob without TLS, at http://%s", to.Host),
			"tell who runs the registry: it may be behind a proxy that does not say X-Forwarded-Proto")
	}
	to.User = nil
	u.at = to.String()
	return nil
}
