package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How often and how long a request is tried: so many times, with pauses that
// double, or as the registry says, up to a sum.
const (
	maxTries = 5
	// mirrorTries is for mirrors, as there is somebody else to ask.
	mirrorTries = 2
	firstPause  = time.Second
	maxPause    = 16 * time.Second
	maxWaiting  = 2 * time.Minute
)

// retrying tries requests again that fail for a while: RFC 9110, 15.5 and 15.6,
// and RFC 6585, 4.
type retrying struct {
	inner http.RoundTripper
	o     *Options
	tries int
}

// RoundTrip is http.RoundTripper's. Requests with a body are not repeated.
func (r *retrying) RoundTrip(q *http.Request) (*http.Response, error) {
	waited := time.Duration(0)
	for try := 1; ; try++ {
		resp, err := r.inner.RoundTrip(q)
		why := transient(q.Context(), resp, err)
		if why == "" || try == r.tries || q.Body != nil && q.Body != http.NoBody {
			return resp, err
		}
		pause := pauseAfter(try, resp)
		if waited += pause; waited > maxWaiting {
			return resp, err
		}
		if resp != nil {
			discard(resp.Body)
		}
		r.o.warn("%s: %s; trying again in %v", q.URL.Host, why, pause)
		if err := r.o.Sleep(q.Context(), pause); err != nil {
			return nil, err
		}
	}
}

func (o *Options) warn(format string, args ...any) {
	if o.Warn != nil {
		o.Warn(fmt.Sprintf(format, args...))
	}
}

// transient says why a request may succeed later, or nothing.
func transient(ctx context.Context, resp *http.Response, err error) string {
	if err != nil {
		if ctx.Err() == nil && broken(err) {
			return err.Error()
		}
		return ""
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusRequestTimeout,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return resp.Status
	}
	return ""
}

// broken tells an error of a connection from one that will come again, such as
// that of a host which refuses any.
func broken(err error) bool {
	var timeout net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errStalled) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.As(err, &timeout) && timeout.Timeout() ||
		strings.Contains(err.Error(), "http2: server sent GOAWAY") // an unexported type of net/http
}

// pauseAfter returns how long to wait after a failed try.
func pauseAfter(try int, resp *http.Response) time.Duration {
	if resp != nil {
		if d, ok := retryAfter(resp.Header.Get("Retry-After"), resp.Header.Get("Date")); ok {
			return d
		}
	}
	return min(firstPause<<(try-1), maxPause)
}

// retryAfter reads the header of that name: seconds, or a time, which is
// compared with the server's own.
func retryAfter(value, date string) (time.Duration, bool) {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
		return time.Duration(min(n, 1<<30)) * time.Second, true
	}
	then, err1 := http.ParseTime(value)
	now, err2 := http.ParseTime(date)
	if err1 != nil || err2 != nil {
		return 0, false
	}
	return max(0, then.Sub(now)), true
}

// discard ends a response whose rest does not matter, so that its connection
// can be used again if little is left.
func discard(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxRest) // only for the connection's sake
	_ = body.Close()
}

// maxRest is how many bytes are read for a connection to be used again.
const maxRest = 64 << 10

// maxRedirects bounds the hops of one request, as browsers do.
const maxRedirects = 10

// checkRedirect lets a registry send its clients elsewhere, but not from TLS to
// none. net/http takes credentials off that are for another host.
func checkRedirect(q *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if via[0].URL.Scheme == "https" && q.URL.Scheme != "https" {
		return fmt.Errorf("redirect from https to %s://%s refused", q.URL.Scheme, q.URL.Host)
	}
	return nil
}
