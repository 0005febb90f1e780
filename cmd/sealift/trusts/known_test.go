package trusts

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift/e2e/fixture/keyserver"
	"github.com/sealift/sealift/image/oci/registry"
	"github.com/sealift/sealift/image/trust/hkp"
)

// An image is pushed that every signer is known of, from a keyring or a key server.
func TestUnanimous(t *testing.T) {
	s := newSession(t)
	server := keyserver.New()
	defer server.Close()
	must(t, os.Mkdir(s.path(".apptainer"), 0o700))
	must(t, os.WriteFile(s.path(".apptainer/remote.yaml"), []byte("Active: R\nRemotes: {R: {URI: r.invalid, Keyservers: [{URI: '"+server.URL()+
		"', External: true}]}}\n"), 0o600))
	wants := func(text string) {
		t.Helper()
		f, img, err := openImage(s.image, os.O_RDONLY)
		must(t, err)
		defer f.Close()
		switch err := Unanimous(t.Context(), s.p, img); {
		case text == "" && err != nil:
			t.Errorf("it is not taken: %v", err)
		case text != "" && (err == nil || !strings.Contains(err.Error(), text)):
			t.Errorf("%v, want %q", err, text)
		}
		if s.out.Len() > 0 {
			t.Errorf("it prints %q", s.out.String())
		}
	}
	wants("object 1 (Def.FILE) of group 1 is not signed")
	ada, bob := s.pair("ada", "", time.Now()), s.pair("bob", "", time.Now())
	s.wants(0, "", signCommand, "-k", "0", s.image)
	s.know(ada)
	wants("")
	s.wants(0, "", signCommand, "-k", "1", s.image)
	wants("signature 6: the key " + bob.Fingerprint())
	public, err := bob.Public()
	must(t, err)
	_, err = hkp.New(registry.New(registry.Options{}), hkp.Server{URL: address(t, server.URL())}).Push(t.Context(), public)
	must(t, err)
	wants("")
	// A key of another kind is nobody's who is known.
	s.plain("eve")
	s.wants(0, "", signCommand, "--key", s.path("eve.key"), s.image)
	wants("signature 7: it is by a public key that was not given")
}

// A build that signs keeps the lock on the file that it makes.
func TestSignKeepsLock(t *testing.T) {
	s := newSession(t)
	s.plain("ada")
	_, sign, err := (&Flag{key: s.path("ada.key")}).Trust(t.Context(), s.p, true, false)
	must(t, err)
	f, err := os.OpenFile(s.image, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	must(t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	must(t, sign(t.Context(), f))
	other, err := os.Open(s.image)
	must(t, err)
	defer other.Close()
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Errorf("the lock is gone: %v", err)
	}
	s.wants(0, "", verifyCommand, "--key", s.path("ada.pub"), s.image)
}
