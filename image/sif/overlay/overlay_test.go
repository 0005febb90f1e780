package overlay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// It reads as a file does that is written.
func TestFile(t *testing.T) {
	base := []byte("0123456789")
	o := &File{Base: bytes.NewReader(base), Size: 10, Ended: t.Context().Err}
	peer, err := os.Create(filepath.Join(t.TempDir(), "peer"))
	must(t, err)
	defer peer.Close()
	_, err = peer.Write(base)
	must(t, err)
	for _, w := range []struct {
		at   int64
		data string
	}{{2, "ab"}, {3, "cde"}, {12, "xy"}, {14, "z"}, {0, "-"}} {
		for _, ws := range []io.WriteSeeker{o, peer} {
			_, err := ws.Seek(w.at, io.SeekStart)
			must(t, err)
			_, err = io.WriteString(ws, w.data)
			must(t, err)
		}
		for off := range int64(16) {
			for n := range 17 {
				a, b := make([]byte, n), make([]byte, n)
				na, errA := o.ReadAt(a, off)
				nb, errB := peer.ReadAt(b, off)
				if n > 0 && (na != nb || (errA == nil) != (errB == nil) || string(a[:na]) != string(b[:nb])) {
					t.Fatalf("%d bytes at %d: %q (%v), want %q (%v)", n, off, a[:na], errA, b[:nb], errB)
				}
			}
		}
	}
	_, err = o.Seek(11, io.SeekStart)
	must(t, err)
	if _, err := io.WriteString(o, "..."); err == nil {
		t.Error("an extent over another is taken")
	}
	if _, err := o.Seek(-1, io.SeekStart); err == nil {
		t.Error("a negative offset is taken")
	}
	if _, err := o.ReadAt(nil, -1); err == nil {
		t.Error("a negative offset is read")
	}
}

// What is behind From is in the file at once, and what is before is not.
func TestDirect(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	must(t, err)
	defer f.Close()
	_, err = f.WriteString("0123456789")
	must(t, err)
	o := &File{Base: f, Size: 10, Direct: f, From: 8, Ended: t.Context().Err}
	write := func(at int64, text string) {
		_, err := o.Seek(at, io.SeekStart)
		must(t, err)
		_, err = io.WriteString(o, text)
		must(t, err)
	}
	write(2, "ab")
	if o.Wrote() {
		t.Error("something is in the file")
	}
	write(9, "XYZ")
	all, err := os.ReadFile(f.Name())
	must(t, err)
	both := make([]byte, o.End())
	_, err = o.ReadAt(both, 0)
	must(t, err)
	if string(all) != "012345678XYZ" || string(both) != "01ab45678XYZ" || !o.Wrote() || string(o.At(2)) != "ab" || o.At(3) != nil {
		t.Errorf("file %q, overlay %q", all, both)
	}
}

// Nothing goes on when it has ended, nor is it written where that is not wanted.
func TestEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := &File{Base: bytes.NewReader(nil), Ended: ctx.Err}
	if _, err := (&File{ReadOnly: true, Ended: ctx.Err}).Write([]byte("x")); err == nil {
		t.Error("a read-only file is written")
	}
	if o.Truncate(0) == nil {
		t.Error("a file is cut")
	}
	cancel()
	if _, err := o.Write([]byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("written: %v", err)
	}
	if _, err := o.ReadAt(make([]byte, 1), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
}
