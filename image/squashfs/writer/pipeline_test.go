package writer

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestImageDoesNotDependOnWorkers(t *testing.T) {
	root := everything(4096)
	for name, choice := range compressions {
		var want []byte
		for _, workers := range []int{1, 2, 7, 2, 7} {
			got := image(t, root, Options{Codec: choice, BlockSize: 4096, Workers: workers})
			if want != nil && !bytes.Equal(got, want) {
				t.Errorf("%s: %d workers write another image than 1", name, workers)
			}
			want = got
		}
	}
}

// failingWriter fails after some bytes.
type failingWriter struct{ left int }

var errWrite = errors.New("disk full")

func (f *failingWriter) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errWrite
	}
	return len(p), nil
}

func TestWriteErrorsStopTheWriter(t *testing.T) {
	root := everything(4096)
	full := len(image(t, root, Options{BlockSize: 4096}))
	for _, left := range []int{0, 50, 96, 97, 5000, full / 2, full - 4096, full - 1} {
		w, err := New(&failingWriter{left}, Options{BlockSize: 4096, Workers: 3})
		if err == nil {
			_, err = w.Finish(root)
		}
		if !errors.Is(err, errWrite) {
			t.Errorf("%d bytes of %d: error %v", left, full, err)
		}
	}
}

func TestStoreReportsAnEarlierWriteError(t *testing.T) {
	w := open(t, &failingWriter{1000})
	for range 1000 {
		if _, err := w.Store(bytes.NewReader(noise(1, 5000)), 5000); err != nil {
			if !errors.Is(err, errWrite) {
				t.Errorf("error %v", err)
			}
			return
		}
		noise(2, 1)
	}
	if err := w.drain(); !errors.Is(err, errWrite) {
		t.Errorf("error %v", err)
	}
}

type shortWriter struct{}

func (shortWriter) Write(p []byte) (int, error) { return len(p) / 2, nil }

func TestShortWriteIsAnError(t *testing.T) {
	if _, err := New(shortWriter{}, Options{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("error %v", err)
	}
}

func TestNoGoroutineOutlivesTheWriter(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 10 {
		w := open(t, io.Discard)
		put(t, w, noise(1, 200000))
		w.Close()

		w = open(t, io.Discard)
		put(t, w, noise(1, 100))
		if _, err := w.Finish(newDir(nil)); err != nil {
			t.Fatal(err)
		}

		w = open(t, &failingWriter{200})
		_, _ = w.Store(bytes.NewReader(noise(1, 50000)), 50000)
		w.Close()

		if _, err := New(&failingWriter{10}, Options{}); err == nil {
			t.Fatal("no error")
		}
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestClosedWriter(t *testing.T) {
	w := open(t, io.Discard)
	for range 2 {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := w.Store(strings.NewReader(""), 0); !errors.Is(err, errClosed) {
		t.Errorf("Store: %v", err)
	}
	if _, err := w.Finish(newDir(nil)); !errors.Is(err, errClosed) {
		t.Errorf("Finish: %v", err)
	}
}
