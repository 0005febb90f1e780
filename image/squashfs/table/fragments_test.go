package table

import (
	"bytes"
	"testing"

	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/meta"
)

// A table of more than 2^20 fragments, of which the first 2^32 bytes and more
// of the image hold blocks, is found entry by entry through its index.
func TestMoreThanAMebiFragments(t *testing.T) {
	const count = 1<<20 + 5
	b := tables{fragments: make([]format.Fragment, count)}
	at := func(i int) format.Fragment { return format.Fragment{Start: uint64(i) * 5000, Size: uint32(1 + i%4096)} }
	for i := range b.fragments {
		b.fragments[i] = at(i)
	}
	e, err := codec.NewEncoding(codec.Choice{}, format.MaxBlockSize)
	if err != nil {
		t.Fatal(err)
	}
	c, err := e.New()
	if err != nil {
		t.Fatal(err)
	}
	dec, err := codec.NewDecompressor(format.Zstd)
	if err != nil {
		t.Fatal(err)
	}
	var image bytes.Buffer
	out := output{w: &image, c: c}
	start, err := out.indexed(b.fragmentBytes())
	if err != nil {
		t.Fatal(err)
	}
	if out.pos != uint64(image.Len()) || (out.pos-start)%8 != 0 {
		t.Errorf("the index of %d bytes ends at %d of %d", out.pos-start, out.pos, image.Len())
	}
	r := meta.NewReader(meta.Source{R: bytes.NewReader(image.Bytes()), Size: out.pos}, dec)
	found, err := r.Table("fragment", start, 0, count, format.FragmentSize)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 1, 511, 512, 513, 1<<20 - 1, 1 << 20, count - 1} {
		entry, err := found.Entry(uint32(i))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := format.ParseFragment(entry, 4096); err != nil || got != at(i) {
			t.Errorf("fragment %d is %+v, error %v", i, got, err)
		}
	}
}
