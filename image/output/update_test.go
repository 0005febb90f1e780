package output

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUpdateWaits for whoever has the lock, as long as its caller does.
func TestUpdateWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.json")
	unlock, err := lockBeside(t.Context(), path)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	text := func() ([]byte, error) { return []byte("text"), nil }
	if err := Update(ctx, path, 0o600, text); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	unlock()
	must(t, Update(t.Context(), path, 0o600, text))
	wantFile(t, path, "text")
	// What a process that was killed leaves is no lock.
	must(t, os.WriteFile(path+".lock", nil, 0o600))
	must(t, Update(t.Context(), path, 0o640, func() ([]byte, error) { return []byte("new"), nil }))
	wantFile(t, path, "new")
	for _, err := range []error{unix.ENOLCK, unix.ENOSYS, unix.EOPNOTSUPP} {
		if !unsupported(err) {
			t.Errorf("%v is a failure", err)
		}
	}
}

// TestUpdateNothing leaves the file, and no lock.
func TestUpdateNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	write(t, path, "old", 0o600)
	no := errors.New("no")
	for _, want := range []error{nil, no} {
		if err := Update(t.Context(), path, 0o600, func() ([]byte, error) { return nil, want }); err != want {
			t.Errorf("error %v", err)
		}
	}
	wantFile(t, path, "old")
	if got := list(t, dir); got != "f" {
		t.Errorf("left %s", got)
	}
}

// TestUpdates loses nothing of many at a time.
func TestUpdates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	const n = 20
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if err := Update(t.Context(), path, 0o600, func() ([]byte, error) {
				old, err := os.ReadFile(path)
				if errors.Is(err, fs.ErrNotExist) {
					err = nil
				}
				return append(old, '.'), err
			}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	wantFile(t, path, strings.Repeat(".", n))
}
