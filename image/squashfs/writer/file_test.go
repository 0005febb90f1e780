package writer

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift/image/tree"
)

func create(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "x.sqfs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestWriteFile makes the same bytes as the steps that it stands for.
func TestWriteFile(t *testing.T) {
	f := create(t)
	if err := WriteFile(t.Context(), f, Options{}, Whole(everything(DefaultBlockSize))); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	w, err := New(&want, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Finish(everything(DefaultBlockSize))
	if err != nil {
		t.Fatal(err)
	}
	copy(want.Bytes(), s.Bytes())
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("other bytes")
	}
}

// TestWriteFileFails reports what the source and the file say.
func TestWriteFileFails(t *testing.T) {
	failure := errors.New("no tree")
	err := WriteFile(t.Context(), create(t), Options{}, func(*Writer) (*tree.Node, error) { return nil, failure })
	if !errors.Is(err, failure) {
		t.Error(err)
	}
	f := create(t)
	f.Close()
	if err := WriteFile(t.Context(), f, Options{}, Whole(newDir(nil))); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if err := WriteFile(t.Context(), create(t), Options{BlockSize: 5}, Whole(newDir(nil))); err == nil {
		t.Error("a block size of 5")
	}
}

// TestWriteEndsWithItsContext gives up in the middle, with the cause.
func TestWriteEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("interrupted")
	root := newDir(map[string]*tree.Node{})
	for _, name := range []string{"a", "b", "c"} {
		root.Entries[name] = newFile(noise(uint64(name[0]), 1<<20))
	}
	f := create(t)
	err := WriteFile(ctx, f, Options{BlockSize: 4096}, func(w *Writer) (*tree.Node, error) {
		cancel(cause)
		for w.pipe.failure() == nil { // which happens beside
		}
		return root, nil
	})
	if !errors.Is(err, cause) {
		t.Error(err)
	}
	if st, err := f.Stat(); err != nil || st.Size() > 1<<20 {
		t.Errorf("%d bytes were written all the same, %v", st.Size(), err)
	}
}
