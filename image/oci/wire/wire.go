// Package wire speaks HTTP to servers that fail at times: requests are tried
// again, connections that stall end, and streams go on where they were.
//
// Input: a transport, and bounds on waiting. Output: answers, and files as
// streams. It knows nothing of what servers hold, and shows nobody credentials
// that are for another host.
package wire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Options are what all requests have in common.
type Options struct {
	// Transport makes the connections.
	Transport http.RoundTripper
	// Stall is how long a server may send nothing, or next to nothing, before the
	// connection counts as broken; 0 is 60 s.
	Stall time.Duration
	// Sleep waits, or returns the error of a context that ended; nil really
	// waits.
	Sleep func(ctx context.Context, d time.Duration) error
	// Warn, if not nil, is told of waits and retries.
	Warn func(line string)
}

// Complete returns the options with the defaults in place of zero values.
func (o Options) Complete() *Options {
	if o.Stall == 0 {
		o.Stall = time.Minute
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	return &o
}

// sleep waits for d or the end of the context.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// MaxRestarts is how often a blob is begun again because the registry does not
// go on in the middle.
const MaxRestarts = 2

// MaxErrorBody bounds what is read of an answer that tells an error, in bytes.
const MaxErrorBody = 64 << 10

// Limited bounds the body of an answer that is no success.
func Limited(resp *http.Response) *http.Response {
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, MaxErrorBody), resp.Body}
	}
	return resp
}

// CopyVerified copies a file to w. At its end it has to have the digest, "sha256:"
// and hexadecimal; on an error, what was written is worth nothing.
func CopyVerified(w io.Writer, file io.Reader, digest string) error {
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, h), file); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(h.Sum(nil)); got != digest {
		return hint.Wrap(fmt.Errorf("a file of digest %s came instead of %s", got, digest),
			"the image is damaged there, or was replaced meanwhile; try again, or push it again")
	}
	return nil
}
