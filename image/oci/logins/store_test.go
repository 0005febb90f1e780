package logins

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sealift/sealift/image/oci/registry"
)

// storeEnv makes the test binary log in: PATH HOST.
const storeEnv = "SEALIFT_TEST_STORE"

func TestMain(m *testing.M) {
	if path, host, ok := strings.Cut(os.Getenv(storeEnv), " "); ok {
		if err := Store(context.Background(), path, host, user(host)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new/deep/config.json")
	for _, where := range []string{"h.example", "docker.io", "h.example/ns"} {
		if err := Store(t.Context(), path, where, user(where)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), `"https://index.docker.io/v1/"`) {
		t.Errorf("%s, %v", text, err)
	}
	find := Find([]string{path})
	for where, want := range map[string]string{"h.example/x": "h.example", "index.docker.io/library/x": "docker.io", "h.example/ns/x": "h.example/ns"} {
		if got, err := find(t.Context(), where); err != nil || got != user(want) {
			t.Errorf("%s: %+v, %v", where, got, err)
		}
	}
	for _, where := range []string{"docker.io", "h.example/ns"} {
		if found, err := Erase(t.Context(), path, where); err != nil || !found {
			t.Errorf("%s: %v, %v", where, found, err)
		}
	}
	if list, err := List([]string{path}); err != nil || len(list) != 1 || list[0].Registry != "h.example" {
		t.Errorf("%+v, %v", list, err)
	}
	if found, err := Erase(t.Context(), path+".missing", "h"); found || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
	if err := Store(t.Context(), path, "h", registry.Credentials{Username: "a:b", Password: "c"}); err == nil || !strings.Contains(err.Error(), "colon") {
		t.Errorf("error %v", err)
	}
}

// TestRestStays: a login changes nothing else in the file.
func TestRestStays(t *testing.T) {
	path := saved(t, "c.json", `{"unknown": {"deep": [1, 2.50]}, "psFormat": "x", "auths": {"old": {"auth": "`+basic("a", "b")+`", "email": "e@x", "own": 1}}}`)
	if err := Store(t.Context(), path, "h", user("u")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bare := strings.NewReplacer("\n", "", "\t", "", " ", "").Replace(string(text))
	want := `{"auths":{"h":{"auth":"` + basic("u", "ofu") + `"},"old":{"auth":"` + basic("a", "b") + `","email":"e@x","own":1}},"psFormat":"x","unknown":{"deep":[1,2.50]}}`
	want = strings.Replace(want, basic("u", "ofu"), basic("u", "of u"), 1)
	if bare != want {
		t.Errorf("%s\nwant %s", bare, want)
	}
}

// TestHostileFiles are not written through.
func TestHostileFiles(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(path string) error{
		"link":     func(path string) error { return os.Symlink(victim, path) },
		"dangling": func(path string) error { return os.Symlink(filepath.Join(dir, "none"), path) },
		"lock":     func(path string) error { return os.Symlink(victim, path+".lock") },
		"folder":   func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		path := filepath.Join(dir, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		if err := Store(t.Context(), path, "h", user("u")); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "{}" {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	path := saved(t, "broken.json", `{"auths": []}`)
	if err := Store(t.Context(), path, "h", user("u")); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}

// TestTogether: processes that log in at the same time lose nothing.
func TestTogether(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "dir/config.json")
	const n = 12
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			c := exec.Command(self)
			c.Env = append(os.Environ(), fmt.Sprintf("%s=%s h%d.example", storeEnv, path, i))
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	if list, err := List([]string{path}); err != nil || len(list) != n {
		t.Errorf("%d logins, %v", len(list), err)
	}
}
