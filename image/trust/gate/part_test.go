package gate

import (
	"bytes"
	"testing"
	"time"

	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/merkle"
)

// A signature counts for every partition that it covers, and what is read of one
// is what was signed, though the hash tree in the image is another's.
func TestOtherPartition(t *testing.T) {
	ada, _, _ := people(t)
	g := rules(t, []*keyring.Key{ada}, verify)
	data := bytes.Repeat([]byte("some data\n"), 10<<10)
	both(t, func(t *testing.T, tree bool) {
		f := newImage(t, tree)
		must(t, sif.AddObjects(t.Context(), f, time.Now(), nil, sif.NewObject{
			Type: sif.FileSystem, FileSystem: 1, Part: 3, Arch: 2, Group: 1, Data: bytes.NewReader(data),
		}))
		part := load(t, f).Partitions(sif.Data)[0]
		img := load(t, f).Select(part.ID)
		r, err := g.Hold(t.Context(), "")(f, img)
		wantRefusal(t, r, err, "it is not signed")
		sign(t, f, ada)
		r, err = g.Hold(t.Context(), "")(f, load(t, f).Select(part.ID))
		must(t, err)
		overwrite(t, f, part.Offset+40<<10)
		got := make([]byte, 8<<10)
		if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, data[:len(got)]) {
			t.Errorf("the partition is read otherwise than it was written: %v", err)
		}
		_, err = g.Hold(t.Context(), "")(f, load(t, f).Select(part.ID))
		wantError(t, err, "the image is not what was signed")
	})
}

// The partitions of an image are held each by itself: none is read for another, and each is what
// was signed wherever it is read.
func TestPartitionsApart(t *testing.T) {
	ada, _, _ := people(t)
	data := bytes.Repeat([]byte("some data\n"), 10<<10)
	for name, rule := range map[string]string{"tree": verify, "whole": whole} {
		t.Run(name, func(t *testing.T) {
			g, read := rules(t, []*keyring.Key{ada}, rule), &progress{}
			g.Whole = read.start
			f := newImage(t, true)
			must(t, sif.AddObjects(t.Context(), f, time.Now(), nil, sif.NewObject{
				Type: sif.FileSystem, FileSystem: 1, Part: int32(sif.Overlay), Arch: 2, Group: 1, Data: bytes.NewReader(data),
			}))
			must(t, merkle.AddAll(t.Context(), f, time.Now(), 1))
			sign(t, f, ada)
			img := load(t, f)
			primary, _ := img.PrimaryObject()
			part := img.Partitions(sif.Overlay)[0]
			allowed(t, g, f)
			r, err := g.Hold(t.Context(), "")(f, img.Select(part.ID))
			must(t, err)
			must(t, r.Check(t.Context(), 1))
			if want := map[string]int64{"tree": 0, "whole": primary.Size + part.Size}[name]; read.read != want {
				t.Errorf("%d bytes were read before the start, not %d", read.read, want)
			}
			// One that is changed does not hide behind the other.
			overwrite(t, f, part.Offset+40<<10)
			if err := r.Check(t.Context(), 1); err == nil {
				t.Error("an overlay that was changed is read")
			}
			r, err = g.Hold(t.Context(), "")(f, load(t, f).Select(part.ID))
			if err == nil {
				err = r.Check(t.Context(), 1)
			}
			if err == nil {
				t.Error("an overlay that was changed may be used")
			}
			r, err = g.Hold(t.Context(), "")(f, load(t, f))
			must(t, err)
			must(t, r.Check(t.Context(), 1))
		})
	}
}

// An overlay that was added after the signature is refused with the whole image.
func TestPartitionAdded(t *testing.T) {
	ada, _, _ := people(t)
	for _, rule := range []string{verify, whole} {
		for _, group := range []uint32{0, 1, 2} {
			g, f := rules(t, []*keyring.Key{ada}, rule), newImage(t, true)
			sign(t, f, ada)
			must(t, sif.AddObjects(t.Context(), f, time.Now(), nil, sif.NewObject{
				Type: sif.FileSystem, FileSystem: 1, Part: int32(sif.Overlay), Arch: 2, Group: group, Data: bytes.NewReader(body),
			}))
			refused(t, g, f, "0 of the 1")
			part := load(t, f).Partitions(sif.Overlay)[0]
			if r, err := g.Hold(t.Context(), "")(f, load(t, f).Select(part.ID)); r != nil || err == nil {
				t.Errorf("in group %d it may be used", group)
			}
		}
	}
}
