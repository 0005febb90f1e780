package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/apart"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(content), 0o644))
}

func symlink(t testing.TB, target, path string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.Symlink(target, path))
}

func openDir(t testing.TB, path string) *os.File {
	t.Helper()
	d, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		apart.Skip(t, "only root can make devices and change owners")
	}
}

func wantError(t *testing.T, err error, text, remedy string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", text)
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("error %q lacks %q", err, text)
	}
	if got := hint.Of(err); !strings.Contains(got, remedy) {
		t.Errorf("hint of %q is %q, want %q", err, got, remedy)
	}
}

// asUser runs fn as an ordinary user, whose dir becomes.
func asUser(t *testing.T, dir string, fn func()) {
	t.Helper()
	apart.GiveUser(t, dir)
	apart.AsUser(fn)
}
