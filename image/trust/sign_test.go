package trust

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	library "github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
)

// A subset is signed and verified by ids, and is not taken for the whole.
func TestSubsets(t *testing.T) {
	k := newKey(t, "Alice", packet.Config{})
	keys := ring(t, k)
	f := newImage(t, object{library.DataDeffile, "Bootstrap: scratch\n", 1, nil}, primary(1), object{library.DataGeneric, "more", 2, nil})
	sign(t, f, k, SignOptions{Objects: []uint32{2}})
	r := verify(t, f, Options{Keys: keys})
	wantStates(t, r, "4 PGP verified [Alice <alice@example.org>] [2]\n")
	wantFailure(t, r, "", "object 1 (Def.FILE) of group 1 is not signed")
	r = verify(t, f, Options{Keys: keys, Objects: []uint32{2}})
	must(t, r.Verdict())
	if len(r.Others) != 2 {
		t.Errorf("others %v", r.Others)
	}
	wantFailure(t, verify(t, f, Options{Keys: keys, Objects: []uint32{1}}), "", "not signed")
	wantFailure(t, verify(t, f, Options{Keys: keys, Groups: []uint32{1}}), "", "not signed")

	sign(t, f, k, SignOptions{Groups: []uint32{1}})
	r = verify(t, f, Options{Keys: keys, Groups: []uint32{1}})
	wantStates(t, r, "4 PGP verified [Alice <alice@example.org>] [2]\n5 PGP verified [Alice <alice@example.org>] [1 2]\n")
	must(t, r.Verdict())
	must(t, verify(t, f, Options{Keys: keys, Objects: []uint32{1}}).Verdict())
	wantFailure(t, verify(t, f, Options{Keys: keys}), "", "object 3 (Generic/Raw) of group 2 is not signed")
	sign(t, f, k, SignOptions{Groups: []uint32{2}})
	must(t, verify(t, f, Options{Keys: keys}).Verdict())

	for _, o := range []Options{{Groups: []uint32{0}}, {Groups: []uint32{7}}, {Objects: []uint32{9}}, {Objects: []uint32{4}}} {
		if _, err := verifyBytes(bytesOf(t, f), o); err == nil || !strings.Contains(err.Error(), "the image has no ") {
			t.Errorf("%v: error %v", o, err)
		}
	}
}

// Who has locked a file that nobody knows yet still has when it is signed.
func TestSignUnpublished(t *testing.T) {
	k, f := newKey(t, "Alice", packet.Config{}), typical(t)
	must(t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	sign(t, f, k, SignOptions{Unpublished: true})
	must(t, verify(t, f, Options{Keys: ring(t, k)}).Verdict())
	other, err := os.Open(f.Name())
	must(t, err)
	defer other.Close()
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Errorf("the lock is gone: %v", err)
	}
}

func TestSignRefuses(t *testing.T) {
	k := newKey(t, "Alice", packet.Config{})
	ungrouped := newImage(t, primary(1), object{library.DataGeneric, "more", 0, nil})
	full := newImage(t, primary(1), primary2(), primary2(), primary2(), primary2(), primary2())
	signed := typical(t)
	sign(t, signed, k, SignOptions{})
	text, err := os.CreateTemp(t.TempDir(), "")
	must(t, err)
	_, err = text.WriteString(strings.Repeat("no image\n", 100))
	must(t, err)
	for _, c := range []struct {
		name       string
		f          *os.File
		o          SignOptions
		text, hint string
	}{
		{"ungrouped", ungrouped, SignOptions{}, "object 2 (Generic/Raw) is in no group", "remove it, or sign a part of the image by --group-id or --sif-id"},
		{"ungrouped by id", ungrouped, SignOptions{Objects: []uint32{2}}, "object 2 (Generic/Raw) is in no group", "remove it, or sign a part of the image by --group-id or --sif-id"},
		{"full", full, SignOptions{}, "room for 0 more objects", "build the image again; a new one has 48 places"},
		{"signature", signed, SignOptions{Objects: []uint32{3}}, "signatures are not signed", ""},
		{"no group", signed, SignOptions{Groups: []uint32{2}}, "no group 2", ""},
		{"no object", signed, SignOptions{Objects: []uint32{5}}, "no object 5", ""},
		{"empty", newImage(t), SignOptions{}, "nothing to sign", ""},
		{"no image", text, SignOptions{}, "no SIF magic", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := bytesOf(t, c.f)
			c.o.Key, c.o.Now = k, time.Now()
			err := Sign(context.Background(), c.f, c.o)
			if err == nil || !strings.Contains(err.Error(), c.text) || hint.Of(err) != c.hint {
				t.Errorf("error %v (%s), want %q (%s)", err, hint.Of(err), c.text, c.hint)
			}
			if !bytes.Equal(before, bytesOf(t, c.f)) {
				t.Error("the file has changed")
			}
		})
	}
	sign(t, ungrouped, k, SignOptions{Groups: []uint32{1}})
	wantFailure(t, verify(t, ungrouped, Options{Keys: ring(t, k)}), "", "object 2 (Generic/Raw) is in no group")
	must(t, verify(t, ungrouped, Options{Keys: ring(t, k), Groups: []uint32{1}}).Verdict())
}

func primary2() object { return object{library.DataGeneric, "x", 1, nil} }
