package ui

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
)

// answering gives a process a standard input.
func answering(t *testing.T, p *Process, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stdin")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	p.Stdin = f
}

// TestAsk: each question takes one line, and leaves the rest.
func TestAsk(t *testing.T) {
	p, _, msg := fake()
	answering(t, p, "one\r\ntwo\nthree")
	a, err1 := p.Ask(t.Context(), "A? ")
	b, err2 := p.AskHidden(t.Context(), "B? ")
	c, err3 := p.Ask(t.Context(), "C? ")
	d, err4 := p.Ask(t.Context(), "")
	if err := errors.Join(err1, err2, err3, err4); err != nil || a+"|"+b+"|"+c+"|"+d != "one|two|three|" || msg.String() != "A? C? " {
		t.Errorf("%q %q %q %q, %v, %q", a, b, c, d, err, msg.String())
	}
}

// TestAskHidden: on a terminal nothing of the answer is shown, and a signal ends
// the question.
func TestAskHidden(t *testing.T) {
	user, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer user.Close()
	defer tty.Close()
	p, _, msg := fake()
	p.Stdin = tty
	go func() {
		time.Sleep(100 * time.Millisecond)
		_, _ = user.WriteString("secret\n")
	}()
	got, err := p.AskHidden(t.Context(), "Q? ")
	if err != nil || got != "secret" || msg.String() != "Q? \n" {
		t.Errorf("%q, %v, %q", got, err, msg.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.AskHidden(ctx, "Q? "); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func passphraseOf(t *testing.T, args ...string) *Passphrase {
	t.Helper()
	var x Passphrase
	flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
	x.Add(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return &x
}

func TestPassphrase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(" of a file \r\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, _, msg := fake()
	x := passphraseOf(t, "--passphrase-file", path)
	old, err1 := x.Ask(t.Context(), p, "Q? ", 1)
	fresh, err2 := x.AskNew(t.Context(), p, "Q? ")
	if err1 != nil || err2 != nil || string(old) != " of a file " || string(fresh) != string(old) || !x.Given() {
		t.Errorf("%q, %q, %v, %v", old, fresh, err1, err2)
	}
	if !strings.Contains(msg.String(), "others may read the passphrase") {
		t.Error(msg.String())
	}
	if _, err := x.Ask(t.Context(), p, "Q? ", 2); err == nil || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
	if err := os.Truncate(path, maxSecret+1); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Ask(t.Context(), p, "Q? ", 1); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}

	p, _, msg = fake()
	x = passphraseOf(t)
	answering(t, p, "wrong\nright\n")
	for try, want := range []string{"wrong", "right"} {
		if got, err := x.Ask(t.Context(), p, "Q? ", try+1); err != nil || string(got) != want {
			t.Errorf("%q, %v", got, err)
		}
	}
	if msg.String() != "sealift: warning: the passphrase is wrong\n" {
		t.Errorf("%q", msg.String())
	}
	answering(t, p, "a\nb\nc\nc\n")
	if got, err := x.AskNew(t.Context(), p, "Q? "); err != nil || string(got) != "c" {
		t.Errorf("%q, %v", got, err)
	}
	answering(t, p, "a\nb\nc\nd\ne\nf\n")
	if _, err := x.AskNew(t.Context(), p, "Q? "); err == nil || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
}

func TestLogin(t *testing.T) {
	for _, c := range []struct {
		environ, args []string
		input         string
		user, want    string
		err, warning  string
	}{
		{args: []string{"-u", "ann", "--password-stdin"}, input: "x\n", user: "ann", want: "x"},
		{args: []string{"-p", "y"}, want: "y", warning: "others on this machine"},
		{environ: []string{"SEALIFT_LOGIN_PASSWORD=z", "APPTAINER_LOGIN_USERNAME=bob"}, user: "bob", want: "z"},
		{args: []string{"--password-stdin"}, err: "is empty"},
		{err: "there is no password"},
	} {
		p, _, msg := fake(c.environ...)
		answering(t, p, c.input)
		var l Login
		cmd := &cobra.Command{}
		l.Add(cmd)
		if err := cmd.ParseFlags(c.args); err != nil {
			t.Fatal(err)
		}
		if err := l.FromEnvironment(p, cmd); err != nil {
			t.Fatal(err)
		}
		err := l.Ask(t.Context(), p)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || hint.Of(err) == "" {
				t.Errorf("%v: error %v", c.args, err)
			}
			continue
		}
		if err != nil || l.User != c.user || l.Password != c.want || !strings.Contains(msg.String(), c.warning) {
			t.Errorf("%v: %q %q, %v, %s", c.args, l.User, l.Password, err, msg.String())
		}
	}
}

func TestConfigDir(t *testing.T) {
	for want, environ := range map[string][]string{
		"":              {"HOME=relative"},
		"/h/.apptainer": {"HOME=/h"},
		"/a":            {"HOME=/h", "APPTAINER_CONFIGDIR=/a"},
		"/s":            {"APPTAINER_CONFIGDIR=/a", "SEALIFT_CONFIGDIR=/s"},
	} {
		if p, _, _ := fake(environ...); p.ConfigDir() != want {
			t.Errorf("%v: %s", environ, p.ConfigDir())
		}
	}
}
