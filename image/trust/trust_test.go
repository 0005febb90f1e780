package trust

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	library "github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/keyring"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newKey makes an OpenPGP key, Ed25519 as that is quick.
func newKey(t testing.TB, name string, c packet.Config) *keyring.Key {
	t.Helper()
	c.Algorithm = packet.PubKeyAlgoEdDSA
	e, err := openpgp.NewEntity(name, "", strings.ToLower(name)+"@example.org", &c)
	must(t, err)
	return keyOf(t, e)
}

func keyOf(t testing.TB, e *openpgp.Entity) *keyring.Key {
	t.Helper()
	var b bytes.Buffer
	must(t, e.SerializePrivateWithoutSigning(&b, nil))
	keys, problems := keyring.Parse(b.Bytes())
	must(t, errors.Join(problems...))
	return keys[0]
}

func ring(t testing.TB, keys ...*keyring.Key) keyring.Rings {
	t.Helper()
	var public []*keyring.Key
	for _, k := range keys {
		p, err := k.Public()
		must(t, err)
		public = append(public, p)
	}
	return keyring.Rings{keyring.NewRing(public...)}
}

// object is an object of a new image.
type object struct {
	kind  library.DataType
	data  string
	group uint32
	opts  []library.DescriptorInputOpt
}

func primary(group uint32) object {
	return object{library.DataPartition, "the file system", group, []library.DescriptorInputOpt{
		library.OptPartitionMetadata(library.FsSquash, library.PartPrimSys, "amd64"), library.OptObjectAlignment(1),
	}}
}

func input(t testing.TB, o object) library.DescriptorInput {
	t.Helper()
	opts := append(o.opts, library.OptGroupID(o.group))
	if o.group == 0 {
		opts = append(o.opts, library.OptNoGroup())
	}
	in, err := library.NewDescriptorInput(o.kind, strings.NewReader(o.data), opts...)
	must(t, err)
	return in
}

// newImage writes an image of few descriptors, so that there are not many bytes.
func newImage(t testing.TB, objects ...object) *os.File {
	t.Helper()
	var inputs []library.DescriptorInput
	for _, o := range objects {
		inputs = append(inputs, input(t, o))
	}
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "image.sif"), os.O_RDWR|os.O_CREATE, 0o644)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	_, err = library.CreateContainer(f, library.OptCreateWithDescriptors(inputs...), library.OptCreateWithDescriptorCapacity(6),
		library.OptCreateWithLaunchScript("#!/usr/bin/env run-singularity\n"), library.OptCreateWithTime(time.Unix(1e9, 0)))
	must(t, err)
	return f
}

func fileOf(t testing.TB, b []byte) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "image.sif"), os.O_RDWR|os.O_CREATE, 0o644)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	_, err = f.Write(b)
	must(t, err)
	return f
}

func typical(t testing.TB) *os.File {
	return newImage(t, object{library.DataDeffile, "Bootstrap: scratch\n", 1, nil}, primary(1))
}

func sign(t testing.TB, f *os.File, k *keyring.Key, o SignOptions) {
	t.Helper()
	o.Key, o.Now = k, time.Now()
	must(t, Sign(context.Background(), f, o))
}

func bytesOf(t testing.TB, f *os.File) []byte {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	must(t, err)
	return b
}

func verifyBytes(b []byte, o Options) (*Report, error) {
	img, err := sif.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	return Verify(context.Background(), img, o)
}

func verify(t testing.TB, f *os.File, o Options) *Report {
	t.Helper()
	r, err := verifyBytes(bytesOf(t, f), o)
	must(t, err)
	return r
}

// states is what is known of each signature, in short.
func states(r *Report) string {
	var b strings.Builder
	for _, s := range r.Signatures {
		var ids []uint32
		for _, o := range s.Objects {
			ids = append(ids, o.ID)
		}
		var names []string
		for _, k := range s.Signers {
			names = append(names, k.Name)
		}
		fmt.Fprintf(&b, "%d %s %s %v %v\n", s.Object.ID, s.Format, s.State, names, ids)
	}
	return b.String()
}

func wantStates(t testing.TB, r *Report, want string) {
	t.Helper()
	if got := states(r); got != want {
		t.Errorf("signatures:\n%swant:\n%s", got, want)
		for _, s := range r.Signatures {
			t.Logf("%d: %v", s.Object.ID, s.Err)
		}
	}
}

// wantFailure wants an image that is refused for a reason, and a remedy.
func wantFailure(t testing.TB, r *Report, state State, text string) {
	t.Helper()
	err := r.Verdict()
	var f *Failure
	if !errors.As(err, &f) || f.State != state || !strings.Contains(err.Error(), text) {
		t.Errorf("verdict %v, want %q: %q", err, state, text)
		return
	}
	if hint.Of(err) == "" {
		t.Errorf("there is no remedy for %v", err)
	}
}

func TestPGP(t *testing.T) {
	alice, bob := newKey(t, "Alice", packet.Config{}), newKey(t, "Bob", packet.Config{})
	f := typical(t)
	r := verify(t, f, Options{Keys: ring(t, alice)})
	wantStates(t, r, "")
	wantFailure(t, r, "", "object 1 (Def.FILE) of group 1 is not signed")

	sign(t, f, alice, SignOptions{})
	r = verify(t, f, Options{Keys: ring(t, alice)})
	wantStates(t, r, "3 PGP verified [Alice <alice@example.org>] [1 2]\n")
	must(t, r.Verdict())
	if s := r.Signatures[0]; !s.Whole || s.Claimed != alice.Fingerprint() || s.Signers[0].Fingerprint != s.Claimed || s.Signers[0].Ring != 0 {
		t.Errorf("signature %+v", s)
	}

	// One whose key is unknown hides none, wherever it is.
	sign(t, f, bob, SignOptions{})
	for _, c := range []struct {
		key  *keyring.Key
		want string
	}{
		{alice, "3 PGP verified [Alice <alice@example.org>] [1 2]\n4 PGP unknown key [] []\n"},
		{bob, "3 PGP unknown key [] []\n4 PGP verified [Bob <bob@example.org>] [1 2]\n"},
	} {
		r = verify(t, f, Options{Keys: ring(t, c.key)})
		wantStates(t, r, c.want)
		must(t, r.Verdict())
	}
	r = verify(t, f, Options{Keys: ring(t)})
	wantStates(t, r, "3 PGP unknown key [] []\n4 PGP unknown key [] []\n")
	wantFailure(t, r, Unknown, "the key "+alice.Fingerprint())
	wantFailure(t, verify(t, f, Options{}), Unknown, "signature 3: it is by an OpenPGP key, and those are not looked at")
	r = verify(t, f, Options{Keys: ring(t, alice, bob)})
	must(t, r.Verdict())
	if n := len(r.Covering(r.Objects[0])); n != 2 {
		t.Errorf("%d signatures cover an object", n)
	}
}

// Keys and signatures have an end.
func TestPGPTimes(t *testing.T) {
	long := time.Now().Add(-48 * time.Hour)
	then := func() time.Time { return long }
	for _, c := range []struct {
		name  string
		key   func() *keyring.Key
		state State
		text  string
	}{
		{"expired", func() *keyring.Key { return newKey(t, "Old", packet.Config{Time: then, KeyLifetimeSecs: 3600}) }, Expired, "has expired"},
		{"revoked", func() *keyring.Key { return revoked(t, newKey(t, "Gone", packet.Config{Time: then})) }, Revoked, "was revoked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			good, bad := newKey(t, "Good", packet.Config{}), c.key()
			f := typical(t)
			must(t, Sign(context.Background(), f, SignOptions{Key: unrevoked(t, bad), Now: long.Add(time.Minute)}))
			r := verify(t, f, Options{Keys: ring(t, bad)})
			if len(r.Signatures) != 1 || len(r.Signatures[0].Signers) != 1 {
				t.Errorf("signatures %+v", r.Signatures)
			}
			wantFailure(t, r, c.state, c.text)
			err := Sign(context.Background(), f, SignOptions{Key: bad, Now: time.Now()})
			if err == nil || hint.Of(err) != "choose another key by --keyidx, or make one by 'sealift key newpair'" {
				t.Errorf("a signature by such a key: %v", err)
			}
			sign(t, f, good, SignOptions{})
			r = verify(t, f, Options{Keys: ring(t, bad, good)})
			must(t, r.Verdict())
			if r.Signatures[0].State != c.state {
				t.Errorf("state %s", r.Signatures[0].State)
			}
			wantDissent(t, r, c.state, c.text)
		})
	}
}

// revoked is the key with a signature that revokes it.
func revoked(t testing.TB, k *keyring.Key) *keyring.Key {
	t.Helper()
	copied, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(k.Bytes())))
	must(t, err)
	must(t, copied.RevokeKey(packet.KeyCompromised, "lost", nil))
	return keyOf(t, copied)
}

// unrevoked is the key as it was before.
func unrevoked(t testing.TB, k *keyring.Key) *keyring.Key {
	t.Helper()
	e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(k.Bytes())))
	must(t, err)
	e.Revocations = nil
	return keyOf(t, e)
}

// faulty is a reader of an image that fails where one object is.
type faulty struct {
	*bytes.Reader
	o sif.Object
}

func (f faulty) ReadAt(p []byte, off int64) (int, error) {
	if off < f.o.Offset+f.o.Size && f.o.Offset < off+int64(len(p)) {
		return 0, &fs.PathError{Op: "read", Path: "image.sif", Err: syscall.EIO}
	}
	return f.Reader.ReadAt(p, off)
}

// What something else vouches for is not read, and the rest is verified.
func TestVouched(t *testing.T) {
	k := newKey(t, "Alice", packet.Config{})
	f := typical(t)
	sign(t, f, k, SignOptions{})
	b := bytesOf(t, f)
	plain, err := sif.Open(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	part := plain.Objects()[1]
	img, err := sif.Open(faulty{bytes.NewReader(b), part}, int64(len(b)))
	must(t, err)
	o := Options{Keys: ring(t, k), Now: time.Now(), Vouched: func(id uint32) bool { return id == part.ID }}
	r, err := Verify(t.Context(), img, o)
	must(t, err)
	must(t, r.Verdict())
	wantStates(t, r, "3 PGP verified [Alice <alice@example.org>] [1]\n")
	payload, _ := content(t, f)
	if s := r.Signatures[0]; !s.Whole || string(s.Text) != payload || len(r.Vouched) != 1 || r.Vouched[0].ID != part.ID {
		t.Errorf("signature %+v, vouched %v", s, r.Vouched)
	}
	o.Vouched = nil
	// A disk that fails is no proof of anything.
	if _, err := Verify(t.Context(), img, o); !errors.Is(err, syscall.EIO) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ctx, img, o); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// A key that others may be able to sign with counts for nothing, and spoils
// nothing.
func TestWeakKey(t *testing.T) {
	e, err := openpgp.NewEntity("Weak", "", "", &packet.Config{RSABits: 1024, MinRSABits: 1024})
	must(t, err)
	weak, good := keyOf(t, e), newKey(t, "Good", packet.Config{})
	f := typical(t)
	unsigned := bytesOf(t, f)
	sign(t, f, good, SignOptions{})
	payload, _ := content(t, f)
	addSignature(t, f, weak, clear(t, weak, payload, nil))
	r := verify(t, f, Options{Keys: ring(t, weak, good)})
	wantStates(t, r, "3 PGP verified [Good <good@example.org>] [1 2]\n4 PGP weak key [Weak] []\n")
	must(t, r.Verdict())
	f = fileOf(t, unsigned)
	addSignature(t, f, weak, clear(t, weak, payload, nil))
	wantFailure(t, verify(t, f, Options{Keys: ring(t, weak)}), Weak, "the key "+weak.Fingerprint()+" is weak")
	if err := Sign(t.Context(), f, SignOptions{Key: weak, Now: time.Now()}); err == nil {
		t.Error("a weak key signs")
	}
}
