package trust

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"

	"github.com/sealift/sealift/e2e/bounded"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/pem"
)

// signedImage is an image of the library's with one signature.
type signedImage struct {
	bytes []byte
	text  []byte // the signature
	says  []byte // what it signs
	at    int    // where its descriptor is
}

func newSignedImage(t testing.TB, name string) *signedImage {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(moduleDir(t), "images", name))
	must(t, err)
	img, err := sif.Open(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	s := &signedImage{bytes: b}
	for i, o := range img.Objects() {
		if o.Type == sif.Signature {
			s.at = int(binary.LittleEndian.Uint64(b[96:])) + i*585
			s.text, err = img.Read(o, maxSignature)
			must(t, err)
		}
	}
	m, err := parse(s.text)
	must(t, err)
	s.says = m.text
	return s
}

// with is the image with another signature, at its end.
func (s *signedImage) with(text []byte) []byte {
	b := append(bytes.Clone(s.bytes), text...)
	for at, n := range map[int]int{17: len(s.bytes), 25: len(text), 33: len(text)} {
		binary.LittleEndian.PutUint64(b[s.at+at:], uint64(n))
	}
	return b
}

// read is what other readers find in a signature.
func read(text []byte) []byte {
	var e struct{ Payload string }
	if json.Unmarshal(text, &e) == nil {
		b, err := base64.StdEncoding.DecodeString(e.Payload)
		if err == nil {
			return b
		}
	}
	if block, _ := clearsign.Decode(text); block != nil {
		return block.Plaintext
	}
	return nil
}

// FuzzSigned (F13): whatever is in the place of the signature of an image, in
// clear text or in an envelope, what is taken for signed are the bytes that the
// keys did sign, and nobody else reads others in it.
func FuzzSigned(f *testing.F) {
	pgp, dsse := newSignedImage(f, "one-group-signed-pgp.sif"), newSignedImage(f, "one-group-signed-dsse.sif")
	private, err := os.ReadFile(filepath.Join(moduleDir(f), "keys", "private.asc"))
	must(f, err)
	keys, problems := keyring.Parse(private)
	must(f, errors.Join(problems...))
	public, err := os.ReadFile(filepath.Join(moduleDir(f), "keys", "ed25519-public.pem"))
	must(f, err)
	plain, err := pem.ParsePublic("ed25519", public)
	must(f, err)
	known := Options{Keys: ring(f, keys...), Plain: []*pem.PublicKey{plain}}
	for _, s := range []*signedImage{pgp, dsse} {
		for _, how := range []func([]byte) []byte{
			func(b []byte) []byte { return b },
			func(b []byte) []byte { return append([]byte("before\n"), b...) },
			func(b []byte) []byte { return append(bytes.Clone(b), "\nafter"...) },
			func(b []byte) []byte { return append(append(bytes.Clone(b), '\n'), b...) },
			func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) },
			func(b []byte) []byte { return bytes.Replace(b, []byte("SHA256\n"), []byte("SHA1\n"), 1) },
			func(b []byte) []byte { return bytes.Replace(b, []byte("\n\n{"), []byte("\nHash: SHA512\n\n- {"), 1) },
			func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"payload":`), []byte(`"payload":"e30=","Payload":`), 1)
			},
			func(b []byte) []byte { return bytes.Replace(b, []byte(`"sig":"`), []byte(`"sig":"AAAA`), 1) },
		} {
			f.Add(how(s.text))
		}
		r, err := verifyBytes(s.with(s.text), known)
		must(f, err)
		must(f, r.Verdict())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, s := range []*signedImage{pgp, dsse} {
			bounded.Do(t, func() {
				r, err := verifyBytes(s.with(text), known)
				if err != nil || r.Verdict() != nil {
					return
				}
				if got := r.Signatures[0].Text; !bytes.Equal(got, pgp.says) && !bytes.Equal(got, dsse.says) {
					t.Errorf("%q is taken for signed", got)
				} else if other := bytes.TrimSuffix(read(text), []byte("\n")); !bytes.Equal(other, got) {
					t.Errorf("others read %q, not %q", other, got)
				}
			})
		}
	})
}
