package squashfs_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
)

// tables are an image's parts, its metadata decoded: to be changed and put
// together again.
type tables struct {
	super format.Super
	data  []byte // what lies before the inode table
	// part is the metadata: tables by name, decoded.
	part map[string][]byte
}

// The tables of an image in the order in which they lie in it.
var tableNames = []string{"inodes", "dirs", "fragments", "exports", "ids", "xattrs", "xattr ids"}

// takeApart decodes the metadata of a sound image. A table that spans metadata
// blocks must be stored uncompressed, so that references into it stay right.
func takeApart(t testing.TB, image []byte) *tables {
	t.Helper()
	s, err := format.ParseSuper(image)
	check(t, err)
	d, err := codec.NewDecompressor(s.Compression)
	check(t, err)
	x := &tables{super: *s, data: bytes.Clone(image[format.SuperSize:s.InodeTable]), part: map[string][]byte{}}
	u64 := func(at uint64) uint64 { return binary.LittleEndian.Uint64(image[at:]) }
	type span struct {
		name       string
		start, end uint64
	}
	spans := []span{{"inodes", s.InodeTable, s.DirTable}}
	end := s.BytesUsed
	if s.XattrTable != format.None {
		spans = append(spans, span{"xattr ids", u64(s.XattrTable + 16), s.XattrTable})
		spans = append(spans, span{"xattrs", u64(s.XattrTable), u64(s.XattrTable + 16)})
	}
	spans = append(spans, span{"ids", u64(s.IDTable), s.IDTable})
	if s.ExportTable != format.None {
		spans = append(spans, span{"exports", u64(s.ExportTable), s.ExportTable})
	}
	if s.Fragments > 0 {
		spans = append(spans, span{"fragments", u64(s.FragmentTable), s.FragmentTable})
	}
	for _, p := range spans[1:] {
		end = min(end, p.start)
	}
	for _, p := range append(spans, span{"dirs", s.DirTable, end}) {
		for at := p.start; at < p.end; {
			word := binary.LittleEndian.Uint16(image[at:])
			stored := image[at+2:][:word&^format.MetaUncompressed]
			at += 2 + uint64(len(stored))
			if word&format.MetaUncompressed == 0 {
				plain := make([]byte, format.MetaBlockSize)
				n, err := d.Decompress(plain, stored)
				check(t, err)
				stored = plain[:n]
			}
			x.part[p.name] = append(x.part[p.name], stored...)
		}
	}
	return x
}

// packer appends the stored form of a metadata block and tells whether that is
// compressed.
type packer func(b, plain []byte) ([]byte, bool, error)

func plainly(b, plain []byte) ([]byte, bool, error) { return append(b, plain...), false, nil }

// compressing is a packer with a compression that can be written.
func compressing(t testing.TB, id uint16) packer {
	t.Helper()
	e, err := codec.NewEncoding(codec.Choice{ID: id}, format.MaxBlockSize)
	check(t, err)
	c, err := e.New()
	check(t, err)
	return func(b, plain []byte) ([]byte, bool, error) {
		out, err := c.Compress(b, plain)
		if len(out)-len(b) > format.MetaBlockSize {
			return plainly(b, plain)
		}
		return out, true, err
	}
}

// image puts the parts together, metadata blocks of format.MetaBlockSize bytes
// packed by pack.
func (x *tables) image(t testing.TB, pack packer) []byte {
	t.Helper()
	le := binary.LittleEndian
	b := append(make([]byte, format.SuperSize), x.data...)
	s := x.super
	starts := map[string][]byte{} // where the blocks of a table lie
	add := func(name string) uint64 {
		first := uint64(len(b))
		for rest := x.part[name]; len(rest) > 0; {
			plain := rest[:min(len(rest), format.MetaBlockSize)]
			rest = rest[len(plain):]
			starts[name] = le.AppendUint64(starts[name], uint64(len(b)))
			at := len(b)
			var packed bool
			var err error
			b, packed, err = pack(append(b, 0, 0), plain)
			check(t, err)
			word := uint16(len(b) - at - 2)
			if !packed {
				word |= format.MetaUncompressed
			}
			le.PutUint16(b[at:], word)
		}
		return first
	}
	list := func(name string, at *uint64) {
		add(name)
		*at = uint64(len(b))
		b = append(b, starts[name]...)
	}
	s.InodeTable, s.DirTable = add("inodes"), add("dirs")
	list("fragments", &s.FragmentTable)
	if s.ExportTable != format.None {
		list("exports", &s.ExportTable)
	}
	list("ids", &s.IDTable)
	if s.XattrTable != format.None {
		entries := add("xattrs")
		add("xattr ids")
		s.XattrTable = uint64(len(b))
		b = le.AppendUint64(b, entries)
		b = le.AppendUint32(b, uint32(len(x.part["xattr ids"])/format.XattrIDSize))
		b = append(append(b, 0, 0, 0, 0), starts["xattr ids"]...)
	}
	s.BytesUsed = uint64(len(b))
	copy(b, s.Bytes())
	return b
}

// checkedIn returns an image of testdata.
func checkedIn(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".sqfs"))
	check(t, err)
	return b
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
