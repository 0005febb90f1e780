package bootstrap

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/key"
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
