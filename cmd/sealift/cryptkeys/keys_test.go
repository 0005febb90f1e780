package cryptkeys

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/spf13/pflag"
	"github.com/youmark/pkcs8"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/crypt"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// process is one without a terminal.
func process(t *testing.T, environ ...string) *ui.Process {
	t.Helper()
	null, err := os.Open(os.DevNull)
	must(t, err)
	t.Cleanup(func() { null.Close() })
	return &ui.Process{Environ: environ, Stdin: null, Terminal: ui.Terminal{Err: io.Discard}}
}

// pemKeys writes a private key, the public one of it, and the private one encrypted
// with "key's own".
func pemKeys(t *testing.T) (private, public, sealed string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	locked, err := pkcs8.MarshalPrivateKey(key, []byte("key's own"), nil)
	must(t, err)
	dir := t.TempDir()
	put := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	return put("private", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)),
		put("public", "RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey)), put("sealed", "ENCRYPTED PRIVATE KEY", locked)
}

func flags(t *testing.T, args ...string) *Flags {
	t.Helper()
	var f Flags
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	f.Add(set)
	must(t, set.Parse(args))
	return &f
}

// TestPrecedence: flags before variables, files before texts before passphrases;
// and the other way round for what a build starts from.
func TestPrecedence(t *testing.T) {
	private, public, sealed := pemKeys(t)
	text, err := os.ReadFile(private)
	must(t, err)
	path, data, pass := "SEALIFT_ENCRYPTION_PEM_PATH="+public, "APPTAINER_ENCRYPTION_PEM_DATA="+string(text), "SINGULARITY_ENCRYPTION_PASSPHRASE=open sesame"
	const isPrivate, isPublic, isPass = "a private key", "a public key", "a passphrase"
	for _, c := range []struct {
		args, environ []string
		key, base     string
	}{
		{nil, nil, "", ""},
		{nil, []string{"SEALIFT_ENCRYPTION_PASSPHRASE=", "OTHER_ENCRYPTION_PASSPHRASE=x"}, "", ""},
		{nil, []string{pass}, isPass, isPass},
		{nil, []string{pass, data}, isPrivate, isPrivate},
		{nil, []string{pass, data, path}, isPublic, isPublic},
		{[]string{"--pem-path", private}, []string{path}, isPrivate, isPublic},
		{[]string{"--pem-path", private, "--passphrase"}, nil, isPrivate, isPrivate},
		{[]string{"--pem-path", public}, []string{pass}, isPublic, isPass},
		{[]string{"--pem-path", sealed}, []string{"SEALIFT_ENCRYPTION_PASSPHRASE=key's own"}, isPrivate, isPass},
	} {
		p := process(t, c.environ...)
		f := flags(t, c.args...)
		k := f.Keys(t.Context(), p, false)
		for what, x := range map[string]struct {
			read func() (*crypt.Key, error)
			want string
		}{"key": {k.Key, c.key}, "base": {k.Base, c.base}} {
			got, err := x.read()
			if err != nil || (got == nil) != (x.want == "") || got != nil && got.String() != x.want {
				t.Errorf("%q %q: %s %v, %v; want %s", c.args, c.environ, what, got, err, x.want)
			}
		}
		if f.Given() != (len(c.args) > 0) || Named(p) != (c.environ != nil && c.environ[0] != "SEALIFT_ENCRYPTION_PASSPHRASE=") {
			t.Errorf("%q %q: given %v, named %v", c.args, c.environ, f.Given(), Named(p))
		}
	}
}

func TestFailures(t *testing.T) {
	_, _, sealed := pemKeys(t)
	empty := filepath.Join(t.TempDir(), "empty")
	must(t, os.WriteFile(empty, nil, 0o600))
	for _, c := range []struct {
		args, environ []string
		text, remedy  string
	}{
		{[]string{"--pem-path", "/none"}, nil, "--pem-path /none: no such file or directory", "in PEM form"},
		{[]string{"--pem-path", "/"}, nil, "--pem-path /: is a directory", "in PEM form"},
		{[]string{"--pem-path", empty}, nil, "no RSA key", "openssl"},
		{nil, []string{"APPTAINER_ENCRYPTION_PEM_PATH=/none"}, "APPTAINER_ENCRYPTION_PEM_PATH=/none: no such", ""},
		{nil, []string{"SEALIFT_ENCRYPTION_PEM_DATA=topsecret"}, "SEALIFT_ENCRYPTION_PEM_DATA: no RSA key", ""},
		{nil, []string{"SEALIFT_ENCRYPTION_PASSPHRASE=topsecret\nx"}, "SEALIFT_ENCRYPTION_PASSPHRASE: the passphrase has more", "one line"},
		{[]string{"--pem-path", sealed}, []string{"SEALIFT_ENCRYPTION_PASSPHRASE=topsecret"}, "wrong passphrase of the key", "SEALIFT_ENCRYPTION_PASSPHRASE"},
	} {
		_, err := flags(t, c.args...).Keys(t.Context(), process(t, c.environ...), false).Key()
		if err == nil || !strings.Contains(err.Error(), c.text) || !strings.Contains(hint.Of(err), c.remedy) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%q %q: %v, hint %q", c.args, c.environ, err, hint.Of(err))
		}
	}
	// Without a terminal nothing can be asked.
	r := reader{t.Context(), process(t), false, "/none"}
	if _, err := r.passphrase(); err == nil || hint.Of(err) != "run it on a terminal, or set SEALIFT_ENCRYPTION_PASSPHRASE" {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
}

// TestPrompt types on a terminal.
func TestPrompt(t *testing.T) {
	for _, c := range []struct {
		name  string
		twice bool
		typed []string
		want  string
	}{
		{"to open", false, []string{"open sesame\n"}, ""},
		{"to make", true, []string{"open sesame\n", "open sesame\n"}, ""},
		{"mistyped", true, []string{"open sesame\n", "open sesama\n"}, "the two passphrases differ"},
		{"empty", true, []string{"\n"}, "the passphrase is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			control, tty, err := pty.Open()
			must(t, err)
			defer control.Close()
			defer tty.Close()
			r := reader{t.Context(), process(t), c.twice, tty.Name()}
			type result struct {
				key *crypt.Key
				err error
			}
			done := make(chan result, 1)
			go func() {
				k, err := r.passphrase()
				done <- result{k, err}
			}()
			shown := ""
			for _, line := range c.typed {
				shown += readUntil(t, control, ": ")
				_, err := io.WriteString(control, line)
				must(t, err)
			}
			got := <-done
			if c.want == "" && (got.err != nil || got.key.String() != "a passphrase") || c.want != "" && (got.err == nil || !strings.Contains(got.err.Error(), c.want)) {
				t.Errorf("%v, %v", got.key, got.err)
			}
			if strings.Contains(shown, "sesam") {
				t.Errorf("the terminal shows %q", shown)
			}
		})
	}
}

// readUntil reads what a terminal shows, up to some text.
func readUntil(t *testing.T, from *os.File, text string) string {
	t.Helper()
	var seen bytes.Buffer
	b := make([]byte, 100)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		n, err := from.Read(b)
		must(t, err)
		if seen.Write(b[:n]); strings.Contains(seen.String(), text) {
			return seen.String()
		}
	}
	t.Fatalf("no %q in %q", text, seen.String())
	return ""
}
