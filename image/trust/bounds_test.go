package trust

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	library "github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/keyring"
)

// many is an image of so many small objects, open.
func many(t *testing.T, n int) (*os.File, *sif.Image) {
	t.Helper()
	inputs := []library.DescriptorInput{input(t, primary(1))}
	for range n - 1 {
		inputs = append(inputs, input(t, object{library.DataGeneric, "x", 1, []library.DescriptorInputOpt{library.OptObjectAlignment(1)}}))
	}
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "image.sif"), os.O_RDWR|os.O_CREATE, 0o644)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	_, err = library.CreateContainer(f, library.OptCreateWithDescriptors(inputs...), library.OptCreateWithDescriptorCapacity(int64(n)+4))
	must(t, err)
	return f, opened(t, f)
}

func opened(t *testing.T, f *os.File) *sif.Image {
	t.Helper()
	st, err := f.Stat()
	must(t, err)
	img, err := sif.Open(f, st.Size())
	must(t, err)
	return img
}

// Whoever makes an image says of how many objects and signatures it is.
func TestManyObjects(t *testing.T) {
	_, img := many(t, maxObjects+1)
	_, err := Verify(t.Context(), img, Options{Now: time.Now()})
	if err == nil || !strings.Contains(err.Error(), "the image has 4097 objects; the limit for verifying is 4096") || hint.Of(err) == "" {
		t.Errorf("%v (hint %q)", err, hint.Of(err))
	}

	f, _ := many(t, 4000)
	k := newKey(t, "Alice", packet.Config{})
	addSignature(t, f, k, "no signature")
	addSignature(t, f, k, "nor this")
	img = opened(t, f)
	r, err := Verify(t.Context(), img, Options{Keys: ring(t), Now: time.Now()})
	must(t, err)
	if len(r.Signatures) != 2 || len(r.Objects) != 4000 {
		t.Errorf("%d signatures, %d objects", len(r.Signatures), len(r.Objects))
	}
}

// stopping ends a context when a part of an image is read, and counts how often
// another part is.
type stopping struct {
	*os.File
	stop         func()
	first, other sif.Object
	read         int
}

func (s *stopping) ReadAt(p []byte, off int64) (int, error) {
	switch off {
	case s.first.Offset:
		s.stop()
	case s.other.Offset:
		s.read++
	}
	return s.File.ReadAt(p, off)
}

func TestInterrupted(t *testing.T) {
	f, k := typical(t), newKey(t, "Alice", packet.Config{})
	sign(t, f, k, SignOptions{})
	sign(t, f, k, SignOptions{})
	objects := opened(t, f).Objects()
	st, err := f.Stat()
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	s := &stopping{File: f, stop: stop, first: objects[2], other: objects[3]}
	img, err := sif.Open(s, st.Size())
	must(t, err)
	if _, err := Verify(ctx, img, Options{Keys: ring(t, k), Now: time.Now()}); !errors.Is(err, context.Canceled) || s.read != 0 {
		t.Errorf("%v, and the second signature is read %d times", err, s.read)
	}
}

// A signature that is about nothing but what something else vouches for is there.
func TestVouchedAlone(t *testing.T) {
	k, other := newKey(t, "Alice", packet.Config{}), newKey(t, "Bob", packet.Config{})
	f := typical(t)
	sign(t, f, k, SignOptions{Objects: []uint32{2}})
	o := Options{Now: time.Now(), Vouched: func(id uint32) bool { return id == 2 }}
	look := func(known *keyring.Key, want string) {
		t.Helper()
		o.Keys = ring(t, known)
		part := opened(t, f).Objects()[1]
		b := bytesOf(t, f)
		img, err := sif.Open(faulty{bytes.NewReader(b), part}, int64(len(b)))
		must(t, err)
		r, err := Verify(t.Context(), img, o)
		must(t, err)
		wantStates(t, r, want)
		if s := r.Signatures[0]; s.Whole || s.Claimed != k.Fingerprint() {
			t.Errorf("signature %+v", s)
		}
	}
	look(k, "3 PGP verified [Alice <alice@example.org>] []\n")
	look(other, "3 PGP unknown key [] []\n")
	// One that was changed is nobody's.
	at := opened(t, f).Objects()[2]
	_, err := f.WriteAt([]byte("2"), at.Offset+int64(strings.Index(string(bytesOf(t, f)[at.Offset:]), "relativeId"))+12)
	must(t, err)
	look(k, "3 PGP tampered [] []\n")
}

// Nor is one hidden that is about such an object by its id.
func TestVouchedByID(t *testing.T) {
	k := newKey(t, "Alice", packet.Config{})
	f := typical(t)
	sign(t, f, k, SignOptions{})
	_, text := content(t, f)
	f = newImage(t, object{library.DataDeffile, "Bootstrap: scratch\n", 1, nil}, primary(1), object{library.DataSignature, text, 0,
		[]library.DescriptorInputOpt{library.OptLinkedID(2), library.OptSignatureMetadata(5, make([]byte, 20))}})
	r := verify(t, f, Options{Keys: ring(t, k), Vouched: func(id uint32) bool { return id == 2 }})
	wantStates(t, r, "3 PGP refused [] []\n")
}
