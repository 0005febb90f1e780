package program

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"one/x": 0o644, "two/x": 0o755, "one/y": 0o644, "two/sub/z": 0o755} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	path := "PATH=" + dir + "/none:" + dir + "/one/x:" + dir + "/one:" + dir + "/two"
	for _, c := range []struct {
		name, env, want string
		err             error
	}{
		{"x", path, dir + "/two/x", nil},
		{"y", path, "", unix.EACCES},
		{"nosuch", path, "", unix.ENOENT},
		{"sub", path, "", unix.EACCES},
		{dir + "/two/x", path, dir + "/two/x", nil},
		{dir + "/one/x", path, dir + "/one/x", unix.EACCES},
		{dir + "/two/x/y", path, dir + "/two/x/y", unix.ENOTDIR},
		{"sh", "HOME=/", "/bin/sh", nil},
		{"sh", "PATH=", "", unix.ENOENT},
	} {
		got, err := Find(c.name, []string{"A=1", c.env, "PATH=/bin"})
		if c.name == "sh" && c.env == "HOME=/" {
			got, err = Find(c.name, []string{c.env})
			got = strings.TrimPrefix(got, "/usr/local")
		}
		if got != c.want || err != c.err {
			t.Errorf("%s in %s: %q, %v; want %q, %v", c.name, c.env, got, err, c.want, c.err)
		}
	}
}

func TestIsText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for content, want := range map[string]bool{"": true, "echo\n": true, "\x7fELF\x00": false} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := IsText(path); got != want {
			t.Errorf("%q: %v", content, got)
		}
	}
	if IsText(path+"/none") || IsText(t.TempDir()) {
		t.Error("a text that cannot be read")
	}
}
