package userdir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func uid() uint32 { return uint32(os.Getuid()) }

// TestBases: the user's directory of this session comes first, if it is the user's alone.
func TestBases(t *testing.T) {
	private, open := t.TempDir(), t.TempDir()
	for dir, mode := range map[string]fs.FileMode{private: 0o700, open: 0o755} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	for dir, first := range map[string]string{private: private + "/sealift", open: "/tmp/sealift-", "": "/tmp/sealift-", "relative": "/tmp/sealift-", "/none": "/tmp/sealift-"} {
		list := Bases(uid(), dir)
		if len(list) == 0 || !strings.HasPrefix(list[0].Path(), first) {
			t.Errorf("%q: %v", dir, list)
		}
		if !slices.ContainsFunc(list, func(b Base) bool { return strings.HasPrefix(b.Path(), "/tmp/sealift-") }) {
			t.Errorf("%q: %v has none in /tmp", dir, list)
		}
	}
}

// TestOpen makes what is missing, for the user alone, and takes nothing of others.
func TestOpen(t *testing.T) {
	b := Base{t.TempDir(), "base", uid()}
	if _, err := b.Open("sub", false); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	root, err := b.Open("sub", true)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, path := range []string{b.Path(), b.Path() + "/sub"} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o700 {
			t.Error(path, st, err)
		}
	}
	if err := root.WriteFile("f", nil, 0o600); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(b.Path() + "/sub/f"); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(b.Path()+"/sub", 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open("sub", true); err == nil || !strings.Contains(err.Error(), "open to others") {
		t.Error(err)
	}
	if _, err := (Base{b.Parent, "base", uid() + 1}).Open("sub", true); !errors.Is(err, ErrNotOurs) || !strings.Contains(hint.Of(err), "XDG_RUNTIME_DIR") {
		t.Error(err)
	}
	link := filepath.Join(b.Parent, "link")
	if err := os.Symlink(b.Path(), link); err != nil {
		t.Fatal(err)
	}
	if _, err := (Base{b.Parent, "link", uid()}).Open("other", true); !errors.Is(err, ErrNotOurs) {
		t.Error(err)
	}
}

// TestOpenWhileRemoved opens a directory that the last of its users removes all the time.
func TestOpenWhileRemoved(t *testing.T) {
	b := Base{t.TempDir(), "base", uid()}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			default:
				_, _ = os.Remove(b.Path()+"/sub"), os.Remove(b.Path())
			}
		}
	}()
	for range 2000 {
		root, err := b.Open("sub", true)
		if err != nil {
			t.Error(err)
			break
		}
		root.Close()
	}
	close(end)
	<-ended
}
