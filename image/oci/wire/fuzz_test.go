package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/sealift/sealift/e2e/bounded"
)

// served is a server in this process.
type served func(q *http.Request) *http.Response

// RoundTrip is http.RoundTripper's.
func (s served) RoundTrip(q *http.Request) (*http.Response, error) { return s(q), nil }

// FuzzRetryAfter (F10): whatever a server says of when to ask again, the waits
// together are no longer than the bound, and none is negative.
func FuzzRetryAfter(f *testing.F) {
	const date = "Thu, 26 Nov 2026 12:00:00 GMT"
	for _, v := range []string{
		"", "2", "-1", "0x7f", "1000000000", "9223372036854775807", "9223372036854775808", " 5", "text", date,
		"Thu, 26 Nov 2026 12:00:07 GMT", "Thu, 26 Nov 2020 12:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT",
	} {
		f.Add(v, date)
		f.Add(v, "Mon, 01 Jan 0001 00:00:00 GMT")
		f.Add(date, v)
	}
	f.Fuzz(func(t *testing.T, after, date string) {
		asked, slept := 0, time.Duration(0)
		o := Options{Sleep: func(_ context.Context, d time.Duration) error {
			if slept += d; d < 0 || d > MaxWaiting || slept > MaxWaiting {
				t.Errorf("a wait of %v, of %v in all", d, slept)
			}
			return nil
		}}.Complete()
		first := true
		busy := served(func(*http.Request) *http.Response {
			asked++
			header := http.Header{}
			if !first { // a wait that the header does not say comes before
				header = http.Header{"Retry-After": {after}, "Date": {date}}
			}
			first = false
			return &http.Response{Status: "429 Too Many Requests", StatusCode: http.StatusTooManyRequests, Header: header, Body: http.NoBody}
		})
		q, err := http.NewRequest(http.MethodGet, "https://h.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&Retrying{Inner: busy, Options: o, Tries: MaxTries}).RoundTrip(q)
		if err != nil || resp.StatusCode != http.StatusTooManyRequests || asked < 2 || asked > MaxTries {
			t.Errorf("%v, %v after %d tries", resp, err, asked)
		}
	})
}

// cut ends too early.
type cut struct{ io.Reader }

// Read is io.Reader's.
func (c cut) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// FuzzContentRange (F10): a connection breaks, and the server goes on with any
// status and any range. A stream that ends well has the file's bytes, for a
// server that sends the bytes it says; it is never longer than the file is known
// to be, and the server is not asked without end.
func FuzzContentRange(f *testing.F) {
	for _, v := range []string{
		"bytes 4-9/10", "bytes 4-9/*", "bytes 3-9/10", "bytes 4-8/10", "bytes 4-9/11", "bytes */4", "bytes */10",
		"bytes 4--1/0", "bytes 4--1/-0", "bytes 4-/", "bytes 4-9223372036854775806/9223372036854775807", "bytes=4-9/10", "",
	} {
		for _, status := range []int{200, 206, 416} {
			f.Add(v, status, uint8(4), true, int64(10))
			f.Add(v, status, uint8(4), false, int64(-1))
		}
	}
	f.Fuzz(func(t *testing.T, says string, status int, breaks uint8, known bool, length int64) {
		file := []byte("0123456789")
		broke := min(int(breaks), len(file)-1)
		size := int64(-1)
		if known {
			size = int64(len(file))
		}
		asked := 0
		server := served(func(q *http.Request) *http.Response {
			resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(len(file))}
			resp.Body = io.NopCloser(cut{bytes.NewReader(file[:broke])})
			if asked++; asked == 1 {
				return resp
			}
			// What it says is what it sends, but for the length.
			rest := file
			if status != http.StatusOK {
				rest = file[broke:]
			}
			resp.StatusCode, resp.ContentLength, resp.Body = status, length, io.NopCloser(bytes.NewReader(rest))
			resp.Header.Set("Content-Range", says)
			return resp
		})
		o := Options{Sleep: func(context.Context, time.Duration) error { return nil }}.Complete()
		failed := errors.New("a status that is none of a file")
		bounded.Do(t, func() {
			s, err := NewServer(o, server, nil).Open(t.Context(), Download{
				URL: "https://h.example/file", Size: size, Verified: true, Explain: func(*http.Response) error { return failed },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			b, err := io.ReadAll(s)
			if len(b) > len(file) || !bytes.HasPrefix(file, b) {
				t.Errorf("%s of %d bytes, status %d, %q: %q, %v", strconv.FormatBool(known), length, status, says, b, err)
			}
			if whole := len(b) == len(file); err == nil && !whole && (known || status != http.StatusRequestedRangeNotSatisfiable) {
				t.Errorf("status %d, %q: it ends well after %q", status, says, b)
			}
			if asked > 2+MaxTries+MaxRestarts {
				t.Errorf("asked %d times", asked)
			}
		})
	})
}
