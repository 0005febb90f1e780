package crypt

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/youmark/pkcs8"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/crypt/gocryptfs"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// secret is in the root file system of the tests.
const secret = "The marker of the plaintext.\n"

func rootfs() *tree.Node {
	root := tree.NewDir(0o755)
	root.Entries["marker"] = &tree.Node{Mode: tree.TypeRegular | 0o644, Content: tree.Bytes(secret)}
	noise := make([]byte, 700_000)
	_, _ = rand.Read(noise)
	root.Entries["noise"] = &tree.Node{Mode: tree.TypeRegular | 0o644, Content: tree.Bytes(noise)}
	return root
}

// seal writes an encrypted partition.
func seal(t testing.TB, k *Key) (part, message []byte, s *Sealed) {
	t.Helper()
	s, err := Seal(k)
	must(t, err)
	var out bytes.Buffer
	head, err := s.Write(&out, func(w io.Writer) ([]byte, error) {
		return writer.Write(context.Background(), w, writer.Options{}, writer.Whole(rootfs()))
	})
	must(t, err)
	if len(bytes.Trim(out.Bytes()[:len(head)], "\x00")) > 0 {
		t.Error("there is something in the place of the head")
	}
	copy(out.Bytes(), head)
	return out.Bytes(), s.Message(), s
}

func messages(m []byte) [][]byte {
	if m == nil {
		return nil
	}
	return [][]byte{m}
}

// marker opens a partition and reads the marker.
func marker(part, message []byte, k *Key) (string, error) {
	img, err := Open(bytes.NewReader(part), int64(len(part)), messages(message), k)
	if err != nil {
		return "", err
	}
	r, err := squashfs.Open(img, img.Size(), squashfs.Options{})
	if err != nil {
		return "", err
	}
	b, err := r.FS().ReadFile("marker")
	return string(b), err
}

func passphrase(t testing.TB, text string) *Key {
	t.Helper()
	k, err := Passphrase(text)
	must(t, err)
	return k
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	must(t, err)
	return k
}

func none() (string, error) { return "", errors.New("asked") }

func parse(t testing.TB, kind string, der []byte) *Key {
	t.Helper()
	k, err := ParsePEM(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), none)
	must(t, err)
	return k
}

func wantError(t *testing.T, err error, text, remedy string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(hint.Of(err), remedy) {
		t.Errorf("error %v, hint %q; want %q, %q", err, hint.Of(err), text, remedy)
	}
}

func TestPassphrase(t *testing.T) {
	part, message, s := seal(t, passphrase(t, "open sesame"))
	if message != nil {
		t.Errorf("a message %q", message)
	}
	if bytes.Contains(part, []byte("marker")) || bytes.Contains(part[4:], []byte("hsqs")) {
		t.Error("there is plaintext")
	}
	for _, k := range []*Key{passphrase(t, "open sesame"), s.Key()} {
		if got, err := marker(part, nil, k); err != nil || got != secret {
			t.Errorf("%q, %v", got, err)
		}
	}
	_, err := marker(part, nil, passphrase(t, "open sesam"))
	wantError(t, err, "wrong passphrase or key", "check the passphrase")
	if !errors.Is(err, gocryptfs.ErrPassword) {
		t.Errorf("%v", err)
	}
	private := &Key{private: rsaKey(t, 2048)}
	_, err = marker(part, nil, private)
	wantError(t, err, "with a passphrase, not for a key", "SEALIFT_ENCRYPTION_PASSPHRASE")
}

func TestKeys(t *testing.T) {
	own, other := rsaKey(t, 2048), rsaKey(t, 2048)
	private := parse(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(own))
	part, message, s := seal(t, parse(t, "RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&own.PublicKey)))
	for _, k := range []*Key{private, s.Key()} {
		if got, err := marker(part, message, k); err != nil || got != secret {
			t.Errorf("%q, %v", got, err)
		}
	}
	// Another person's message beside it does no harm.
	_, theirs, _ := seal(t, &Key{public: &other.PublicKey})
	if img, err := Open(bytes.NewReader(part), int64(len(part)), [][]byte{theirs, message}, private); err != nil || img.Size() < 700_000 {
		t.Errorf("%v", err)
	}
	for _, c := range []struct {
		message      []byte
		key          *Key
		text, remedy string
	}{
		{message, &Key{private: other, public: &other.PublicKey}, "for another key", "that belongs to the public key"},
		{message, &Key{private: rsaKey(t, 3072)}, "for another key", "that belongs to the public key"},
		{message, &Key{public: &own.PublicKey}, "a public key opens no image", "private key"},
		{message, passphrase(t, "x"), "for a key, not with a passphrase", "--pem-path"},
		{theirs, private, "for another key", ""},
		{[]byte("no PEM"), private, "no PEM block", "again"},
		{pem.EncodeToMemory(&pem.Block{Type: "MESSAGE", Bytes: []byte{4, 9, 1}}), private, "no octet string", "again"},
		{pem.EncodeToMemory(&pem.Block{Type: "MESSAGE", Bytes: []byte{4, 0}}), private, "for another key", ""},
	} {
		_, err := marker(part, c.message, c.key)
		wantError(t, err, c.text, c.remedy)
	}
}

// TestMessage wraps what takes several messages of a short key.
func TestMessage(t *testing.T) {
	private := rsaKey(t, 1024)
	for _, n := range []int{1, 62, 63, 200} {
		password := strings.Repeat("p", n)
		m, err := wrap(&private.PublicKey, password)
		must(t, err)
		if got, err := unwrap(private, m); err != nil || got != password {
			t.Errorf("%d: %q, %v", n, got, err)
		}
	}
}

// TestEveryByteOfOuter changes bytes of the tables, the configuration and the first
// blocks of a partition: what can still be read is what was written.
func TestEveryByteOfOuter(t *testing.T) {
	private := rsaKey(t, 2048)
	k := &Key{private: private, public: &private.PublicKey}
	part, message, s := seal(t, k)
	conf := bytes.Index(part, s.conf)
	var at []int
	for n := range 40 {
		at = append(at, n*5, conf+n*10, len(part)-4000+n*99)
	}
	refused := 0
	for _, n := range at {
		bad := bytes.Clone(part)
		bad[n] ^= 0x55
		got, err := marker(bad, message, k)
		if err == nil && got != secret {
			t.Errorf("byte %d: %q", n, got)
		}
		if err != nil {
			refused++
		}
	}
	if refused < len(at)/2 { // the rest is padding, and times and names that do not matter
		t.Errorf("%d of %d changes are refused", refused, len(at))
	}
	for _, n := range []int{0, 95, 5000, len(part) / 2, len(part) - 4096} {
		if _, err := marker(part[:n], message, k); err == nil {
			t.Errorf("cut to %d bytes it opens", n)
		}
	}
}

// outer writes a SquashFS image of the given files.
func outer(t *testing.T, files map[string]*tree.Node) []byte {
	t.Helper()
	root := tree.NewDir(0o755)
	root.Entries = files
	var out bytes.Buffer
	super, err := writer.Write(t.Context(), &out, writer.Options{}, writer.Whole(root))
	must(t, err)
	copy(out.Bytes(), super)
	return out.Bytes()
}

func TestOtherOuterImages(t *testing.T) {
	file := func(text string) *tree.Node {
		return &tree.Node{Mode: tree.TypeRegular | 0o644, Content: tree.Bytes(text)}
	}
	conf, _, err := gocryptfs.NewConfig([]byte("x"), true)
	must(t, err)
	for text, files := range map[string]map[string]*tree.Node{
		"lacks gocryptfs.conf":   {"squashfs-1": file("a")},
		"or the encrypted file":  {"gocryptfs.conf": file(string(conf))},
		"more files than one":    {"gocryptfs.conf": file(string(conf)), "a": file("a"), "b": file("b")},
		`"a\nb" is no file`:      {"gocryptfs.conf": file(string(conf)), "a\nb": tree.NewDir(0o755)},
		"gocryptfs.conf: ":       {"gocryptfs.conf": file("{"), "a": file("a")},
		"the limit is":           {"gocryptfs.conf": file(strings.Repeat(" ", 1<<20)), "a": file("a")},
		"encrypted file: it has": {"gocryptfs.conf": file(string(conf)), "a": file("a")},
		"version 25185":          {"gocryptfs.conf": file(string(conf)), "a": file(strings.Repeat("ba", 50))},
	} {
		part := outer(t, files)
		_, err := marker(part, nil, passphrase(t, "x"))
		wantError(t, err, text, "")
	}
	_, err = Open(strings.NewReader("no SquashFS"), 11, nil, passphrase(t, "x"))
	wantError(t, err, "squashfs", "")
}

func TestWriteFails(t *testing.T) {
	s, err := Seal(passphrase(t, "x"))
	must(t, err)
	boom := errors.New("boom")
	for room := range 3 {
		w := &limited{room: room * 500}
		if _, err := s.Write(w, func(w io.Writer) ([]byte, error) {
			_, err := w.Write(make([]byte, 5000))
			return nil, err
		}); err == nil {
			t.Errorf("a disk with room for %d bytes takes it", room*500)
		}
	}
	if _, err := s.Write(io.Discard, func(io.Writer) ([]byte, error) { return nil, boom }); !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
	if _, err := s.Write(io.Discard, func(io.Writer) ([]byte, error) { return nil, nil }); err == nil {
		t.Error("an empty plaintext")
	}
}

type limited struct{ room int }

func (l *limited) Write(p []byte) (int, error) {
	if l.room -= len(p); l.room < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// TestUnsquashfs has the reference program look at a partition.
func TestUnsquashfs(t *testing.T) {
	part, _, _ := seal(t, passphrase(t, "open sesame"))
	name := filepath.Join(t.TempDir(), "part")
	must(t, os.WriteFile(name, part, 0o600))
	out, err := exec.Command("unsquashfs", "-lln", name).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "gocryptfs.conf") || !strings.Contains(string(out), "squashfs-image") {
		t.Errorf("%v: %s", err, out)
	}
	out, err = exec.Command("unsquashfs", "-cat", name, "squashfs-image").Output()
	if err != nil || !bytes.Equal(out, part[96:][:len(out)]) || len(out) < 700_000 {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

func TestPassphraseRefused(t *testing.T) {
	for text, want := range map[string]string{
		"": "empty", "a\nb": "more than one line", "a\x00": "more than one line", strings.Repeat("x", 2049): "the limit is 2048",
	} {
		_, err := Passphrase(text)
		wantError(t, err, want, "")
	}
}

func TestParsePEM(t *testing.T) {
	key := rsaKey(t, 2048)
	pkcs8Bytes, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	pkix, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	must(t, err)
	sealed, err := pkcs8.MarshalPrivateKey(key, []byte("pw"), nil)
	must(t, err)
	//lint:ignore SA1019 Keys in this form are what is tested.
	old, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), []byte("pw"), x509.PEMCipherAES256)
	must(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	ec, err := x509.MarshalPKCS8PrivateKey(curve)
	must(t, err)
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	public := block("PUBLIC KEY", pkix)
	right := func() (string, error) { return "pw", nil }
	wrong := func() (string, error) { return "PW", nil }
	empty := func() (string, error) { return "", nil }
	for _, c := range []struct {
		name, text string
		ask        func() (string, error)
		want       string
	}{
		{"PKCS#1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), none, "a private key"},
		{"PKCS#8", block("PRIVATE KEY", pkcs8Bytes), none, "a private key"},
		{"encrypted PKCS#8", block("ENCRYPTED PRIVATE KEY", sealed), right, "a private key"},
		{"encrypted PKCS#1", string(pem.EncodeToMemory(old)), right, "a private key"},
		{"public PKCS#1", block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey)), none, "a public key"},
		{"PKIX", public, none, "a public key"},
		{"after a certificate", "text\n" + block("CERTIFICATE", []byte("x")) + public, none, "a public key"},
		{"wrong passphrase", block("ENCRYPTED PRIVATE KEY", sealed), wrong, "wrong passphrase of the key"},
		{"wrong old passphrase", string(pem.EncodeToMemory(old)), wrong, "wrong passphrase of the key"},
		{"no passphrase", block("ENCRYPTED PRIVATE KEY", sealed), empty, "wrong passphrase of the key"},
		{"cannot ask", block("ENCRYPTED PRIVATE KEY", sealed), none, "asked"},
		{"elliptic", block("PRIVATE KEY", ec), none, "no RSA key"},
		{"of SSH", block("OPENSSH PRIVATE KEY", []byte("x")), none, "no RSA key"},
		{"broken", block("PRIVATE KEY", []byte("x")), none, "asn1"},
		{"nothing", "text", none, "no RSA key"},
	} {
		k, err := ParsePEM([]byte(c.text), c.ask)
		switch {
		case err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: %v", c.name, err)
		case err == nil && (k.String() != c.want || !k.public.Equal(&key.PublicKey)):
			t.Errorf("%s: %v", c.name, k)
		case strings.Contains(c.want, "no RSA key") && !strings.Contains(hint.Of(err), "openssl"):
			t.Errorf("%s: hint %q", c.name, hint.Of(err))
		}
	}
	for _, k := range []*Key{passphrase(t, "open sesame"), {private: key, public: &key.PublicKey}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(verb, k); strings.Contains(got, "sesame") || len(got) > 20 {
				t.Errorf("%s shows %s", verb, got)
			}
		}
	}
}
