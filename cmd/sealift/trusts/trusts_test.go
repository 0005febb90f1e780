package trusts

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/e2e/fixture/keyserver"
	"github.com/sealift/sealift/image/oci/registry"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust"
	"github.com/sealift/sealift/image/trust/hkp"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/merkle"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// session is a user who types commands.
type session struct {
	*testing.T
	p        *ui.Process
	out, log bytes.Buffer
	dir      string
	image    string
}

func newSession(t *testing.T) *session {
	s := &session{T: t, dir: t.TempDir()}
	s.p = &ui.Process{Environ: []string{"HOME=" + s.dir}, Terminal: ui.Terminal{Out: &s.out, Err: &s.log}}
	s.image = filepath.Join(s.dir, "image.sif")
	f, err := os.Create(s.image)
	must(t, err)
	must(t, sif.Create(f, sif.Contents{Arch: "amd64", Deffile: []byte("Bootstrap: scratch\n"), Time: time.Now()}, func(w io.Writer) ([]byte, error) {
		_, err := w.Write(make([]byte, 4096))
		return make([]byte, 96), err
	}))
	must(t, f.Close())
	return s
}

// run runs a command with a standard input, and returns its exit code.
func (s *session) run(input string, command func(*ui.Process) *cobra.Command, args ...string) (int, error) {
	s.Helper()
	path := filepath.Join(s.TempDir(), "stdin")
	must(s, os.WriteFile(path, []byte(input), 0o600))
	f, err := os.Open(path)
	must(s, err)
	defer f.Close()
	s.p.Stdin = f
	s.out.Reset()
	s.log.Reset()
	c := command(s.p)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetOut(io.Discard)
	c.SetErr(&s.log)
	c.SetArgs(args)
	if err = c.ExecuteContext(context.Background()); err == nil {
		return 0, nil
	}
	return s.p.Fail(err), err
}

func (s *session) wants(code int, text string, command func(*ui.Process) *cobra.Command, args ...string) {
	s.Helper()
	got, err := s.run("", command, args...)
	if all := s.out.String() + s.log.String(); got != code || !strings.Contains(all, text) {
		s.Errorf("%q: exit %d (%v), want %d and %q:\n%s", args, got, err, code, text, all)
	}
	if err != nil && hint.Of(err) == "" {
		s.Errorf("%q: there is no remedy for %v", args, err)
	}
}

// pair makes an OpenPGP key, and adds it to the user's keyrings.
func (s *session) pair(name, passphrase string, now time.Time) *keyring.Key {
	s.Helper()
	k, err := keyring.New(keyring.User{Name: name, Email: name + "@example.org"}, 2048, []byte(passphrase), now)
	must(s, err)
	_, err = keyring.Secret(filepath.Join(s.dir, ".apptainer/keys")).Add(s.Context(), k)
	must(s, err)
	return k
}

func (s *session) know(k *keyring.Key) {
	s.Helper()
	_, err := keyring.Public(filepath.Join(s.dir, ".apptainer/keys")).Add(s.Context(), k)
	must(s, err)
}

// plain makes a key of the other kind, and a certificate of its own.
func (s *session) plain(name string) {
	s.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(s, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	must(s, err)
	open, err := x509.MarshalPKIXPublicKey(public)
	must(s, err)
	cert, err := x509.CreateCertificate(rand.Reader, s.template(name), s.template(name), public, private)
	must(s, err)
	for suffix, b := range map[string]*pem.Block{
		".key": {Type: "PRIVATE KEY", Bytes: secret}, ".pub": {Type: "PUBLIC KEY", Bytes: open}, ".crt": {Type: "CERTIFICATE", Bytes: cert},
	} {
		must(s, os.WriteFile(s.path(name+suffix), pem.EncodeToMemory(b), 0o600))
	}
}

func (s *session) template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
}

func (s *session) path(name string) string { return filepath.Join(s.dir, name) }

func TestOpenPGP(t *testing.T) {
	s := newSession(t)
	s.wants(3, "object 1 (Def.FILE) of group 1 is not signed", verifyCommand, "-l", s.image)
	s.wants(125, "there is no private key", signCommand, s.image)
	s.wants(125, "there is no private key number 0", signCommand, "-k", "0", s.image)
	ada := s.pair("ada", "secret", time.Now())
	if code, err := s.run("guess\nagain\nsecret\n", signCommand, s.image); code != 0 {
		t.Fatalf("signing: %v\n%s", err, s.log.String())
	}
	if text := s.log.String(); !strings.Contains(text, "the OpenPGP key "+ada.Fingerprint()+" of ada <ada@example.org>") || strings.Contains(text, "secret") {
		t.Errorf("it says %q", text)
	}
	s.wants(4, "[UNKNOWN] Signature 5: the key "+ada.Fingerprint(), verifyCommand, "-l", s.image)
	s.know(ada)
	s.wants(0, "[LOCAL]   Signing entity: ada <ada@example.org>\n[LOCAL]   Fingerprint: "+ada.Fingerprint()+
		"\nObjects verified:\nID  |GROUP   |LINK    |TYPE\n"+strings.Repeat("-", 48)+
		"\n1   |1       |NONE    |Def.FILE\n2   |1       |NONE    |FS\n3   |1       |2       |Generic/Raw\n4   |1       |2       |Generic/Raw\n", verifyCommand, s.image)
	s.wants(0, "verified in part only, without object 2 (FS)", verifyCommand, "-i", "1", s.image)
	s.wants(0, "", verifyCommand, "-g", "1", s.image)

	// The names of flags that others still use.
	s.wants(0, "without object 2 (FS)", verifyCommand, "--id", "1", s.image)
	s.wants(0, "2   |1       |NONE    |FS", verifyCommand, "--groupid", "1", s.image)
	s.wants(3, "old signatures", verifyCommand, "--legacy-insecure", s.image)
	s.wants(125, "ids count from 1", verifyCommand, "-i", "0", s.image)
	bob := s.pair("bob", "", time.Now())
	s.wants(0, bob.Fingerprint(), signCommand, "-a", "-k", "1", s.image)
	s.wants(0, "[UNKNOWN] Signature 6: the key "+bob.Fingerprint(), verifyCommand, "-l", s.image)
	s.wants(0, bob.Fingerprint(), signCommand, "--fingerprint", bob.Fingerprint(), s.image)
}

// A key from a server verifies, and is not trusted for that.
func TestKeyserver(t *testing.T) {
	s := newSession(t)
	ada := s.pair("ada", "", time.Now())
	s.wants(0, "", signCommand, s.image)
	server := keyserver.New()
	defer server.Close()
	s.wants(4, "warning: key "+ada.Fingerprint(), verifyCommand, "-u", server.URL(), s.image)
	public, err := ada.Public()
	must(t, err)
	_, err = hkp.New(registry.New(registry.Options{}), hkp.Server{URL: address(t, server.URL())}).Push(t.Context(), public)
	must(t, err)
	s.wants(0, "[REMOTE]  Signing entity: ada <ada@example.org>", verifyCommand, "-u", server.URL(), s.image)
	s.wants(0, "came from a key server", verifyCommand, "-u", server.URL(), s.image)
	s.wants(4, "[UNKNOWN]", verifyCommand, "-l", "-u", server.URL(), s.image)
	server.Seen()
	s.know(ada)
	s.wants(0, "[LOCAL]", verifyCommand, "-u", server.URL(), s.image)
	if seen := server.Seen(); len(seen) > 0 {
		t.Errorf("the server is asked for what is known: %q", seen)
	}
}

func TestPlain(t *testing.T) {
	s := newSession(t)
	s.plain("ada")
	s.plain("eve")
	s.wants(0, "signing with the key in", signCommand, "--key", s.path("ada.key"), s.image)
	s.wants(0, "[KEY]     Signing entity: "+s.path("ada.pub"), verifyCommand, "--key", s.path("ada.pub"), s.image)
	s.wants(4, "[UNKNOWN] Signature 5: it is by a public key that was not given", verifyCommand, "--key", s.path("eve.pub"), s.image)
	roots := []string{"--certificate-roots", s.path("ada.crt"), s.image}
	s.wants(0, "[KEY]     Signing entity: ada", verifyCommand, append([]string{"--certificate", s.path("ada.crt")}, roots...)...)
	s.wants(4, "certificate of eve", verifyCommand, append([]string{"--certificate", s.path("eve.crt")}, roots...)...)
	s.wants(4, "certificate of ada", verifyCommand, "--certificate", s.path("ada.crt"), s.image)
	s.wants(125, "there is no certificate to verify with", verifyCommand, roots...)
	s.wants(125, "no such file", verifyCommand, "--key", s.path("none"), s.image)
	s.p.Environ = append(s.p.Environ, "APPTAINER_VERIFY_KEY="+s.path("ada.pub"))
	s.wants(0, "verified signature(s) from image", verifyCommand, s.image)
}

func TestJSON(t *testing.T) {
	s := newSession(t)
	ada := s.pair("ada", "", time.Now())
	s.know(ada)
	s.wants(0, "", signCommand, s.image)
	read := func(code int) (r report) {
		t.Helper()
		s.wants(code, "", verifyCommand, "-l", "-j", s.image)
		must(t, json.Unmarshal(s.out.Bytes(), &r))
		return r
	}
	r := read(0)
	want := signer{"FS", "ada <ada@example.org>", strings.ToLower(ada.Fingerprint()), true, true, true}
	if r.Signatures != 1 || len(r.SignerKeys) != 4 || r.SignerKeys[1].Signer != want || r.Verdict != "verified" ||
		len(r.States) != 1 || r.States[0].State != trust.Good || r.States[0].Group != 1 || r.States[0].Signature != 5 {
		t.Errorf("report %+v", r)
	}
	b, err := os.ReadFile(s.image)
	must(t, err)
	b = bytes.Replace(b, []byte("Bootstrap"), []byte("bootstrap"), 1)
	must(t, os.WriteFile(s.image, b, 0o600))
	r = read(5)
	want.Partition, want.DataCheck = "Def.FILE", false
	if len(r.SignerKeys) != 1 || r.SignerKeys[0].Signer != want || r.States[0].State != trust.Tampered || r.Verdict == "verified" {
		t.Errorf("report %+v", r)
	}
}

// Every reason has its status, and every mark its word.
func TestCodes(t *testing.T) {
	for state, code := range map[trust.State]int{
		"": 3, trust.Unknown: 4, trust.Tampered: 5, trust.Expired: 6, trust.Revoked: 6, trust.Weak: 6,
	} {
		var x interface{ ExitCode() int }
		if err := coded(&trust.Failure{State: state}); !errors.As(err, &x) || x.ExitCode() != code {
			t.Errorf("%q has the code of %v", state, err)
		}
	}
	if err := coded(io.EOF); err != io.EOF {
		t.Errorf("error %v", err)
	}
	for _, state := range []trust.State{trust.Unknown, trust.Expired, trust.Revoked, trust.Weak, trust.Tampered, trust.Refused, trust.Legacy} {
		if mark(trust.Signature{State: state}) == "" {
			t.Errorf("%s has no mark", state)
		}
	}
	for ring, want := range map[int]string{localRing: "[LOCAL]", siteRing: "[GLOBAL]", remoteRing: "[REMOTE]"} {
		s := trust.Signature{State: trust.Good, Format: trust.PGP, Signers: []trust.Signer{{Ring: ring}}}
		if got := mark(s); got != want {
			t.Errorf("ring %d: %s", ring, got)
		}
	}
}

// What a key says of its owner cannot look like lines of ours.
func TestHostileName(t *testing.T) {
	text := asText(&trust.Report{Signatures: []trust.Signature{{
		State: trust.Good, Format: trust.PGP, Signers: []trust.Signer{{Name: "eve\n[LOCAL]   Signing entity: ada\x1b[2J", Fingerprint: "00"}},
	}}})
	if strings.Count(text, "\n") != 2 || strings.ContainsRune(text, 0x1b) {
		t.Errorf("it prints %q", text)
	}
}

func TestNoImage(t *testing.T) {
	s := newSession(t)
	s.plain("ada")
	must(t, os.WriteFile(s.path("short"), []byte("x"), 0o600))
	for _, command := range []func(*ui.Process) *cobra.Command{signCommand, verifyCommand} {
		key := map[bool]string{true: "ada.key", false: "ada.pub"}[command(s.p).Name() == "sign"]
		s.wants(125, "check the path", command, "--key", s.path(key), s.path("none"))
		s.wants(125, "a file of another kind", command, "--key", s.path(key), s.path("short"))
		s.wants(125, "1 operands", command)
	}
	s.wants(125, "it is a directory", verifyCommand, s.dir)
}

func address(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	must(t, err)
	return u
}

// An image that is signed has a hash tree, which more signatures leave as it is, and
// which has to be that of its file system.
func TestTree(t *testing.T) {
	s := newSession(t)
	s.plain("ada")
	s.plain("bob")
	load := func() *sif.Image {
		f, err := os.Open(s.image)
		must(t, err)
		t.Cleanup(func() { must(t, f.Close()) })
		st, err := f.Stat()
		must(t, err)
		img, err := sif.Open(f, st.Size())
		must(t, err)
		return img
	}
	if _, err := merkle.FromImage(load()); !errors.Is(err, merkle.ErrNoTree) {
		t.Fatal(err)
	}
	s.wants(0, "", signCommand, "--key", s.path("ada.key"), s.image)
	first, err := merkle.FromImage(load())
	must(t, err)
	s.wants(0, "", signCommand, "--key", s.path("bob.key"), s.image)
	second, err := merkle.FromImage(load())
	must(t, err)
	must(t, second.Check(t.Context(), 1))
	if first.Root != second.Root || len(load().Objects()) != 6 {
		t.Errorf("objects %v", load().Objects())
	}
	for _, name := range []string{"ada.pub", "bob.pub"} {
		s.wants(0, "verified signature(s)", verifyCommand, "--key", s.path(name), s.image)
	}

	b, err := os.ReadFile(s.image)
	must(t, err)
	b[second.Partition.Offset+2000] ^= 1
	must(t, os.WriteFile(s.image, b, 0o600))
	s.wants(125, "does not match the image's hash tree", signCommand, "--key", s.path("bob.key"), s.image)
	after, err := os.ReadFile(s.image)
	must(t, err)
	if !bytes.Equal(after, b) {
		t.Error("an image that was refused is changed")
	}
	s.wants(5, "", verifyCommand, "--key", s.path("ada.pub"), s.image)

	// Also where there is hardly room for the signature.
	f, err := os.OpenFile(s.image, os.O_RDWR, 0)
	must(t, err)
	for n := load().Free() - 1; n > 0; n-- {
		more := sif.NewObject{Type: sif.Generic, Name: "more", Group: 1, Data: strings.NewReader("x")}
		must(t, sif.Extend(t.Context(), f, time.Unix(1700000000, 0), more))
	}
	must(t, f.Close())
	s.wants(125, "does not match the image's hash tree", signCommand, "--key", s.path("bob.key"), s.image)
}
