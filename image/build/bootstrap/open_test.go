package bootstrap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

// A step on a held image is that of what is read through the tree, and no other: what
// somebody else has written to the file since does not get its key, nor gives it a new one.
func TestIdentifyHeld(t *testing.T) {
	p := newPlace(t)
	if err := p.convert(t, "one.sif", Source{Agent: "localimage", From: p.directory(t, "one")}); err != nil {
		t.Fatal(err)
	}
	if err := p.convert(t, "two.sif", Source{Agent: "localimage", From: p.directory(t, "two")}); err != nil {
		t.Fatal(err)
	}
	held := func(_ *os.File, img *sif.Image) (*merkle.Reader, error) { return merkle.Held(img) }
	sum := func(name string, hold image.Hold, raw string, change func(f *image.File)) key.Digest {
		t.Helper()
		f, err := image.Open(filepath.Join(p.dir, name), image.Options{Hold: hold})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		change(f)
		k := key.New("base")
		if err := identify(context.Background(), &build.Build{}, k, f, &opened{raw: []byte(raw), created: 1}); err != nil {
			t.Fatal(err)
		}
		return k.Sum()
	}
	keep := func(*image.File) {}
	one, plain := sum("one.sif", held, "", keep), sum("one.sif", nil, "", keep)
	if one == plain || one == sum("two.sif", held, "", keep) || one == sum("one.sif", held, "{}", keep) {
		t.Error("keys of different bases are equal")
	}
	spoiled := func(f *image.File) {
		w, err := os.OpenFile(f.Path(), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		part, err := f.SIF().Primary()
		if err == nil {
			_, err = w.WriteAt(bytes.Repeat([]byte("X"), 8), part.Offset+200)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if one != sum("one.sif", held, "", spoiled) {
		t.Error("the key is that of the file's bytes, not of what is read")
	}
}

// The provenance names a base that is held by the digest of what is read of it.
func TestDigestHeld(t *testing.T) {
	p := newPlace(t)
	if err := p.convert(t, "one.sif", Source{Agent: "localimage", From: p.directory(t, "one")}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(p.dir, "one.sif")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(file)
	want := "sha256:" + hex.EncodeToString(sum[:])
	open := func(hold image.Hold) (*image.File, func() (string, error)) {
		t.Helper()
		f, err := image.Open(path, image.Options{Hold: hold})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		o, err := (&fetch{Source: Source{Agent: "localimage", From: path}, platform: oci.Platform{Arch: "amd64"}}).
			fromFile(t.Context(), &build.Build{}, f, path)
		if err != nil {
			t.Fatal(err)
		}
		return f, func() (string, error) { return o.read.Digest(t.Context()) }
	}
	held, digestHeld := open(func(_ *os.File, img *sif.Image) (*merkle.Reader, error) { return merkle.Held(img) })
	_, digestFile := open(nil)
	for _, digest := range []func() (string, error){digestHeld, digestFile} {
		if got, err := digest(); err != nil || got != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	write := func(off int64) {
		t.Helper()
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if _, err := w.WriteAt([]byte("XXXXXXXX"), off); err != nil {
			t.Fatal(err)
		}
	}
	// The header is kept, the file system held against the tree.
	write(0)
	if got, err := digestHeld(); err != nil || got != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	if got, err := digestFile(); err != nil || got == want {
		t.Errorf("of the file: %s, %v", got, err)
	}
	part, err := held.SIF().Primary()
	if err != nil {
		t.Fatal(err)
	}
	write(part.Offset + part.Size/2)
	var mismatch *merkle.Mismatch
	if got, err := digestHeld(); !errors.As(err, &mismatch) {
		t.Errorf("%s, %v", got, err)
	}
}
