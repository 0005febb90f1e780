package trust

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	library "github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/keyring"
)

// change changes a signed image as somebody without the key may.
func change(t testing.TB, f *os.File, how func(*library.FileImage) error) {
	t.Helper()
	c, err := library.LoadContainerFromPath(f.Name())
	must(t, err)
	must(t, how(c))
	must(t, c.UnloadContainer())
}

func TestChangedImages(t *testing.T) {
	k := newKey(t, "Alice", packet.Config{})
	add := func(o object) func(*library.FileImage) error {
		return func(c *library.FileImage) error { return c.AddObject(input(t, o)) }
	}
	for _, c := range []struct {
		name   string
		change func(*library.FileImage) error
		state  State
		text   string
	}{
		{"stripped", func(c *library.FileImage) error { return c.DeleteObject(3) }, "", "object 1 (Def.FILE) of group 1 is not signed"},
		{"added to the group", add(object{library.DataGeneric, "x", 1, nil}), "", "not signed"},
		{"added in a new group", add(object{library.DataGeneric, "x", 2, nil}), "", "object 4 (Generic/Raw) of group 2 is not signed"},
		{"added without a group", add(object{library.DataGeneric, "x", 0, nil}), "", "object 4 (Generic/Raw) is in no group"},
		{"overlay without a group", add(object{library.DataPartition, "x", 0, []library.DescriptorInputOpt{
			library.OptPartitionMetadata(library.FsExt3, library.PartOverlay, "amd64"),
		}}), "", "object 4 (FS) is in no group"},
		{"removed", func(c *library.FileImage) error { return c.DeleteObject(2) }, Tampered, "is not what is there"},
		{"first removed", func(c *library.FileImage) error { return c.DeleteObject(1) }, Tampered, ""},
		{"another primary", func(c *library.FileImage) error {
			if err := c.AddObject(input(t, object{library.DataPartition, "evil", 2, []library.DescriptorInputOpt{
				library.OptPartitionMetadata(library.FsSquash, library.PartSystem, "amd64"),
			}})); err != nil {
				return err
			}
			return c.SetPrimPart(4)
		}, Tampered, "the descriptor of object 2 (FS)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := typical(t)
			sign(t, f, k, SignOptions{})
			change(t, f, c.change)
			wantFailure(t, verify(t, f, Options{Keys: ring(t, k)}), c.state, c.text)
		})
	}

	t.Run("primary of an unsigned group", func(t *testing.T) {
		f := newImage(t, object{library.DataDeffile, "Bootstrap: scratch\n", 1, nil}, primary(2))
		sign(t, f, k, SignOptions{Groups: []uint32{1}})
		wantFailure(t, verify(t, f, Options{Keys: ring(t, k)}), "", "object 2 (FS) of group 2 is not signed")
		r := verify(t, f, Options{Keys: ring(t, k), Groups: []uint32{1}})
		must(t, r.Verdict())
		if len(r.Others) != 1 || len(r.Covering(r.Others[0])) != 0 {
			t.Errorf("the report hides that the partition is not covered: %+v", r)
		}
	})
	t.Run("signature of another image", func(t *testing.T) {
		f, other := typical(t), typical(t) // of another UUID
		sign(t, other, k, SignOptions{})
		text, err := os.ReadFile(other.Name())
		must(t, err)
		img, err := sif.Open(bytes.NewReader(text), int64(len(text)))
		must(t, err)
		sig, err := img.Read(img.Objects()[2], maxSignature)
		must(t, err)
		addSignature(t, f, k, string(sig))
		wantFailure(t, verify(t, f, Options{Keys: ring(t, k)}), Tampered, "the header is not as it was signed")
	})
	t.Run("empty", func(t *testing.T) {
		wantFailure(t, verify(t, newImage(t), Options{}), "", "holds nothing that could be signed")
	})
	t.Run("many signatures", func(t *testing.T) {
		var objects []object
		for range 300 {
			objects = append(objects, object{library.DataSignature, "x", 0, []library.DescriptorInputOpt{library.OptLinkedGroupID(1)}})
		}
		var inputs []library.DescriptorInput
		for _, o := range append(objects, primary(1)) {
			inputs = append(inputs, input(t, o))
		}
		var b library.Buffer
		_, err := library.CreateContainer(&b, library.OptCreateWithDescriptors(inputs...), library.OptCreateWithDescriptorCapacity(301))
		must(t, err)
		if _, err := verifyBytes(b.Bytes(), Options{}); err == nil || !strings.Contains(err.Error(), "300 signatures; the limit is 256") {
			t.Errorf("error %v", err)
		}
	})
}

// addSignature adds a text as a signature over group 1.
func addSignature(t testing.TB, f *os.File, k *keyring.Key, text string) {
	t.Helper()
	e, err := k.Entity()
	must(t, err)
	change(t, f, func(c *library.FileImage) error {
		in, err := library.NewDescriptorInput(library.DataSignature, strings.NewReader(text), library.OptNoGroup(),
			library.OptLinkedGroupID(1), library.OptSignatureMetadata(5, e.PrimaryKey.Fingerprint)) // crypto.SHA256
		if err != nil {
			return err
		}
		return c.AddObject(in)
	})
}

// clear signs a text.
func clear(t testing.TB, k *keyring.Key, text string, c *packet.Config) string {
	t.Helper()
	e, err := k.Entity()
	must(t, err)
	var b strings.Builder
	w, err := clearsign.Encode(&b, e.PrivateKey, c)
	must(t, err)
	_, err = w.Write([]byte(text))
	must(t, err)
	must(t, w.Close())
	return b.String()
}

// repacked changes the signature packet of a message.
func repacked(t testing.TB, text string, how func([]byte) []byte) string {
	t.Helper()
	before, armor, _ := strings.Cut(text, beginArmor+"\n")
	body := armor[:strings.Index(armor, endArmor)]
	b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(body, "\n", ""))
	must(t, err)
	return before + beginArmor + "\n" + base64.StdEncoding.EncodeToString(how(b)) + endArmor
}

// loose sets a bit in base64 that decodes to nothing.
func loose(text string) string {
	i := strings.Index(text, "=\n-----END")
	if text[i-1] == '=' {
		i--
	}
	c := text[i-1]
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	next := alphabet[strings.IndexByte(alphabet, c)^1]
	return text[:i-1] + string(next) + text[i:]
}

// content returns what the signature of an image signs, and its text.
func content(t testing.TB, f *os.File) (payload, text string) {
	t.Helper()
	b := bytesOf(t, f)
	img, err := sif.Open(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	s, err := img.Read(img.Objects()[2], maxSignature)
	must(t, err)
	_, rest, _ := strings.Cut(string(s), "\n\n")
	payload, _, _ = strings.Cut(rest, beginArmor)
	return payload, string(s)
}

// What the key of a signer signs may still be nothing to go by.
func TestForms(t *testing.T) {
	k := newKey(t, "Alice", packet.Config{})
	unsigned := bytesOf(t, typical(t))
	signed := fileOf(t, unsigned)
	sign(t, signed, k, SignOptions{})
	good, text := content(t, signed)
	md5 := strings.Replace(good, "sha256:", "md5:", 1)
	for _, c := range []struct{ name, text, err string }{
		{"as it is", text, ""},
		{"signed once more", clear(t, k, good, nil), ""},
		{"text before", "Trust me.\n\n" + text, "neither an OpenPGP message"},
		{"text after", text + "\nTrust me.\n", "text after the signature"},
		{"two messages", text + "\n" + text, "text after the signature"},
		{"two signatures", strings.Replace(text, "\n-----END", "\n-----END PGP SIGNATURE-----\n-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END", 1), "after the signature"},
		{"signature in the text", strings.Replace(text, good, good+"\n- -----BEGIN PGP SIGNATURE-----", 1), "after top-level value"},
		{"hash of 224 bits", strings.Replace(text, "Hash: SHA256", "Hash: SHA224", 1), "SHA-2 family"},
		{"two hashes", strings.Replace(text, "Hash: SHA256", "Hash: SHA256,SHA1", 1), "SHA-2 family"},
		{"no hash", strings.Replace(text, "Hash: SHA256\n", "", 1), "SHA-2 family"},
		{"another header", strings.Replace(text, "Hash: SHA256", "Hash: SHA256\nComment: x", 1), "SHA-2 family"},
		{"line ends", strings.ReplaceAll(text, "\n", "\r\n"), "neither an OpenPGP message"},
		{"space", strings.Replace(text, good, good+" ", 1), "not in the one form"},
		{"line", strings.Replace(text, good, good+"\n", 1), "not in the one form"},
		{"key twice", clear(t, k, strings.Replace(good, `"version":1`, `"version":1,"version":1`, 1), nil), "not in the one form"},
		{"key in capitals", clear(t, k, strings.Replace(good, `"version":1`, `"Version":1`, 1), nil), "not in the one form"},
		{"unknown key", clear(t, k, strings.Replace(good, `"version":1`, `"version":1,"more":{}`, 1), nil), "not in the one form"},
		{"spaces", clear(t, k, strings.Replace(good, `,`, `, `, 1), nil), "not in the one form"},
		{"version 2", clear(t, k, strings.Replace(good, `"version":1`, `"version":2`, 1), nil), "has version 2"},
		{"no JSON", clear(t, k, "I sign this.", nil), "what is signed: invalid character"},
		{"no objects", clear(t, k, good[:strings.Index(good, `,"objects"`)]+`,"objects":[]}`, nil), "no object is signed"},
		{"object twice", clear(t, k, strings.Replace(good, `"relativeId":1`, `"relativeId":0`, 1), nil), "twice, or not in order"},
		{"MD5", clear(t, k, md5, nil), `the hash "md5" is not taken`},
		{"SHA-1", clear(t, k, strings.Replace(good, "sha256:", "sha1:", 1), nil), `the hash "sha1" is not taken`},
		{"SHA-224", clear(t, k, strings.Replace(good, "sha256:", "sha224:", 1), nil), `the hash "sha224" is not taken`},
		{"short digest", clear(t, k, strings.Replace(good, `"}`, `00"}`, 1), nil), "is no digest"},
		{"legacy, no digest", clear(t, k, "SIFHASH:\nxyz", nil), "digest"},
		{"hash of 224 bits, in truth", repacked(t, text, func(p []byte) []byte { p[2+3] = 11; return p }), "number 11"},
		{"two packets", repacked(t, text, func(p []byte) []byte { return append(p, p...) }), "something else than one signature"},
		{"no armor", text[:strings.Index(text, beginArmor)+len(beginArmor)] + "\nAAAA" + endArmor, "something else than one signature"},
		{"bits behind the end", loose(text), "illegal base64"},
		{"garbage", "garbage", "neither an OpenPGP message"},
		{"empty", "", "neither an OpenPGP message"},
		{"no signature", "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{}\n", "the signature is missing"},
		{"no content", "-----BEGIN PGP SIGNED MESSAGE-----\n", "SHA-2 family"},
		{"no envelope", "{}", "not in the one form"},
		{"empty envelope", `{"payloadType":"","payload":"","signatures":null}`, `payload is of type ""`},
		{"envelope without payload", `{"payloadType":"` + payloadType + `","payload":"","signatures":[]}`, "what is signed"},
		{"envelope, key twice", `{"payloadType":"x","payloadType":"` + payloadType + `","payload":"","signatures":[]}`, "not in the one form"},
		{"envelope, bad base64", `{"payloadType":"` + payloadType + `","payload":"AB==","signatures":[]}`, "illegal base64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := fileOf(t, unsigned)
			addSignature(t, f, k, c.text)
			r := verify(t, f, Options{Keys: ring(t, k)})
			if c.err == "" {
				must(t, r.Verdict())
				return
			}
			if len(r.Signatures) != 1 || r.Signatures[0].State != Refused || !strings.Contains(fmt.Sprint(r.Signatures[0].Err), c.err) {
				t.Errorf("signature %+v, want %q", r.Signatures, c.err)
			}
			wantFailure(t, r, Tampered, c.err)
		})
	}
}

// The descriptor names a key; whose it really is, is reported.
func TestClaim(t *testing.T) {
	alice, mallory := newKey(t, "Alice", packet.Config{}), newKey(t, "Mallory", packet.Config{})
	f := typical(t)
	sign(t, f, mallory, SignOptions{})
	b := bytesOf(t, f)
	e, err := alice.Entity()
	must(t, err)
	m, err := mallory.Entity()
	must(t, err)
	b = bytes.Replace(b, m.PrimaryKey.Fingerprint, e.PrimaryKey.Fingerprint, 1) // in the descriptor
	r, err := verifyBytes(b, Options{Keys: ring(t, alice, mallory)})
	must(t, err)
	s := r.Signatures[0]
	if s.Claimed != alice.Fingerprint() || len(s.Signers) != 1 || s.Signers[0].Fingerprint != mallory.Fingerprint() {
		t.Errorf("signature %+v", s)
	}
	wantFailure(t, r, Tampered, "but "+mallory.Fingerprint()+" made it")
	r, err = verifyBytes(b, Options{Keys: ring(t, alice)})
	must(t, err)
	wantFailure(t, r, Unknown, "")
}
