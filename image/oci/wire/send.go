package wire

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// Outgoing is a file that is sent.
type Outgoing struct {
	Content io.ReaderAt
	Size    int64 // in bytes
	// Sent, if not nil, is told how many bytes more are on their way. Those that
	// are sent again do not count.
	Sent func(n int64)

	mu       sync.Mutex
	furthest int64
}

// reached notes that the bytes before off were sent.
func (f *Outgoing) reached(off int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if more := off - f.furthest; more > 0 {
		f.furthest = off
		if f.Sent != nil {
			f.Sent(more)
		}
	}
}

// Send makes the bytes of a file from off on the body of a request, which do
// sends, more than once if need be. It ends in ErrStalled when the server takes
// nothing for the time that a connection may stall.
func (o *Options) Send(q *http.Request, f *Outgoing, off int64, do func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(q.Context())
	timer := time.AfterFunc(o.Stall, func() { cancel(ErrStalled) })
	timer.Stop() // until the server could take something
	q = q.WithContext(ctx)
	q.ContentLength = f.Size - off
	q.GetBody = func() (io.ReadCloser, error) {
		return &outgoing{io.NewSectionReader(f.Content, off, f.Size-off), f, off, timer, o.Stall}, nil
	}
	if q.ContentLength == 0 {
		q.Body, q.GetBody = http.NoBody, nil
	} else {
		q.Body, _ = q.GetBody() // never fails
	}
	resp, err := do(q)
	timer.Stop()
	if err != nil {
		if stalled := context.Cause(ctx); errors.Is(stalled, ErrStalled) {
			err = stalled
		}
		cancel(nil)
		return nil, err
	}
	resp.Body = &canceling{resp.Body, cancel}
	return resp, nil
}

// canceling ends a request when its answer was read.
type canceling struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

// Close is io.Closer's.
func (c *canceling) Close() error {
	err := c.ReadCloser.Close()
	c.cancel(nil)
	return err
}

// outgoing is a body. Each Read says that the server took what there was before.
type outgoing struct {
	r     *io.SectionReader
	f     *Outgoing
	off   int64
	timer *time.Timer
	stall time.Duration
}

// Read is io.Reader's.
func (b *outgoing) Read(p []byte) (int, error) {
	b.f.reached(b.off)
	n, err := b.r.Read(p)
	b.off += int64(n)
	if err == io.EOF {
		b.timer.Stop() // the answer has its own time
	} else {
		b.timer.Reset(b.stall)
	}
	return n, err
}

// Close is io.Closer's.
func (b *outgoing) Close() error {
	b.timer.Stop()
	return nil
}

// Rewinding sends the body of a request from its start whenever what is above
// sends the request, which RFC 9110 has it do after a new token.
type Rewinding struct{ Inner http.RoundTripper }

// RoundTrip is http.RoundTripper's.
func (r Rewinding) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.GetBody == nil {
		return r.Inner.RoundTrip(q)
	}
	body, err := q.GetBody()
	if err != nil {
		return nil, err
	}
	_ = q.Body.Close() // its own, of which nothing was read or all that will be
	q = q.WithContext(q.Context())
	q.Body = body
	return r.Inner.RoundTrip(q)
}
