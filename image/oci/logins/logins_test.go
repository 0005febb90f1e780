package logins

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/registry"
)

// saved is a file as docker login writes it.
func saved(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

func user(name string) registry.Credentials {
	return registry.Credentials{Username: name, Password: "of " + name}
}

// auths is the text of a file with logins of users by their keys.
func auths(users map[string]string) string {
	var list []string
	for key, name := range users {
		list = append(list, fmt.Sprintf("%q: {\"auth\": %q}", key, basic(name, "of "+name)))
	}
	return `{"auths": {` + strings.Join(list, ", ") + `}}`
}

func TestFind(t *testing.T) {
	first := saved(t, "a.json", `{"auths": {"one.example": {"auth": "`+basic("u", "p:w")+`"}, "https://index.docker.io/v1/": {"identitytoken": "tok"}}}`)
	second := saved(t, "b.json", `{"auths": {"one.example": {"auth": "`+basic("other", "x")+`"}, "two.example:5000": {"auth": "`+basic("v", "q")+`"}}}`)
	find := Find([]string{first, first + ".missing", second})
	for where, want := range map[string]registry.Credentials{
		"one.example": {Username: "u", Password: "p:w"}, "one.example/a/b": {Username: "u", Password: "p:w"},
		"two.example:5000/x": {Username: "v", Password: "q"},
		"index.docker.io":    {IdentityToken: "tok"}, "index.docker.io/library/x": {IdentityToken: "tok"},
		"two.example": {}, "three.example": {},
	} {
		if got, err := find(t.Context(), where); err != nil || got != want {
			t.Errorf("%s: %+v, %v", where, got, err)
		}
	}
	if _, err := Find([]string{saved(t, "bad.json", "{")})(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "bad.json") || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
}

// TestParts: the most specific login counts, and that of a part is for nothing
// else.
func TestParts(t *testing.T) {
	find := Find([]string{saved(t, "a.json", auths(map[string]string{
		"h.example/ns/repo": "repo", "h.example/ns": "ns", "only.example/private": "part", "https://old.example/v1/": "old",
		"docker.io/team": "team", "https://index.docker.io/v1/": "hub", "both.example/a": "a", "both.example": "host",
	}))})
	for where, want := range map[string]registry.Credentials{
		"h.example/ns/repo": user("repo"), "h.example/ns/repository": user("ns"), "h.example/ns/repo/x": user("repo"), "h.example/other": {}, "h.example": {},
		"only.example": {}, "only.example/private/x": user("part"), "only.example/privat": {},
		"old.example/x": user("old"), "index.docker.io/team/x": user("team"), "index.docker.io/library/x": user("hub"),
		"both.example/a/b": user("a"), "both.example/b": user("host"),
	} {
		if got, err := find(t.Context(), where); err != nil || got != want {
			t.Errorf("%s: %+v, %v", where, got, err)
		}
	}
}

// helper puts a credential helper, docker-credential-test, into PATH: it keeps
// what it gets in files, and notes its arguments.
func helper(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	script := `#!/bin/sh
cd "` + dir + `" || exit 1
echo "$@" >>args
case $1 in
store) cat >stored ;;
get) read -r key
	echo "$key" >>asked
	if test -f stored && grep -q "\"ServerURL\":\"$key\"" stored; then cat stored; else echo "credentials not found in native keychain"; exit 1; fi ;;
erase) read -r key; rm stored ;;
esac
`
	if err := os.WriteFile(dir+"/docker-credential-test", []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return dir
}

func TestHelper(t *testing.T) {
	dir := helper(t)
	path := saved(t, "c.json", `{"credHelpers": {"h.example": "test"}}`)
	if err := Store(t.Context(), path, "h.example", user("me")); err != nil {
		t.Fatal(err)
	}
	if got, err := Find([]string{path})(t.Context(), "h.example/a/b/c"); err != nil || got != user("me") {
		t.Errorf("%+v, %v", got, err)
	}
	asked, err := os.ReadFile(dir + "/asked")
	if err != nil || string(asked) != "h.example\n" {
		t.Errorf("asked for %q, %v", asked, err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), "auth\"") || !strings.Contains(string(text), `"h.example": {}`) {
		t.Errorf("%s, %v", text, err)
	}
	if list, err := List([]string{path}); err != nil || fmt.Sprint(list) != fmt.Sprint([]Login{{"h.example", "", "test", path}}) {
		t.Errorf("%+v, %v", list, err)
	}
	for _, want := range []bool{true, false} {
		if found, err := Erase(t.Context(), path, "h.example"); err != nil || found != want {
			t.Errorf("found %v, %v", found, err)
		}
	}
	args, err := os.ReadFile(dir + "/args")
	if err != nil || strings.Contains(string(args), "me") || !strings.Contains(string(args), "store\n") || !strings.Contains(string(args), "erase\n") {
		t.Errorf("arguments %q, %v", args, err)
	}
	path = saved(t, "d.json", `{"credsStore": "missing"}`)
	if err := Store(t.Context(), path, "h.example", user("me")); err == nil || !strings.Contains(err.Error(), "docker-credential-missing") || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
}

func TestList(t *testing.T) {
	path := saved(t, "a.json", strings.Replace(auths(map[string]string{"h.example:1/ns": "a", "https://index.docker.io/v1/": "b", "https://old.example/v1/": "c"}),
		"{", `{"credHelpers": {"x.example": "store"}, `, 1))
	list, err := List([]string{path + ".missing", path})
	want := []Login{{"h.example:1/ns", "a", "", path}, {"docker.io", "b", "", path}, {"old.example", "c", "", path}, {"x.example", "", "store", path}}
	if err != nil || fmt.Sprint(list) != fmt.Sprint(want) {
		t.Errorf("%+v, %v", list, err)
	}
}
