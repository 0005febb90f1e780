package trust

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/sealift/sealift/image/trust/keyring"
)

// TestSubkeysT51 signs by a subkey of a known key, which that lets sign or does not.
func TestSubkeysT51(t *testing.T) {
	for name, add := range map[string]func(*openpgp.Entity) error{
		"for signing": func(e *openpgp.Entity) error {
			return e.AddSigningSubkey(&packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
		},
		"for encrypting": func(e *openpgp.Entity) error {
			return e.AddEncryptionSubkey(&packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048})
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := openpgp.NewEntity("Alice", "", "alice@example.org", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
			must(t, err)
			must(t, add(e))
			k := keyOf(t, e)
			f := signedBySubkey(t, e, k)
			r := verify(t, f, Options{Keys: ring(t, k)})
			if name == "for signing" {
				must(t, r.Verdict())
			} else if r.Verdict() == nil || r.Signatures[0].State == Good {
				t.Errorf("verdict %v of %s", r.Verdict(), states(r))
			}
		})
	}
}

// signedBySubkey makes an image that is signed by the last subkey of a key.
func signedBySubkey(t *testing.T, e *openpgp.Entity, k *keyring.Key) *os.File {
	t.Helper()
	f := typical(t)
	unsigned := bytesOf(t, f)
	sign(t, f, k, SignOptions{})
	payload, _ := content(t, f)
	var b strings.Builder
	w, err := clearsign.Encode(&b, e.Subkeys[len(e.Subkeys)-1].PrivateKey, nil)
	must(t, err)
	_, err = w.Write([]byte(payload))
	must(t, err)
	must(t, w.Close())
	f = fileOf(t, unsigned)
	addSignature(t, f, k, b.String())
	return f
}

// TestFutureT51: what is signed after now counts for nothing, whether the key is of today or
// not.
func TestFutureT51(t *testing.T) {
	later := time.Now().Add(48 * time.Hour)
	k := newKey(t, "Early", packet.Config{Time: func() time.Time { return later }})
	f := typical(t)
	unsigned := bytesOf(t, f)
	must(t, Sign(t.Context(), f, SignOptions{Key: k, Now: later.Add(time.Minute)}))
	wantFailure(t, verify(t, f, Options{Keys: ring(t, k)}), Expired, "")
	old := newKey(t, "Alice", packet.Config{})
	f = fileOf(t, unsigned)
	sign(t, f, old, SignOptions{})
	payload, _ := content(t, f)
	f = fileOf(t, unsigned)
	addSignature(t, f, old, clear(t, old, payload, &packet.Config{Time: func() time.Time { return later }}))
	wantFailure(t, verify(t, f, Options{Keys: ring(t, old)}), Expired, "")
}

// TestLifetime: a signature ends when it says itself, by the time that is asked about.
func TestLifetime(t *testing.T) {
	k := newKey(t, "Alice", packet.Config{})
	f := typical(t)
	unsigned := bytesOf(t, f)
	sign(t, f, k, SignOptions{})
	payload, _ := content(t, f)
	f = fileOf(t, unsigned)
	addSignature(t, f, k, clear(t, k, payload, &packet.Config{SigLifetimeSecs: 3600}))
	for after, want := range map[time.Duration]State{0: Good, 50 * time.Minute: Good, 2 * time.Hour: Expired} {
		r := verify(t, f, Options{Keys: ring(t, k), Now: time.Now().Add(after)})
		if got := r.Signatures[0].State; got != want {
			t.Errorf("after %v: %s (%v), want %s", after, got, r.Signatures[0].Err, want)
		}
	}
}

// TestSubkeyLifetime: a signature by a subkey ends with that, by the time that is asked about.
func TestSubkeyLifetime(t *testing.T) {
	e, err := openpgp.NewEntity("Alice", "", "alice@example.org", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
	must(t, err)
	must(t, e.AddSigningSubkey(&packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: 3600}))
	k := keyOf(t, e)
	f := signedBySubkey(t, e, k)
	for after, want := range map[time.Duration]State{0: Good, 50 * time.Minute: Good, 2 * time.Hour: Expired} {
		r := verify(t, f, Options{Keys: ring(t, k), Now: time.Now().Add(after)})
		if got := r.Signatures[0].State; got != want {
			t.Errorf("after %v: %s (%v), want %s", after, got, r.Signatures[0].Err, want)
		}
	}
}
