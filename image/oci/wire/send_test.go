package wire

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// twice sends a request again, as a transport does that got a new token.
type twice struct{ inner http.RoundTripper }

func (t twice) RoundTrip(q *http.Request) (*http.Response, error) {
	resp, err := t.inner.RoundTrip(q)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	return t.inner.RoundTrip(q)
}

func TestSend(t *testing.T) {
	var came []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, _ := io.ReadAll(q.Body)
		came = append(came, string(b))
		if q.ContentLength != int64(len(b)) {
			t.Errorf("%d bytes of %d", len(b), q.ContentLength)
		}
		_, _ = io.WriteString(w, "answer")
	}))
	t.Cleanup(s.Close)
	o := Options{Transport: http.DefaultTransport}.Complete()
	client := &http.Client{Transport: twice{Rewinding{http.DefaultTransport}}}
	for off, want := range map[int64]string{0: "0123456789", 4: "456789", 10: ""} {
		sent := int64(0)
		f := &Outgoing{Content: strings.NewReader("0123456789"), Size: 10, Sent: func(n int64) { sent += n }}
		came = nil
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := o.Send(q, f, off, client.Do)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "answer" {
			t.Errorf("%q, %v", b, err)
		}
		resp.Body.Close()
		if len(came) != 2 || came[0] != want || came[1] != came[0] || want != "" && sent != 10 {
			t.Errorf("from %d came %q, %d sent", off, came, sent)
		}
	}
}

func TestSendStalls(t *testing.T) {
	over := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(over) })
	o := Options{Transport: http.DefaultTransport, Stall: 100 * time.Millisecond}.Complete()
	f := &Outgoing{Content: bytes.NewReader(make([]byte, 50<<20)), Size: 50 << 20} // more than connections hold
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := NewServer(o, http.DefaultTransport, nil).Send(q, f)
	if !errors.Is(err, ErrStalled) {
		t.Errorf("%v, %v", resp, err)
	}
}

func TestRewindingFails(t *testing.T) {
	q, err := http.NewRequest(http.MethodPut, "http://h.example", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	q.GetBody = func() (io.ReadCloser, error) { return nil, io.ErrClosedPipe }
	if resp, err := (Rewinding{http.DefaultTransport}).RoundTrip(q); err != io.ErrClosedPipe {
		t.Errorf("%v, %v", resp, err)
	}
}
