package output

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/apart"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// list returns the names in dir, hidden ones included.
func list(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func wantFile(t *testing.T, path, content string) {
	t.Helper()
	st, err := os.Lstat(path)
	must(t, err)
	if !st.Mode().IsRegular() {
		t.Fatalf("%s is %v", path, st.Mode())
	}
	b, err := os.ReadFile(path)
	must(t, err)
	if string(b) != content {
		t.Errorf("%s holds %q, want %q", path, b, content)
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
	if got := hint.Of(err); !strings.Contains(got, remedy) || remedy != "" && got == "" {
		t.Errorf("hint of %q is %q, want %q", err, got, remedy)
	}
}

func write(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), mode))
}

// asUser runs fn as an ordinary user, whose dir becomes.
func asUser(t *testing.T, dir string, fn func()) {
	t.Helper()
	apart.GiveUser(t, dir)
	apart.AsUser(fn)
}
