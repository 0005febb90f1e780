package endpoints

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/fixture/keyserver"
	"github.com/sealift/sealift/image/library/endpoint"
)

func newKeyserver(t *testing.T) *keyserver.Server {
	s := keyserver.New()
	t.Cleanup(s.Close)
	return s
}

// server runs a keyserver command as run does a remote command.
func (u *user) server(input string, args ...string) (string, error) {
	u.t.Helper()
	return u.runOf(keyserverCommand, input, args...)
}

func (u *user) serverMust(want, input string, args ...string) {
	u.t.Helper()
	if out, err := u.server(input, args...); err != nil || !strings.Contains(out, want) {
		u.t.Errorf("%q: %s, %v", args, out, err)
	}
}

func (u *user) serverFails(want string, args ...string) {
	u.t.Helper()
	if out, err := u.server("", args...); err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
		u.t.Errorf("%q: %s, error %v, hint %q", args, out, err, hint.Of(err))
	}
}

// TestKeyservers: the site's list is changed in the site's file, a user's own in
// the user's.
func TestKeyservers(t *testing.T) {
	u := newUser(t)
	u.serverMust("\nDefaultRemote *^\n   #1  https://keys.openpgp.org  🔒\n\n(* = system endpoint, ^ = default endpoint)\n", "", "list")
	u.serverMust("", "", "add", "-i", "-o", "1", "hkps://a.example")
	u.serverMust("   #1  hkps://a.example          \n   #2  https://keys.openpgp.org  🔒\n", "", "list", "DefaultRemote")
	u.serverMust("", "", "remove", "https://keys.openpgp.org")
	u.serverMust("*^\n   #1  hkps://a.example  \n\n", "", "list")
	if _, err := os.Stat(u.m.files.site[0]); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(u.m.files.user); err == nil {
		t.Error("the user's file changed")
	}
	u.serverFails("only key server", "remove", "hkps://a.example")
	u.serverFails("already", "add", "https://a.example")
	u.serverFails("counts from 1", "add", "-o", "0", "https://b.example")
	u.serverFails("no remote", "add", "None", "https://b.example")
	u.serverFails("no remote", "list", "None")
	u.serverFails("not the address", "add", "b.example")
	u.serverFails("needs 1 operands", "add")

	l := newServer(t)
	u.must("secret", "add", "--insecure", "Mine", l.URL())
	u.serverMust("", "", "add", "Mine", "hkp://b.example")
	u.serverMust("\nMine ^\n   #1  "+l.URL()+"/none  \n   #2  hkp://b.example", "", "list")
	if c, err := endpoint.Read(u.m.files.user); err != nil || len(c.Remotes["Mine"].Keyservers) != 2 {
		t.Errorf("%+v, %v", c, err)
	}
	l.Close()
	u.must("", "add", "--no-login", "--insecure", "Down", l.URL())
	u.serverMust("\nDown ^\n\n", "", "list")
	if !strings.Contains(u.log.String(), "key servers of the remote Down: ") {
		t.Error(u.log.String())
	}
}

// TestKeyserverLogin: a login is kept if the server accepts it, and goes there
// only.
func TestKeyserverLogin(t *testing.T) {
	u := newUser(t)
	a, b := newKeyserver(t), newKeyserver(t)
	u.serverFails("no remote has the key server", "login", "--password-stdin", a.URL())
	u.serverMust("", "", "add", a.URL())
	u.serverMust("", "", "add", b.URL())
	a.Authorization = "Bearer token"
	if _, err := u.server("wrong\n", "login", "--password-stdin", a.URL()); err == nil || !strings.Contains(err.Error(), "the login is not accepted") || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
	u.serverFails("the password is empty", "login", "--password-stdin", a.URL())
	u.serverFails("there is no password", "login", a.URL())
	u.serverFails("control characters", "login", "-p", "a\nb", a.URL())
	u.serverMust("", "token\n", "login", "--password-stdin", a.URL())
	if !strings.Contains(u.log.String(), "without TLS") || strings.Contains(u.log.String(), "Bearer") {
		t.Error(u.log.String())
	}
	b.Authorization = "Basic YW5uOng="
	u.serverMust("", "", "login", "-u", "ann", "-p", "x", b.URL())
	c, err := u.m.files.keyservers(t.Context(), u.m.via, a.URL())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
	other := newKeyserver(t)
	if c, err = u.m.files.keyservers(t.Context(), u.m.via, other.URL()); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context()); err != nil || strings.Join(other.Seen(), "") != "GET /" {
		t.Errorf("%v", err)
	}
	u.serverMust("", "", "logout", a.URL())
	u.serverMust("", "", "logout", a.URL())
	if !strings.Contains(u.log.String(), "no login at") {
		t.Error(u.log.String())
	}
	if c, err = u.m.files.keyservers(t.Context(), u.m.via, a.URL()); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context()); err == nil {
		t.Error("still logged in")
	}
	u.serverFails("not the address", "logout", "x")
}

// TestExclusive: where the site says so, only its key servers are used.
func TestExclusive(t *testing.T) {
	u := newUser(t)
	a := newKeyserver(t)
	u.serverMust("", "", "add", a.URL())
	u.must("", "use", "--exclusive", "DefaultRemote")
	if _, err := u.m.files.keyservers(t.Context(), u.m.via, a.URL()); err != nil {
		t.Error(err)
	}
	if _, err := u.m.files.keyservers(t.Context(), u.m.via, "https://else.example"); err == nil || !strings.Contains(err.Error(), "the site lets no key server") || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
}

// TestNoKeyserver: a remote may have none; one that is named is used all the
// same.
func TestNoKeyserver(t *testing.T) {
	u := newUser(t)
	if err := os.MkdirAll(filepath.Dir(u.m.files.site[0]), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(u.m.files.site[0], []byte("Remotes: {A: {URI: a.example, System: true}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := u.m.files.keyservers(t.Context(), u.m.via, ""); err == nil || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
	a := newKeyserver(t)
	if _, err := u.m.files.keyservers(t.Context(), u.m.via, a.URL()); err != nil {
		t.Error(err)
	}
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	t.Cleanup(bare.Close)
	u.must("", "add", "--no-login", "--insecure", "Bare", bare.URL)
	if _, err := u.m.files.keyservers(t.Context(), u.m.via, ""); err == nil || !strings.Contains(err.Error(), "has no key server") || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
	u.serverMust("", "", "add", "Bare", a.URL())
	u.serverMust("\nBare ^\n   #1  "+a.URL()+"  \n", "", "list", "Bare")
}
