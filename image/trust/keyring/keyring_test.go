package keyring

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/sealift/sealift/buildcfg/hint"
)

// passphrase is that of every key here which has one.
const passphrase = "open sesame"

// made is a key that most tests share, as RSA keys take long.
var made = sync.OnceValues(func() (*Key, error) {
	return New(User{"Ann", "work", "ann@h.example"}, minRSA, []byte(passphrase), time.Now().Add(-time.Hour))
})

// newTestKey returns an unlocked copy of nobody's: a key of its own for each
// call that names a user.
func newTestKey(t *testing.T, name string) *Key {
	t.Helper()
	e, err := openpgp.NewEntity(name, "", name+"@h.example", &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return time.Now().Add(-time.Hour) },
	})
	if err != nil {
		t.Fatal(err)
	}
	k, err := serialized(e)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rsaKey(t *testing.T) *Key {
	t.Helper()
	k, err := made()
	if err != nil {
		t.Fatal(err)
	}
	return reread(t, k)
}

// reread returns the key as another process would have it.
func reread(t *testing.T, k *Key) *Key {
	t.Helper()
	keys, problems := Parse(k.Bytes())
	if len(keys) != 1 || problems != nil {
		t.Fatalf("%d keys, %v", len(keys), problems)
	}
	return keys[0]
}

// TestNew: a new key has what was asked for, and opens with its passphrase only.
func TestNew(t *testing.T) {
	k := rsaKey(t)
	if u := k.Users(); len(u) != 1 || u[0] != (User{"Ann", "work", "ann@h.example"}) {
		t.Errorf("%+v", u)
	}
	if k.Bits() != minRSA || k.Algorithm() != "RSA" || !k.Secret() || k.State(time.Now()) != Valid || !k.Expires().IsZero() {
		t.Errorf("%d bits, %s, secret %t, %s", k.Bits(), k.Algorithm(), k.Secret(), k.State(time.Now()))
	}
	if s := k.State(k.Created().Add(-time.Hour)); s != Future {
		t.Error(s)
	}
	if !k.Locked() {
		t.Fatal("it is open")
	}
	tries := 0
	err := k.Unlock(func(try int) ([]byte, error) {
		tries = try
		return []byte("wrong"), nil
	})
	if !errors.Is(err, ErrPassphrase) || tries != maxTries || !k.Locked() {
		t.Errorf("%v after %d tries", err, tries)
	}
	if err := k.Unlock(func(int) ([]byte, error) { return nil, os.ErrDeadlineExceeded }); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	if err := k.Unlock(func(int) ([]byte, error) { return []byte(passphrase), nil }); err != nil || k.Locked() {
		t.Error(err)
	}
	e, err := k.Entity()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := e.SigningKey(time.Now()); !ok {
		t.Error("it does not sign")
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		u    User
		bits int
		want string
	}{
		{User{Name: "a"}, 1024, "too short"},
		{User{Name: "a"}, 1 << 20, "too long"},
		{User{}, 2048, "needs the name"},
		{User{Name: "a <b"}, 2048, "invalid characters"},
	} {
		if _, err := New(c.u, c.bits, nil, time.Now()); err == nil || !strings.Contains(err.Error(), c.want) || hint.Of(err) == "" {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestRelocked: another passphrase takes the place of one; the key is the same.
func TestRelocked(t *testing.T) {
	k := rsaKey(t)
	if _, err := k.Relocked(nil); err == nil {
		t.Error("a locked key is opened")
	}
	if err := k.Unlock(func(int) ([]byte, error) { return []byte(passphrase), nil }); err != nil {
		t.Fatal(err)
	}
	for _, new := range []string{"", "another"} {
		other, err := k.Relocked([]byte(new))
		if err != nil {
			t.Fatal(err)
		}
		if k.Locked() {
			t.Error("the old one is locked")
		}
		other = reread(t, other)
		if other.Fingerprint() != k.Fingerprint() || other.Locked() != (new != "") {
			t.Errorf("%s, locked %t", other.Fingerprint(), other.Locked())
		}
		if err := other.Unlock(func(int) ([]byte, error) { return []byte(new), nil }); err != nil {
			t.Error(err)
		}
	}
}

// TestPublic: nothing secret is left.
func TestPublic(t *testing.T) {
	k := newTestKey(t, "bob")
	public, err := k.Public()
	if err != nil {
		t.Fatal(err)
	}
	public = reread(t, public)
	if public.Secret() || public.Locked() || public.Fingerprint() != k.Fingerprint() || public.State(time.Now()) != Valid {
		t.Errorf("secret %t, %s", public.Secret(), public.State(time.Now()))
	}
	for _, p := range public.packets {
		if p.tag == tagSecretKey || p.tag == tagSecretSubkey {
			t.Errorf("a packet of type %d", p.tag)
		}
	}
	if err := public.Unlock(nil); err == nil || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
	if again, err := public.Public(); err != nil || again != public {
		t.Errorf("%v, %v", again, err)
	}
}

func TestParseFingerprint(t *testing.T) {
	const want = "0123456789ABCDEF0123456789ABCDEF01234567"
	for _, text := range []string{want, strings.ToLower(want), "0x" + want, "0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567"} {
		if got, err := ParseFingerprint(text); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", want[:16], want + "0", strings.Replace(want, "0", "g", 1)} {
		if got, err := ParseFingerprint(text); err == nil || hint.Of(err) == "" {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}

// TestArmor: text and bytes are the same key, and several texts in a file are
// all read.
func TestArmor(t *testing.T) {
	a, b := newTestKey(t, "a"), newTestKey(t, "b")
	text := []byte("a note\n\n")
	for _, k := range []*Key{a, b} {
		one, err := k.Armor()
		if err != nil || !bytes.HasPrefix(one, []byte("-----BEGIN PGP PRIVATE KEY BLOCK-----\n")) {
			t.Fatalf("%.50q, %v", one, err)
		}
		text = append(text, one...)
	}
	keys, problems := Parse(text)
	if problems != nil || len(keys) != 2 || !bytes.Equal(keys[0].Bytes(), a.Bytes()) || keys[1].Fingerprint() != b.Fingerprint() {
		t.Errorf("%d keys, %v", len(keys), problems)
	}
}

func TestParseErrors(t *testing.T) {
	k := newTestKey(t, "a")
	whole := k.Bytes()
	bad := bytes.Clone(whole)
	bad[len(bad)-20] ^= 1 // in the last signature
	armored, err := k.Armor()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text []byte
		keys int
		want string
	}{
		{nil, 0, "no key in it"},
		{[]byte("<html>no</html>"), 0, "no key in it"},
		{append(bytes.Clone(whole), whole[:30]...), 1, "damaged after"},
		{whole[:len(whole)-1], 0, "damaged after 0 keys"},
		{bad, 0, "signature"},
		{k.packets[1].append(nil), 0, "starts with a packet of type 13"},
		{bytes.ReplaceAll(armored, []byte("PRIVATE KEY BLOCK"), []byte("MESSAGE")), 0, `"PGP MESSAGE"`},
		{packetBytes{tagPublicKey, []byte{6, 0, 0, 0, 0, 1}}.append(nil), 0, "key: "},
	} {
		keys, problems := Parse(c.text)
		if err := errors.Join(problems...); len(keys) != c.keys || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: %d keys, %v", c.text, len(keys), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"testdata/dsa.asc", "testdata/ecdsa.asc"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, problems := Parse(text)
		if len(keys)+len(problems) == 0 {
			t.Error("nothing")
		}
		for _, k := range keys {
			k.State(time.Now())
			if again := reread(t, k); again.Fingerprint() != k.Fingerprint() {
				t.Error("another key")
			}
		}
	})
}

// TestOwn: what others say of a key goes, what it says itself stays.
func TestOwn(t *testing.T) {
	a, b := newTestKey(t, "a"), newTestKey(t, "b")
	ea, err1 := a.Entity()
	eb, err2 := b.Entity()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for name := range ea.Identities {
		if err := ea.SignIdentity(name, eb, nil); err != nil {
			t.Fatal(err)
		}
	}
	both, err := serialized(ea)
	if err != nil {
		t.Fatal(err)
	}
	if len(both.packets) != len(a.packets)+1 {
		t.Fatalf("%d packets", len(both.packets))
	}
	// A user that nobody vouches for.
	both, err = newKey(append(both.packets, packetBytes{tagUser, []byte("Mallory")}))
	if err != nil {
		t.Fatal(err)
	}
	own, err := both.Own()
	if err != nil || !bytes.Equal(own.Bytes(), a.Bytes()) {
		t.Errorf("%d packets, %v", len(own.packets), err)
	}
}
