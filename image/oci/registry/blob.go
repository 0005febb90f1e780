package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/wire"
)

// Blob opens the blob of a digest that has size bytes. The stream goes on where
// it was when the connection breaks or stalls, as often as it makes progress
// between. It ends in an error if the blob turns out to have another size, and
// does not verify the digest.
func (r *Repository) Blob(ctx context.Context, digest string, size int64) (io.ReadCloser, error) {
	if _, err := newHash(digest); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	b := &blob{ctx: ctx, cancel: cancel, repo: r, digest: digest, size: size}
	if err := b.connect(); err != nil {
		cancel()
		return nil, err
	}
	return b, nil
}

// blob is a blob being read.
type blob struct {
	ctx    context.Context
	cancel context.CancelFunc
	repo   *Repository
	at     int // the endpoint that is read, by its place among the repository's
	digest string
	size   int64
	off    int64 // bytes read
	body   *wire.Watched
	// tries counts the connections since the last byte, restarts those that
	// began anew.
	tries, restarts int
	err             error
}

// connect asks for the rest of the blob, mirrors first.
func (b *blob) connect() error { return b.repo.try(b.ctx, &b.at, b.request) }

// request asks an endpoint for the rest of the blob.
func (b *blob) request(e *endpoint) error {
	q, err := http.NewRequestWithContext(b.ctx, http.MethodGet, e.url("blobs", b.digest), nil)
	if err != nil {
		return err
	}
	if b.off > 0 {
		q.Header.Set("Range", fmt.Sprintf("bytes=%d-", b.off))
	}
	resp, err := e.client.Do(q)
	if err == nil {
		err = transport.CheckError(wire.Limited(resp), http.StatusOK, http.StatusPartialContent)
	}
	if err != nil {
		return fmt.Errorf("blob %s: %w", b.digest, explain(err))
	}
	b.body = wire.Watch(resp.Body, e.c.wire.Stall)
	if err := b.position(resp); err != nil {
		return errors.Join(err, resp.Body.Close())
	}
	return nil
}

// position brings the body of an answer to where the blob was.
func (b *blob) position(resp *http.Response) error {
	if resp.StatusCode == http.StatusPartialContent {
		want := fmt.Sprintf("bytes %d-%d/%d", b.off, b.size-1, b.size)
		if got := resp.Header.Get("Content-Range"); b.off == 0 || got != want {
			return b.damaged("the registry sends %q instead of %q", got, want)
		}
		return nil
	}
	if n := resp.ContentLength; n >= 0 && n != b.size {
		return b.damaged("it has %d bytes in the registry, not %d", n, b.size)
	}
	if b.off == 0 {
		return nil
	}
	if b.restarts++; b.restarts > wire.MaxRestarts {
		return fmt.Errorf("blob %s: the registry begins anew after each break", b.digest)
	}
	_, err := io.CopyN(io.Discard, b.body, b.off)
	return err
}

func (b *blob) damaged(format string, args ...any) error {
	err := fmt.Errorf("blob %s: "+format, append([]any{b.digest}, args...)...)
	return hint.Wrap(err, "the image in the registry is damaged; it has to be pushed again")
}

// Read is io.Reader's.
func (b *blob) Read(p []byte) (int, error) {
	for b.err == nil {
		n, err := b.read(p)
		if n > 0 {
			b.tries = 0
		}
		if err == nil || b.end(err) {
			return n, b.err
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, b.err
}

// read reads from the connection that there is.
func (b *blob) read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if over := b.off + int64(n) - b.size; over > 0 {
		n -= int(over)
		err = b.damaged("it goes on after %d bytes", b.size)
		b.err = err
	}
	b.off += int64(n)
	if err == io.EOF && b.off < b.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// end tells whether an error ends the blob, which it sets then. Else there is
// a new connection.
func (b *blob) end(err error) bool {
	if b.err == nil && (err == io.EOF || b.ctx.Err() != nil || !wire.Broken(err)) {
		b.err = err
		if b.ctx.Err() != nil {
			b.err = b.ctx.Err()
		}
	}
	for b.err == nil {
		_ = b.body.Close() // it is wire.Broken
		e := b.repo.endpoints[b.at]
		if b.tries++; b.tries > wire.MirrorTries && b.at < len(b.repo.endpoints)-1 {
			e.skip(err)
			b.tries = 1
		}
		if b.tries > wire.MaxTries {
			b.err = fmt.Errorf("blob %s: after %d of %d bytes: %w", b.digest, b.off, b.size, err)
			break
		}
		e.c.wire.Warnf("%s: after %d of %d bytes: %v; going on there", e.Host, b.off, b.size, err)
		if b.err = e.c.wire.Sleep(b.ctx, wire.PauseAfter(b.tries, nil)); b.err != nil {
			break
		}
		if err = b.connect(); err == nil {
			return false
		}
		// A registry that was there may be starting anew.
		if !wire.Broken(err) && !errors.Is(err, syscall.ECONNREFUSED) {
			b.err = err
		}
	}
	return true
}

// Close is io.Closer's.
func (b *blob) Close() error {
	b.cancel()
	return b.body.Close()
}
