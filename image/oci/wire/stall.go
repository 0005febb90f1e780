package wire

import (
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// ErrStalled is the error of a connection that brings nothing.
var ErrStalled = errors.New("the connection stalls")

// leastPerStall is what a connection has to bring in the time in which it must
// not stall, in bytes: a byte now and then is none.
const leastPerStall = 16 << 10

// Watched is a body that ends when it stalls. Only the time in Read counts: a
// reader may take its time.
type Watched struct {
	r     io.Reader
	stall time.Duration
	close func() error
	// waited and got are since the last time that enough had come.
	waited time.Duration
	got    int64
}

// Watch watches a body, which may bring nothing for as long as stall.
func Watch(body io.ReadCloser, stall time.Duration) *Watched {
	return &Watched{r: body, stall: stall, close: body.Close}
}

// Read is io.Reader's.
func (w *Watched) Read(p []byte) (int, error) {
	var late atomic.Bool
	start := time.Now()
	timer := time.AfterFunc(w.stall-w.waited, func() {
		late.Store(true)
		_ = w.close() // which ends the Read
	})
	n, err := w.r.Read(p)
	timer.Stop()
	w.waited += time.Since(start)
	if w.got += int64(n); w.got >= leastPerStall {
		w.waited, w.got = 0, 0
	}
	if (err != nil && err != io.EOF && late.Load()) || w.waited >= w.stall {
		err = ErrStalled
	}
	return n, err
}

// Close is io.Closer's.
func (w *Watched) Close() error { return w.close() }
