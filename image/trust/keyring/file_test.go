package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
)

func add(t *testing.T, f File, keys ...*Key) Added {
	t.Helper()
	a, err := f.Add(t.Context(), keys...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func read(t *testing.T, f File) *Ring {
	t.Helper()
	r, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestFiles: keys come and go, in private files, and only what is public goes to
// the public ones.
func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new/keys")
	a, b := newTestKey(t, "a"), newTestKey(t, "b")
	for _, f := range []File{Public(dir), Secret(dir)} {
		if r := read(t, f); len(r.Keys()) != 0 || len(r.Problems()) != 0 {
			t.Errorf("%v in a file that is not there", r.Keys())
		}
		if got := add(t, f, a, b); len(got.New) != 2 {
			t.Errorf("%+v", got)
		}
		if got := add(t, f, b); len(got.Known) != 1 || len(got.New)+len(got.Updated) != 0 {
			t.Errorf("%+v", got)
		}
		r := read(t, f)
		if k := r.Find(a.Fingerprint()); k == nil || k.Secret() != f.Secret || len(r.Keys()) != 2 || len(r.Entities()) != 2 {
			t.Errorf("%s: %v of %d", f.Path, k, len(r.Keys()))
		}
		if err := f.Remove(t.Context(), a.Fingerprint()); err != nil {
			t.Error(err)
		}
		if err := f.Remove(t.Context(), a.Fingerprint()); !errors.Is(err, ErrNotFound) {
			t.Errorf("error %v", err)
		}
		// What is left is as it was; a secret key is still one.
		if k := read(t, f).Find(b.Fingerprint()); k == nil || k.Secret() != f.Secret {
			t.Errorf("%s: %v", f.Path, k)
		}
		if st, err := os.Stat(f.Path); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", st.Mode(), err)
		}
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
	public, err := a.Public()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Secret(dir).Add(t.Context(), public); err == nil {
		t.Error("a public key is kept as a secret one")
	}
}

func TestSiteFile(t *testing.T) {
	f := Site(t.TempDir())
	if err := os.Chmod(filepath.Dir(f.Path), 0o755); err != nil {
		t.Fatal(err)
	}
	add(t, f, newTestKey(t, "site"))
	if st, err := os.Stat(f.Path); err != nil || st.Mode().Perm() != 0o644 || filepath.Base(f.Path) != "global-pgp-public" {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if k := read(t, f).Keys(); len(k) != 1 || k[0].Secret() {
		t.Errorf("%v", k)
	}
}

// TestAtOnce: of many imports at a time none is lost.
func TestAtOnce(t *testing.T) {
	f := Public(t.TempDir())
	var all sync.WaitGroup
	for n := range 20 {
		k := newTestKey(t, fmt.Sprint(n))
		all.Go(func() {
			if _, err := f.Add(t.Context(), k); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(read(t, f).Keys()); n != 20 {
		t.Errorf("%d keys", n)
	}
}

// TestForeignHands: what others may have changed is no keyring, nor are secret
// keys that they may have read.
func TestForeignHands(t *testing.T) {
	mode := func(path string, mode os.FileMode) func(string) error {
		return func(dir string) error { return os.Chmod(filepath.Join(dir, path), mode) }
	}
	for _, c := range []struct {
		name, want string
		secret     bool
		do         func(dir string) error
	}{
		{"file of a group", "others may write there", false, mode(buildcfg.PublicRing, 0o620)},
		{"file of all", "others may write there", false, mode(buildcfg.PublicRing, 0o602)},
		{"directory of all", "others may write there", false, mode(".", 0o777)},
		{"readable secrets", "others may read the secret keys", true, mode(buildcfg.SecretRing, 0o640)},
		{"link", "symbolic link", false, func(dir string) error {
			path := filepath.Join(dir, buildcfg.PublicRing)
			return errors.Join(os.Rename(path, path+"2"), os.Symlink(path+"2", path))
		}},
		{"directory", "not a regular file", false, func(dir string) error {
			path := filepath.Join(dir, buildcfg.PublicRing)
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
		}},
		{"another user", "belongs to user 4242", false, func(dir string) error { return os.Chown(filepath.Join(dir, buildcfg.PublicRing), 4242, -1) }},
		{"another user's directory", "belongs to user 4242", false, func(dir string) error { return os.Chown(dir, 4242, -1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.HasPrefix(c.name, "another") && os.Geteuid() != 0 {
				t.Skip("giving a file away takes root; the same test as root does it")
			}
			dir := filepath.Join(t.TempDir(), "keys")
			f := Public(dir)
			if c.secret {
				f = Secret(dir)
			}
			k := newTestKey(t, "a")
			add(t, f, k)
			if err := c.do(dir); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(f.Path)
			_, err1 := f.Read()
			_, err2 := f.Add(t.Context(), newTestKey(t, "b"))
			for _, err := range []error{err1, err2, f.Remove(t.Context(), k.Fingerprint())} {
				if err == nil || !strings.Contains(err.Error(), c.want) || hint.Of(err) == "" {
					t.Errorf("error %v", err)
				}
			}
			if after, _ := os.ReadFile(f.Path); !bytes.Equal(before, after) {
				t.Error("the file changed")
			}
		})
	}
}

// TestTooLong: a file has a bound.
func TestTooLong(t *testing.T) {
	f := Public(filepath.Join(t.TempDir(), "keys"))
	add(t, f, newTestKey(t, "a"))
	if err := os.Truncate(f.Path, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(); err == nil || !strings.Contains(err.Error(), "more than") || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
}

// TestDamage: keys before a damaged place count, nothing is written over it, and
// a key of a kind that is not known stays where it is.
func TestDamage(t *testing.T) {
	f := Public(filepath.Join(t.TempDir(), "keys"))
	a, b := newTestKey(t, "a"), newTestKey(t, "b")
	add(t, f, a, b)
	whole, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Path, whole[:len(whole)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	r := read(t, f)
	if p := r.Problems(); len(p) != 1 || hint.Of(p[0]) == "" || r.Find(a.Fingerprint()) == nil || r.Find(b.Fingerprint()) != nil {
		t.Errorf("%v", p)
	}
	if _, err := f.Add(t.Context(), newTestKey(t, "c")); err == nil || !strings.Contains(err.Error(), "damaged after 1 keys") {
		t.Errorf("error %v", err)
	}

	unknown := packetBytes{tagPublicKey, []byte{5, 1, 2, 3, 4, 99}}.append(nil)
	if err := os.WriteFile(f.Path, append(unknown, whole...), 0o600); err != nil {
		t.Fatal(err)
	}
	add(t, f, newTestKey(t, "c"))
	text, err := os.ReadFile(f.Path)
	if err != nil || !bytes.HasPrefix(text, unknown) {
		t.Errorf("%v", err)
	}
	if r := read(t, f); len(r.Problems()) != 1 || len(r.Keys()) != 3 {
		t.Errorf("%v, %d keys", r.Problems(), len(r.Keys()))
	}
}

// TestUpdate: another copy of a key adds what is new, and cannot spoil it.
func TestUpdate(t *testing.T) {
	f := Public(filepath.Join(t.TempDir(), "keys"))
	k := newTestKey(t, "a")
	add(t, f, k)
	e, err := k.Entity()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.AddUserId("second", "", "second@h.example", nil); err != nil {
		t.Fatal(err)
	}
	if err := e.AddSigningSubkey(&packet.Config{Algorithm: packet.PubKeyAlgoEdDSA}); err != nil {
		t.Fatal(err)
	}
	more, err := serialized(e)
	if err != nil {
		t.Fatal(err)
	}
	if got := add(t, f, more); len(got.Updated) != 1 {
		t.Errorf("%+v", got)
	}
	if got := add(t, f, k); len(got.Known) != 1 {
		t.Errorf("an old copy: %+v", got)
	}
	if now := read(t, f).Find(k.Fingerprint()); len(now.Users()) != 2 || len(now.ids) != 3 || len(read(t, f).FindByID(now.ids[2])) != 1 {
		t.Errorf("%+v, %d keys", now.Users(), len(now.ids))
	}
	spoilt := newKeyMust(t, append(append([]packetBytes{}, k.packets...), packetBytes{tagPublicSubkey, k.packets[0].body}))
	before, _ := os.ReadFile(f.Path)
	if _, err := f.Add(t.Context(), spoilt); err == nil {
		t.Error("a wrong copy is taken")
	}
	if after, _ := os.ReadFile(f.Path); !bytes.Equal(before, after) {
		t.Error("the file changed")
	}
	if _, err := k.merged(newTestKey(t, "b")); err == nil {
		t.Error("two keys became one")
	}
}

func newKeyMust(t *testing.T, packets []packetBytes) *Key {
	t.Helper()
	k, err := newKey(packets)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestLostSecret: a key that lost its secret part cannot sign, and may come
// again.
func TestLostSecret(t *testing.T) {
	f := Secret(filepath.Join(t.TempDir(), "keys"))
	a, b := newTestKey(t, "a"), newTestKey(t, "b")
	add(t, f, a, b)
	public, err := a.Public()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Path, append(public.Bytes(), b.Bytes()...), 0o600); err != nil {
		t.Fatal(err)
	}
	r := read(t, f)
	if p := r.Problems(); len(p) != 1 || hint.Of(p[0]) == "" || len(r.Keys()) != 1 || r.Find(a.Fingerprint()) != nil || r.FindByID(a.ids[0]) != nil {
		t.Errorf("%v, %d keys", p, len(r.Keys()))
	}
	if got := add(t, f, a); len(got.New) != 1 {
		t.Errorf("%+v", got)
	}
	if r := read(t, f); len(r.Problems()) != 0 || len(r.Keys()) != 2 || !r.Find(a.Fingerprint()).Secret() {
		t.Errorf("%v, %d keys", r.Problems(), len(r.Keys()))
	}
}
