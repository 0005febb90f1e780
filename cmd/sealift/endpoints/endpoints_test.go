package endpoints

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/e2e/fixture"
	"github.com/sealift/sealift/image/library"
	"github.com/sealift/sealift/image/oci/registry"
)

// user is one with files of their own, and a site's.
type user struct {
	t        *testing.T
	m        *commands
	out, log bytes.Buffer
}

func newUser(t *testing.T) *user {
	u := &user{t: t}
	dir := t.TempDir()
	u.m = &commands{
		p:     &ui.Process{},
		files: files{user: filepath.Join(dir, "user/remote.yaml"), site: []string{filepath.Join(dir, "site/remote.yaml"), filepath.Join(dir, "other/remote.yaml")}},
		via:   registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}),
	}
	u.m.p.Out, u.m.p.Err = &u.out, &u.log
	return u
}

// run runs a remote command with an input, and returns what it prints.
func (u *user) run(input string, args ...string) (string, error) {
	u.t.Helper()
	return u.runOf(command, input, args...)
}

func (u *user) runOf(command func(*commands) *cobra.Command, input string, args ...string) (string, error) {
	u.t.Helper()
	u.out.Reset()
	stdin := filepath.Join(u.t.TempDir(), "stdin")
	if err := os.WriteFile(stdin, []byte(input), 0o600); err != nil {
		u.t.Fatal(err)
	}
	f, err := os.Open(stdin)
	if err != nil {
		u.t.Fatal(err)
	}
	defer f.Close()
	u.m.p.Stdin = f
	c := command(u.m)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	err = c.Execute()
	return u.out.String(), err
}

func (u *user) must(input string, args ...string) string {
	u.t.Helper()
	out, err := u.run(input, args...)
	if err != nil {
		u.t.Fatalf("%q: %v", args, err)
	}
	return out
}

func (u *user) fails(want string, args ...string) {
	u.t.Helper()
	if out, err := u.run("", args...); err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
		u.t.Errorf("%q: %s, %v, hint %q", args, out, err, hint.Of(err))
	}
}

func newServer(t *testing.T) *fixture.Library {
	l := fixture.NewLibrary()
	t.Cleanup(l.Close)
	l.Token = "secret"
	return l
}

func TestRemotes(t *testing.T) {
	u := newUser(t)
	want := "\nNAME           URI                  DEFAULT?  GLOBAL?  EXCLUSIVE?  SECURE?\n" +
		"DefaultRemote  cloud.apptainer.org  ✓         ✓                    ✓\n"
	if got := u.must("", "list"); got != want {
		t.Errorf("%s", got)
	}
	u.must("", "add", "--no-login", "A", "a.example")
	u.must("", "add", "--no-login", "--no-default", "--insecure", "B", "http://b.example:80")
	want = "\nNAME           URI                  DEFAULT?  GLOBAL?  EXCLUSIVE?  SECURE?\n" +
		"A              a.example            ✓                              ✓\n" +
		"B              b.example:80                                        ✗!\n" +
		"DefaultRemote  cloud.apptainer.org            ✓                    ✓\n"
	if got := u.must("", "list"); got != want {
		t.Errorf("%s", got)
	}
	u.must("", "use", "B")
	u.must("", "remove", "A")
	if got := u.must("", "list"); strings.Contains(got, "a.example") || !strings.Contains(got, "B              b.example:80         ✓") {
		t.Errorf("%s", got)
	}
	u.fails("without TLS", "add", "C", "http://c.example")
	u.fails("already", "add", "--no-login", "B", "b.example")
	u.fails("no remote", "use", "A")
	u.fails("is the site's", "remove", "DefaultRemote")
	u.fails("needs 2 operands", "add", "C")
	u.fails("unexpected operand", "list", "C")
}

// TestSite: the site's remotes are for all, and an exclusive one is the only
// one.
func TestSite(t *testing.T) {
	u := newUser(t)
	u.must("", "add", "--global", "S", "s.example")
	if st, err := os.Stat(u.m.files.site[0]); err != nil || st.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", st, err)
	}
	u.must("", "add", "--no-login", "Mine", "m.example")
	u.must("", "use", "--exclusive", "S")
	if got := u.must("", "list"); !strings.Contains(got, "S     s.example  ✓         ✓        ✓           ✓") {
		t.Errorf("%s", got)
	}
	u.fails("lets no remote be used", "use", "Mine")
	if _, err := u.m.files.library(t.Context(), u.m.via, "https://127.0.0.1:1", library.Reference{}, false); err == nil {
		t.Error("another library may be used")
	}
	u.must("", "use", "--global", "S")
	u.must("", "use", "Mine")
	u.must("", "remove", "--global", "S")
	if err := os.Rename(u.m.files.site[0], filepath.Join(t.TempDir(), "away")); err != nil {
		t.Fatal(err)
	}
	other := u.m.files.site[1]
	if err := os.MkdirAll(filepath.Dir(other), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, []byte("Active: O\nRemotes: {O: {URI: o.example, System: true}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := u.must("", "list"); !strings.Contains(got, "o.example") || strings.Contains(got, "cloud.apptainer.org") {
		t.Errorf("%s", got)
	}
}

func TestLogin(t *testing.T) {
	l := newServer(t)
	u := newUser(t)
	tokens := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokens, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u.must("", "add", "--insecure", "--tokenfile", tokens, "L", l.URL())
	status := u.must("", "status")
	for _, want := range []string{"SERVICE    STATUS  VERSION  URI\n", "Keyserver  N/A", "Library    OK      v1.2.3   " + l.URL(), "Logged in as: ann <ann@h.example>", "Valid authentication token set (logged in)."} {
		if !strings.Contains(status, want) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	if got := u.must("", "get-login-password"); got != "oci-secret\n" {
		t.Errorf("%q", got)
	}
	u.must("", "logout")
	if got := u.must("", "status", "L"); !strings.Contains(got, "No authentication token set (logged out).") {
		t.Errorf("%s", got)
	}
	u.must("secret\n", "login", "L")
	if st, err := os.Stat(u.m.files.user); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	if _, err := u.run("wrong", "login"); err == nil || !strings.Contains(err.Error(), "is not accepted") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("error %v", err)
	}
	u.must("", "status") // the old token is still there
	for _, bad := range []string{"", "\n", "two words", "x\x00"} {
		if _, err := u.run(bad, "login"); err == nil || !strings.Contains(err.Error(), "no token") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	l.Token = "another"
	u.fails("is not accepted", "status")
	u.fails("no remote", "login", "docker://registry.example")
	if strings.Contains(u.log.String(), "secret") {
		t.Errorf("a token is told: %s", &u.log)
	}
}

// TestLibrary: the remote in use, the flag and the reference choose it.
func TestLibrary(t *testing.T) {
	l := newServer(t)
	u := newUser(t)
	ask := func(address, ref string, plain bool) (*library.Client, error) {
		r, err := library.ParseReference(ref)
		if err != nil {
			t.Fatal(err)
		}
		return u.m.files.library(t.Context(), u.m.via, address, r, plain)
	}
	if _, err := ask("", "a/b/c", false); err == nil || !strings.Contains(err.Error(), "cloud.apptainer.org, has no library") || !strings.Contains(hint.Of(err), "sealift remote use") {
		t.Errorf("error %v", err)
	}
	if _, err := ask("https://x", "library://h.example/a/b/c", false); err == nil || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
	u.must("secret", "add", "--insecure", "L", l.URL())
	l.Put("private/b/c", "latest", "amd64", []byte("x"))
	for _, c := range []struct {
		address, ref, url string
		plain, private    bool
	}{
		{"", "private/b/c", l.URL(), false, true},
		{l.URL(), "private/b/c", l.URL(), false, false},
		{"", strings.TrimPrefix(l.URL(), "http://") + "/private/b/c", l.URL(), true, false},
		{"", "h.example/a/b/c", "https://h.example", false, false},
	} {
		client, err := ask(c.address, c.ref, c.plain)
		if err != nil || client.URL() != c.url {
			t.Errorf("%+v: %v, %v", c, client, err)
			continue
		}
		if c.url != l.URL() {
			continue
		}
		ref, _ := library.ParseReference("private/b/c")
		if _, err := client.Find(t.Context(), ref, "amd64"); (err == nil) != c.private {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestFiles(t *testing.T) {
	for want, environ := range map[string][]string{
		"/h/.apptainer/remote.yaml": {"HOME=/h"}, "/a/remote.yaml": {"HOME=/h", "APPTAINER_CONFIGDIR=/a"},
		"/s/remote.yaml": {"APPTAINER_CONFIGDIR=/a", "SEALIFT_CONFIGDIR=/s"}, "": {"HOME=relative"},
	} {
		if got := newFiles(&ui.Process{Environ: environ}); got.user != want || got.site[0] != "/etc/sealift/remote.yaml" {
			t.Errorf("%q: %+v", environ, got)
		}
	}
	u := newUser(t)
	u.m.files.user = ""
	u.must("", "list")
	u.fails("no directory for remote.yaml", "use", "DefaultRemote")
}
