package scripts

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

func TestStream(t *testing.T) {
	var b bytes.Buffer
	f, drain, err := stream(&b)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 1<<20)
	if _, err := io.WriteString(f, text); err != nil {
		t.Fatal(err)
	}
	if err := drain(); err != nil || b.String() != text {
		t.Errorf("%d bytes, %v", b.Len(), err)
	}
	if _, err := f.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("it is open still: %v", err)
	}
	if f, drain, err := stream(os.Stderr); f != os.Stderr || err != nil || drain() != nil {
		t.Error("a file is not used as it is")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestStreamFails(t *testing.T) {
	f, drain, err := stream(failing{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := drain(); !errors.Is(err, io.ErrShortWrite) {
		t.Error(err)
	}
}
