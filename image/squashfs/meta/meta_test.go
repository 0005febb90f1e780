package meta

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/klauspost/compress/zlib"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
)

// stored returns a metadata block that holds b as it is.
func stored(b []byte) []byte {
	return append(binary.LittleEndian.AppendUint16(nil, uint16(len(b))|format.MetaUncompressed), b...)
}

// packed returns a metadata block that holds b compressed.
func packed(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return append(binary.LittleEndian.AppendUint16(nil, uint16(out.Len())), out.Bytes()...)
}

func reader(t *testing.T, image []byte) *Reader {
	t.Helper()
	c, err := codec.NewDecompressor(format.Gzip)
	if err != nil {
		t.Fatal(err)
	}
	return NewReader(Source{bytes.NewReader(image), uint64(len(image))}, c)
}

func sequence(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

// TestCursorCrossesBlocks takes pieces of all sizes from four blocks.
func TestCursorCrossesBlocks(t *testing.T) {
	want := sequence(8192 + 8192 + 10 + 5000)
	image := []byte("front")
	for _, n := range []int{8192, 8192, 10, 5000} {
		block := want[:n]
		if len(image)%2 == 0 {
			image = append(image, stored(block)...)
		} else {
			image = append(image, packed(t, block)...)
		}
		want = append(want[n:], block...)
	}
	r := reader(t, image)
	region := Region{5, uint64(len(image))}
	for _, step := range []int{1, 7, 100, 8192, 9000} {
		c, err := r.At(region, 0)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for len(got)+step <= len(want) {
			ahead, err := c.Peek(step)
			if err != nil {
				t.Fatal(err)
			}
			ahead = bytes.Clone(ahead)
			b, err := c.Take(step)
			if err != nil || !bytes.Equal(ahead, b) {
				t.Fatalf("step %d: %v", step, err)
			}
			got = append(got, b...)
		}
		if !bytes.Equal(got, want[:len(got)]) {
			t.Errorf("step %d: wrong bytes", step)
		}
		if _, err := c.Take(len(want)); !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("step %d: beyond the end: %v", step, err)
		}
	}
}

func TestNumbers(t *testing.T) {
	r := reader(t, stored([]byte{1, 2, 3, 4, 5, 6}))
	c, err := r.At(Region{0, 8}, format.MakeRef(0, 1))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := c.Uint32(); n != 0x05040302 || err != nil {
		t.Errorf("%#x, %v", n, err)
	}
	if _, err := c.Uint32(); !errors.Is(err, format.ErrCorrupt) {
		t.Errorf("beyond the end: %v", err)
	}
}

func TestBadBlocks(t *testing.T) {
	word := func(n uint16, rest ...byte) []byte { return append(binary.LittleEndian.AppendUint16(nil, n), rest...) }
	for name, image := range map[string][]byte{
		"length 0":             word(0, 1, 2, 3),
		"length 0 plain":       word(0x8000, 1, 2, 3),
		"length 8193":          append(word(8193), make([]byte, 9000)...),
		"length 8193 plain":    append(word(0x8000|8193), make([]byte, 9000)...),
		"longer than the rest": word(0x8000|10, 1, 2, 3),
		"garbage":              word(3, 1, 2, 3),
		"no content":           packed(t, nil),
		"too much content":     packed(t, make([]byte, 8193)),
		"1 MiB of content":     packed(t, make([]byte, 1<<20)),
		"cut":                  packed(t, sequence(8000))[:100],
		"one byte":             {1},
		"nothing":              nil,
	} {
		if _, err := reader(t, image).At(Region{0, uint64(len(image))}, 0); !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadReferences(t *testing.T) {
	image := append(stored(sequence(100)), stored(sequence(100))...)
	r := reader(t, image)
	region := Region{0, 102}
	for _, ref := range []format.Ref{
		format.MakeRef(0, 101), format.MakeRef(0, 0xffff), format.MakeRef(102, 0), format.MakeRef(103, 0),
		format.MakeRef(1<<40, 0), format.Ref(1<<64 - 1), format.MakeRef(100, 0),
	} {
		if _, err := r.At(region, ref); !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("%#x: %v", uint64(ref), err)
		}
	}
	if _, err := r.At(Region{0, 204}, format.MakeRef(102, 50)); err != nil {
		t.Error(err)
	}
	if _, err := r.At(Region{0, 50}, 0); !errors.Is(err, format.ErrCorrupt) {
		t.Errorf("a cached block that crosses the end: %v", err)
	}
}

// tableImage returns an image with a table of n numbers of 4 bytes, and where
// its list is.
func tableImage(n int) (image []byte, list uint64) {
	var offsets, entries []byte
	flush := func() {
		offsets = binary.LittleEndian.AppendUint64(offsets, uint64(len(image)))
		image = append(image, stored(entries)...)
		entries = nil
	}
	for i := range n {
		if entries = binary.LittleEndian.AppendUint32(entries, uint32(i*i)); len(entries) == format.MetaBlockSize {
			flush()
		}
	}
	if len(entries) > 0 {
		flush()
	}
	return append(image, offsets...), uint64(len(image))
}

func TestTable(t *testing.T) {
	image, list := tableImage(5000)
	r := reader(t, image)
	table, err := r.Table("number", list, 0, 5000, 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []uint32{0, 1, 2047, 2048, 4999} {
		b, err := table.Entry(i)
		if err != nil || binary.LittleEndian.Uint32(b) != i*i {
			t.Errorf("entry %d: %v, %v", i, b, err)
		}
	}
	for _, i := range []uint32{5000, 1<<32 - 1} {
		if _, err := table.Entry(i); !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("entry %d: %v", i, err)
		}
	}
	if table.Count() != 5000 || table.Start(9) != 0 || new(Table).Start(9) != 9 {
		t.Error("wrong count or start")
	}
	if _, err := new(Table).Entry(0); !errors.Is(err, format.ErrCorrupt) {
		t.Errorf("entry of an empty table: %v", err)
	}
	// One more entry than the last block holds.
	table, err = r.Table("number", list, 0, 5001, 4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.Entry(5000); !errors.Is(err, format.ErrCorrupt) {
		t.Errorf("entry beyond its block: %v", err)
	}
}

func TestBadTables(t *testing.T) {
	image, list := tableImage(5000)
	for name, c := range map[string]struct {
		off, floor uint64
		count      uint32
		patch      uint64 // for the second block's offset, unless 0
	}{
		"list beyond the end":      {uint64(len(image)), 0, 1, 0},
		"list at 2^64":             {1<<64 - 1, 0, 1, 0},
		"more entries than blocks": {list, 0, 1<<32 - 1, 0},
		"block before the floor":   {list, 1, 5000, 0},
		"blocks that descend":      {list, 0, 5000, 2},
		"block behind the list":    {list, 0, 5000, list},
		"block at 2^64":            {list, 0, 5000, 1<<64 - 1},
	} {
		b := bytes.Clone(image)
		if c.patch != 0 {
			binary.LittleEndian.PutUint64(b[list+8:], c.patch)
		}
		if _, err := reader(t, b).Table("number", c.off, c.floor, c.count, 4); !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRoom(t *testing.T) {
	g := Region{100, 160}
	for off, want := range map[uint64]uint64{0: 20 * 8192, 30: 10 * 8192, 58: 0, 60: 0, 61: 0, 1 << 63: 0} {
		if got := g.Room(off); got != want {
			t.Errorf("room from %d: %d, want %d", off, got, want)
		}
	}
	c, err := reader(t, stored(sequence(50))).At(Region{0, 52}, format.MakeRef(0, 10))
	if err != nil || c.Room() != 40 {
		t.Errorf("%d, %v", c.Room(), err)
	}
}

func TestSource(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		src  Source
		off  uint64
		want error
	}{
		{Source{bytes.NewReader(make([]byte, 10)), 10}, 6, nil},
		{Source{bytes.NewReader(make([]byte, 10)), 10}, 7, format.ErrCorrupt},
		{Source{bytes.NewReader(make([]byte, 10)), 10}, 1<<64 - 2, format.ErrCorrupt},
		{Source{bytes.NewReader(make([]byte, 10)), 20}, 8, io.ErrUnexpectedEOF},
		{Source{faulty{broken}, 20}, 8, broken},
	} {
		if err := c.src.ReadFull(make([]byte, 4), c.off); !errors.Is(err, c.want) {
			t.Errorf("at %d: %v, want %v", c.off, err, c.want)
		}
	}
	shrunk := Source{bytes.NewReader(nil), 20}
	if err := shrunk.ReadFull(make([]byte, 4), 0); hint.Of(err) == "" || !errors.Is(err, format.ErrCorrupt) {
		t.Errorf("no hint in %v", err)
	}
}

type faulty struct{ err error }

func (f faulty) ReadAt([]byte, int64) (int, error) { return 0, f.err }
