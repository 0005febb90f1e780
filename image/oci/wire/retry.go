package wire

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
	MaxTries = 5
	// MirrorTries is for mirrors, as there is somebody else to ask.
	MirrorTries = 2
	firstPause  = time.Second
	maxPause    = 16 * time.Second
	MaxWaiting  = 2 * time.Minute
)

// Retrying tries requests again that fail for a while: RFC 9110, 15.5 and 15.6,
// and RFC 6585, 4.
type Retrying struct {
	Inner   http.RoundTripper
	Options *Options
	// Tries is how often a request is sent at most.
	Tries int
}

// RoundTrip is http.RoundTripper's. Requests with a body are not repeated.
func (r *Retrying) RoundTrip(q *http.Request) (*http.Response, error) {
	t := Tries{Options: r.Options, Host: q.URL.Host, Most: r.Tries}
	for {
		resp, err := r.Inner.RoundTrip(q)
		if q.Body != nil && q.Body != http.NoBody {
			return resp, err
		}
		again, stop := t.Again(q.Context(), Transient(q.Context(), resp, err), resp)
		if stop != nil {
			return nil, stop
		}
		if !again {
			return resp, err
		}
	}
}

// Tries counts how often something was asked of a server.
type Tries struct {
	Options *Options
	Host    string
	// Most is how often it is asked at most.
	Most   int
	n      int
	waited time.Duration
}

// Again says whether to ask again, for the reason that Transient or the caller
// has, if any. If so, it has waited and done away with the answer, which may be
// nil. Its error is that of a context that ended.
func (t *Tries) Again(ctx context.Context, why string, resp *http.Response) (bool, error) {
	t.n++
	if why == "" || t.n >= t.Most {
		return false, nil
	}
	pause := PauseAfter(t.n, resp)
	if t.waited += pause; t.waited > MaxWaiting {
		return false, nil
	}
	if resp != nil {
		Discard(resp.Body)
	}
	t.Options.Warnf("%s: %s; trying again in %v", t.Host, why, pause)
	err := t.Options.Sleep(ctx, pause)
	return err == nil, err
}

// Progress tells that the last try got on: they are counted from here.
func (t *Tries) Progress() { t.n, t.waited = 0, 0 }

// Warnf tells Warn.
func (o *Options) Warnf(format string, args ...any) {
	if o.Warn != nil {
		o.Warn(fmt.Sprintf(format, args...))
	}
}

// Transient says why a request may succeed later, or nothing.
func Transient(ctx context.Context, resp *http.Response, err error) string {
	if err != nil {
		if ctx.Err() == nil && IsBroken(err) {
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

// IsBroken tells an error of a connection from one that will come again, such as
// that of a host which refuses any.
func IsBroken(err error) bool {
	var timeout net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrStalled) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.As(err, &timeout) && timeout.Timeout() ||
		strings.Contains(err.Error(), "http2: server sent GOAWAY") // an unexported type of net/http
}

// PauseAfter returns how long to wait after a failed try.
func PauseAfter(try int, resp *http.Response) time.Duration {
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
		return time.Duration(min(n, maxAfter)) * time.Second, true
	}
	then, err1 := http.ParseTime(value)
	now, err2 := http.ParseTime(date)
	if err1 != nil || err2 != nil {
		return 0, false
	}
	return min(max(0, then.Sub(now)), maxAfter*time.Second), true
}

// maxAfter is what longer waits count as, in seconds: too long, and waits can be
// added up.
const maxAfter = 1 << 30

// Discard ends a response whose rest does not matter, so that its connection
// can be used again if little is left.
func Discard(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxRest) // only for the connection's sake
	_ = body.Close()
}

// maxRest is how many bytes are read for a connection to be used again.
const maxRest = 64 << 10

// maxRedirects bounds the hops of one request, as browsers do.
const maxRedirects = 10

// CheckRedirect lets a registry send its clients elsewhere, but not from TLS to
// none. net/http takes credentials off that are for another host.
func CheckRedirect(q *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if via[0].URL.Scheme == "https" && q.URL.Scheme != "https" {
		return fmt.Errorf("redirect from https to %s://%s refused", q.URL.Scheme, q.URL.Host)
	}
	return nil
}
