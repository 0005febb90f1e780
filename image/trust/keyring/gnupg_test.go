package keyring

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// gpg runs GnuPG with a home directory of its own.
type gpg struct {
	t    *testing.T
	home string
}

func newGPG(t *testing.T) gpg {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("gpg is missing: run e2e/setup.sh")
	}
	// The path of its agent's socket has to be short.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	// Not as slow as a key of a person should be.
	if err := os.WriteFile(filepath.Join(home, "gpg-agent.conf"), []byte("s2k-count 65536\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run(); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	return gpg{t, home}
}

func (g gpg) run(input string, args ...string) string {
	g.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", g.home, "--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", passphrase}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		g.t.Fatalf("gpg %v: %v\n%s", args, err, stderr.String())
	}
	return string(out)
}

// TestGnuPGImports: keys of Debian's gpg, of each kind, come in whole, and open.
func TestGnuPGImports(t *testing.T) {
	g := newGPG(t)
	for _, c := range []struct {
		kind, usage, algorithm string
		bits                   int
	}{
		{"rsa3072", "default", "RSA", 3072},
		{"ed25519", "default", "EdDSA", 256},
		{"nistp256", "default", "ECDSA", 256},
		{"nistp521", "sign", "ECDSA", 521},
	} {
		user := c.kind + "@h.example"
		g.run("", "--quick-generate-key", "Gpg "+c.kind+" (a comment) <"+user+">", c.kind, c.usage, "1y")
		for _, flags := range [][]string{{"--export"}, {"--armor", "--export"}, {"--armor", "--export-secret-keys"}} {
			keys, problems := Parse([]byte(g.run("", append(flags, user)...)))
			if len(keys) != 1 || problems != nil {
				t.Fatalf("%s %v: %d keys, %v", c.kind, flags, len(keys), problems)
			}
			k := keys[0]
			if k.Algorithm() != c.algorithm || k.Bits() != c.bits || k.State(time.Now()) != Valid || k.State(time.Now().AddDate(2, 0, 0)) != Expired ||
				k.Users()[0].Email != user || k.Users()[0].Comment != "a comment" {
				t.Errorf("%s: %s, %d bits, %s, %+v", c.kind, k.Algorithm(), k.Bits(), k.State(time.Now()), k.Users())
			}
			if !strings.Contains(g.run("", "--with-colons", "--list-keys", user), k.Fingerprint()) {
				t.Errorf("%s: gpg does not call it %s", c.kind, k.Fingerprint())
			}
			if !k.Secret() {
				continue
			}
			if err := k.Unlock(func(int) ([]byte, error) { return []byte(passphrase), nil }); err != nil {
				t.Errorf("%s: %v", c.kind, err)
			}
			signed(t, g, k)
		}
	}
}

// signed lets gpg verify a signature of a key of its own.
func signed(t *testing.T, g gpg, k *Key) {
	t.Helper()
	e, err := k.Entity()
	if err != nil {
		t.Fatal(err)
	}
	sig, text := filepath.Join(t.TempDir(), "sig"), filepath.Join(t.TempDir(), "text")
	var b bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&b, e, strings.NewReader("text"), nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(sig, b.Bytes(), 0o600), os.WriteFile(text, []byte("text"), 0o600)); err != nil {
		t.Fatal(err)
	}
	g.run("", "--trust-model", "always", "--verify", sig, text)
}

// TestGnuPGReads: gpg takes a key of ours, opens it and signs with it.
func TestGnuPGReads(t *testing.T) {
	g := newGPG(t)
	k := rsaKey(t)
	text, err := k.Armor()
	if err != nil {
		t.Fatal(err)
	}
	g.run(string(text), "--import")
	sig := g.run("text", "--armor", "--detach-sign", "--local-user", k.Fingerprint())
	public, err := k.Public()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openpgp.CheckArmoredDetachedSignature(NewRing(public), strings.NewReader("text"), strings.NewReader(sig), nil); err != nil {
		t.Error(err)
	}
	if _, err := openpgp.CheckArmoredDetachedSignature(NewRing(newTestKey(t, "x")), strings.NewReader("text"), strings.NewReader(sig), nil); err == nil {
		t.Error("a stranger's ring verifies it")
	}
}

// TestStates: what gpg says of a key is said here too.
func TestStates(t *testing.T) {
	g := newGPG(t)
	g.run("", "--quick-generate-key", "r <r@h.example>", "ed25519", "default", "never")
	good := []byte(g.run("", "--export", "r@h.example"))
	revocations, err := filepath.Glob(filepath.Join(g.home, "openpgp-revocs.d", "*.rev"))
	if err != nil || len(revocations) != 1 {
		t.Fatalf("%v, %v", revocations, err)
	}
	text, err := os.ReadFile(revocations[0])
	if err != nil {
		t.Fatal(err)
	}
	g.run(strings.Replace(string(text), ":-----BEGIN", "-----BEGIN", 1), "--import")
	keys, problems := Parse([]byte(g.run("", "--export", "r@h.example")))
	if problems != nil || keys[0].State(time.Now()) != Revoked {
		t.Fatalf("%v", problems)
	}
	revoked := keys[0]
	keys, _ = Parse(good)
	if keys[0].State(time.Now()) != Valid {
		t.Error(keys[0].State(time.Now()))
	}
	// Known once, it stays so, whichever comes second.
	for _, order := range [][]*Key{{keys[0], revoked}, {revoked, keys[0]}} {
		k, first := Rings{NewRing(newTestKey(t, "x")), NewRing(order[0]), NewRing(order[1])}.Find(revoked.Fingerprint())
		if k.State(time.Now()) != Revoked || first != 1 {
			t.Errorf("%s of %d", k.State(time.Now()), first)
		}
		if all := (Rings{NewRing(order[0]), NewRing(order[1])}).FindByID(revoked.ids[0]); len(all) != 1 || all[0].State(time.Now()) != Revoked {
			t.Errorf("%d keys", len(all))
		}
	}
	for name, want := range map[string]State{"dsa": Weak, "rsa1024": Weak, "ecdsa": Expired} {
		text, err := os.ReadFile("testdata/" + name + ".asc")
		if err != nil {
			t.Fatal(err)
		}
		keys, problems := Parse(text)
		if problems != nil || keys[0].State(time.Now()) != want {
			t.Errorf("%s: %v, %v", name, keys, problems)
		}
	}
}
