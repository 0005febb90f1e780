package gate

import (
	"bytes"
	"testing"
	"time"

	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/keyring"
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
