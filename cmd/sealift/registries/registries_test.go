package registries

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/oci/logins"
)

// newRegistry starts a registry that knows user:s3cret, and returns its host.
func newRegistry(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if user, password, _ := q.BasicAuth(); user != "user" || password != "s3cret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// session is a user who types commands.
type session struct {
	p        *ui.Process
	out, log bytes.Buffer
	home     string
}

func newSession(t *testing.T) *session {
	s := &session{home: t.TempDir()}
	s.p = &ui.Process{Environ: []string{"HOME=" + s.home}, Terminal: ui.Terminal{Out: &s.out, Err: &s.log}}
	return s
}

// try runs a command with a standard input, and returns all that it said.
func (s *session) try(t *testing.T, input string, args ...string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stdin")
	if err := os.WriteFile(path, []byte(input), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s.p.Stdin = f
	return s.run(args...)
}

func (s *session) run(args ...string) (string, error) {
	s.out.Reset()
	s.log.Reset()
	c := Command(s.p)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetOut(io.Discard)
	c.SetArgs(args)
	err := c.ExecuteContext(context.Background())
	return s.out.String() + s.log.String(), err
}

func TestSession(t *testing.T) {
	host, s := newRegistry(t), newSession(t)
	file := s.home + "/.docker/config.json"
	got, err := s.try(t, "s3cret\r\n", "login", "-u", "user", "--password-stdin", "docker://"+host+"/")
	if err != nil || got != "sealift: login of user at "+host+" kept in "+file+"\n" {
		t.Errorf("%q, %v", got, err)
	}
	s.p.Environ = append(s.p.Environ, "SEALIFT_LOGIN_USERNAME=user", "APPTAINER_LOGIN_PASSWORD=s3cret")
	if got, err := s.try(t, "", "login", "oras://"+host+"/team"); err != nil || !strings.Contains(got, host+"/team kept in") {
		t.Errorf("%q, %v", got, err)
	}
	s.p.Environ = s.p.Environ[:1]
	got, err = s.try(t, "", "list", "--json")
	var list []logins.Login
	if err != nil || json.Unmarshal([]byte(got), &list) != nil || len(list) != 2 || list[0] != (logins.Login{Registry: host, Username: "user", File: file}) {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := s.try(t, "", "list"); err != nil || strings.Count(got, "\n") != 3 || strings.Contains(got, "s3cret") {
		t.Errorf("%s, %v", got, err)
	}
	for _, want := range []string{"sealift: login at " + host + " removed from " + file, "sealift: warning: " + file + " has no login at " + host} {
		if got, err := s.try(t, "", "logout", host); err != nil || got != want+"\n" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if got, err := s.try(t, "", "list", "--json", "--authfile", s.home+"/none"); err != nil || got != "[]\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRefused(t *testing.T) {
	host, s := newRegistry(t), newSession(t)
	for _, c := range []struct {
		input string
		args  []string
		want  string
	}{
		{"wr0ng", []string{"login", "-u", "user", "--password-stdin", host}, "log in to " + host + ": the registry answers 401"},
		{"", []string{"login", "-u", "user", "-p", "wr0ng", host}, "401"},
		{"", []string{"login", "-u", "user", "--password-stdin", host}, "the password is empty"},
		{"s3cret", []string{"login", "--password-stdin", host}, "needs the name of a user"},
		{"", []string{"login", "-u", "user", host}, "no terminal"},
		{"", []string{"login", "-u", "user", "https://" + host}, "https:// is not for registries"},
		{"", []string{"login", "-u", "user", "docker://me:wr0ng@" + host}, "a user goes with --username"},
		{"", []string{"login", "-u", "user", "-p", "wr0ng", "127.0.0.1:1"}, "refused"},
		{"", []string{"logout", "a b"}, "does not name a registry"},
		{"", []string{"logout"}, "needs 1 operands"},
		{"", []string{"login", "a", "b"}, "unexpected operand"},
	} {
		said, err := s.try(t, c.input, c.args...)
		if err == nil || !strings.Contains(err.Error(), c.want) || hint.Of(err) == "" || strings.Contains(said+err.Error(), "wr0ng") {
			t.Errorf("%q: %q, %v; want %s", c.args, said, err, c.want)
		}
		if strings.Contains(strings.Join(c.args, " "), "-p wr0ng") && !strings.Contains(said, "warning: others on this machine") {
			t.Errorf("%q: %q", c.args, said)
		}
	}
	if _, err := os.Stat(s.home + "/.docker"); err == nil {
		t.Error("something is kept of a login that failed")
	}
	s.p.Environ = nil
	if _, err := s.try(t, "s3cret", "login", "-u", "user", "--password-stdin", host); err == nil || !strings.Contains(hint.Of(err), "--authfile") {
		t.Errorf("error %v", err)
	}
}

// TestOtherLogin tells of a login that stays in another file.
func TestOtherLogin(t *testing.T) {
	host, s := newRegistry(t), newSession(t)
	for _, args := range [][]string{{}, {"--authfile", s.home + "/.config/containers/auth.json"}} {
		if _, err := s.try(t, "s3cret", append([]string{"login", "-u", "user", "--password-stdin", host}, args...)...); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.try(t, "", "logout", host); err != nil || !strings.Contains(got, "auth.json has a login at "+host) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestPrompt types a password on a terminal, which does not show it.
func TestPrompt(t *testing.T) {
	host, s := newRegistry(t), newSession(t)
	control, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	s.p.Stdin, s.p.Err = terminal, terminal
	// The question comes when the terminal is silent.
	var shown bytes.Buffer
	go func() {
		b := make([]byte, 1)
		for !strings.HasSuffix(shown.String(), "Token: ") {
			if _, err := control.Read(b); err != nil {
				return
			}
			shown.Write(b)
		}
		_, _ = io.WriteString(control, "s3cret\n") // a login without it fails
	}()
	if _, err := s.run("login", "-u", "user", host); err != nil {
		t.Error(err)
	}
	if err := terminal.Close(); err != nil {
		t.Error(err)
	}
	rest, _ := io.ReadAll(control) // ends with EIO, as terminals do
	if strings.Contains(shown.String()+string(rest), "s3cret") || !strings.Contains(string(rest), "kept in") {
		t.Errorf("%q", shown.String()+string(rest))
	}
}
