package trust

import (
	"errors"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	library "github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
)

// wantDissent wants an image that is verified, but not by every signature.
func wantDissent(t testing.TB, r *Report, state State, text string) {
	t.Helper()
	must(t, r.Verdict())
	err := r.Unanimous()
	var f *Failure
	if !errors.As(err, &f) || f.State != state || !strings.Contains(err.Error(), text) || hint.Of(err) == "" {
		t.Errorf("%v, hint %q; want %q: %q", err, hint.Of(err), state, text)
	}
}

// Apptainer verifies every signature of each group, over all of it.
func TestUnanimous(t *testing.T) {
	ada, bob := newKey(t, "Ada", packet.Config{}), newKey(t, "Bob", packet.Config{})
	f := newImage(t, object{library.DataDeffile, "Bootstrap: scratch\n", 1, nil}, primary(1))
	if err := verify(t, f, Options{Keys: ring(t, ada)}).Unanimous(); err == nil || !strings.Contains(err.Error(), "is not signed") {
		t.Errorf("unsigned: %v", err)
	}
	sign(t, f, ada, SignOptions{})
	must(t, verify(t, f, Options{Keys: ring(t, ada)}).Unanimous())
	sign(t, f, bob, SignOptions{})
	must(t, verify(t, f, Options{Keys: ring(t, ada, bob)}).Unanimous())
	wantDissent(t, verify(t, f, Options{Keys: ring(t, ada)}), Unknown, "signature 4: the key "+bob.Fingerprint())

	f = typical(t)
	sign(t, f, ada, SignOptions{})
	sign(t, f, ada, SignOptions{Objects: []uint32{2}})
	wantDissent(t, verify(t, f, Options{Keys: ring(t, ada)}), "", "signature 4 is about a part of group 1")

	// A signature of the old form is none to those who do not ask for it.
	f = typical(t)
	sign(t, f, ada, SignOptions{})
	r := verify(t, f, Options{Keys: ring(t, ada)})
	r.Signatures = append(r.Signatures, Signature{State: Legacy, Legacy: true})
	must(t, r.Unanimous())
	b := bytesOf(t, f)
	b[len(b)-1] ^= 1
	if r, err := verifyBytes(b, Options{Keys: ring(t, ada)}); err == nil && r.Unanimous() == nil {
		t.Error("a signature that was changed is one")
	}
}
