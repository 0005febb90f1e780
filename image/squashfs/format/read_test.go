package format

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// fixed parses the fixed part of what an inode's Append made.
func fixed(t *testing.T, b []byte, blockSize uint32) (Inode, uint64, []byte) {
	t.Helper()
	n, err := InodeSize(b)
	if err != nil {
		t.Fatal(err)
	}
	ino, tail, err := ParseInode(b[:n], blockSize)
	if err != nil {
		t.Fatal(err)
	}
	return ino, tail, b[n:]
}

func TestParseInodeReversesAppend(t *testing.T) {
	common := Inode{Perm: 0o4755, UIDIdx: 1, GIDIdx: 2, MTime: 3, Number: 4, Nlink: 5, Xattr: NoXattr, Fragment: NoFragment}
	for typ := uint16(Dir); typ <= LSocket; typ++ {
		in := common
		in.Type = typ
		tailBytes := 0
		switch BasicType(typ) {
		case Dir:
			in.Size, in.DirBlock, in.DirOffset, in.Parent = 60000, 7, 8, 9
		case Reg:
			in.Size, in.Start, in.Fragment, in.FragOff = 3*4096+1, 10, 11, 12
			in.Blocks, tailBytes = []uint32{1, 2, 3}, 12
		case Symlink:
			in.Target, in.Size, tailBytes = "target", 6, 6
		case Block, Char:
			in.Rdev = 0x1234
		}
		if typ == Reg {
			in.Nlink = 1
		}
		if typ == LReg {
			in.Size, in.Start, in.Sparse, in.Blocks, tailBytes = 3<<32, 1<<40, 99, nil, 0
		}
		if typ >= LDir && typ != LSymlink {
			in.Xattr = 77
		}
		got, _, rest := fixed(t, in.Append(nil), 4096)
		if typ == LSymlink {
			tailBytes += 4 // the xattr index
		}
		if len(rest) != tailBytes {
			t.Errorf("type %d: %d bytes follow, want %d", typ, len(rest), tailBytes)
		}
		got.Target, got.Blocks = in.Target, in.Blocks
		if !reflect.DeepEqual(got, in) {
			t.Errorf("type %d:\n%+v, want\n%+v", typ, got, in)
		}
	}
}

func TestInodeTails(t *testing.T) {
	for _, c := range []struct {
		ino  Inode
		want uint64
	}{
		{Inode{Type: Reg, Size: 8192, Fragment: NoFragment}, 2},
		{Inode{Type: Reg, Size: 8193, Fragment: NoFragment}, 3},
		{Inode{Type: Reg, Size: 8193, Fragment: 0}, 2},
		{Inode{Type: Reg, Size: 0, Fragment: NoFragment}, 0},
		{Inode{Type: LReg, Size: 1<<63 - 1, Fragment: NoFragment}, 1 << 51},
		{Inode{Type: Symlink, Target: "abc"}, 3},
		{Inode{Type: LDir, Index: []DirIndex{{Name: "a"}, {Name: "b"}}}, 2},
		{Inode{Type: Dir}, 0},
	} {
		c.ino.Number = 1
		if _, tail, _ := fixed(t, c.ino.Append(nil), 4096); tail != c.want {
			t.Errorf("%+v: tail %d, want %d", c.ino, tail, c.want)
		}
	}
}

func TestImpossibleInodes(t *testing.T) {
	for _, ino := range []Inode{
		{Type: Dir, Number: 0},
		{Type: LReg, Number: 1, Size: 1 << 63},
		{Type: Symlink, Number: 1},
		{Type: Symlink, Number: 1, Target: strings.Repeat("x", 4096)},
	} {
		b := ino.Append(nil)
		n, err := InodeSize(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = ParseInode(b[:n], 4096); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%+v: error %v", ino, err)
		}
	}
	for _, typ := range []byte{0, 15, 255} {
		if _, err := InodeSize([]byte{typ, 0}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("type %d: error %v", typ, err)
		}
	}
}

func TestModeReversesType(t *testing.T) {
	for typ := uint16(Dir); typ <= LSocket; typ++ {
		mode := (&Inode{Type: typ, Perm: 0o1750}).Mode()
		if Type(mode) != BasicType(typ) || mode&0o7777 != 0o1750 {
			t.Errorf("type %d: mode %o", typ, mode)
		}
	}
}

func TestParseDirReversesAppend(t *testing.T) {
	in := []DirEntry{
		{Name: "a", Ref: MakeRef(100, 1), Number: 70000, Type: Reg},
		{Name: "b", Ref: MakeRef(100, 8000), Number: 70000 - 32768, Type: Socket},
		{Name: strings.Repeat("c", 255), Ref: MakeRef(100, 3), Number: 70000 + 32767, Type: Dir},
	}
	b := AppendDirRun(nil, in)
	h, err := ParseDirHeader(b)
	if err != nil || h != (DirHeader{3, 100, 70000}) {
		t.Fatalf("%+v, %v", h, err)
	}
	b = b[DirHeaderSize:]
	for _, want := range in {
		got, n, err := ParseDirEntry(b, h)
		if err != nil {
			t.Fatal(err)
		}
		b = b[DirEntrySize:]
		got.Name, b = string(b[:n]), b[n:]
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

func TestImpossibleDirs(t *testing.T) {
	if _, err := ParseDirHeader([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("257 entries: %v", err)
	}
	h := DirHeader{Count: 1, Number: 5}
	for name, b := range map[string][]byte{
		"number 0":          {0, 0, 0xfb, 0xff, Reg, 0, 0, 0},
		"number -1":         {0, 0, 0xfa, 0xff, Reg, 0, 0, 0},
		"type 0":            {0, 0, 0, 0, 0, 0, 0, 0},
		"extended type":     {0, 0, 0, 0, LDir, 0, 0, 0},
		"name of 256 bytes": {0, 0, 0, 0, Reg, 0, 255, 0},
	} {
		if _, _, err := ParseDirEntry(b, h); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	big := DirHeader{Count: 1, Number: 1<<32 - 1}
	if _, _, err := ParseDirEntry([]byte{0, 0, 1, 0, Reg, 0, 0, 0}, big); !errors.Is(err, ErrCorrupt) {
		t.Errorf("number 2^32: error %v", err)
	}
	if _, _, err := ParseDirIndex([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("index name of 2^32 bytes: error %v", err)
	}
}

func TestCheckName(t *testing.T) {
	for _, bad := range []string{"", ".", "..", "a/b", "/", "a\x00b", strings.Repeat("x", 256)} {
		if CheckName(bad) == nil {
			t.Errorf("%q is possible", bad)
		}
	}
	for _, good := range []string{"...", ".a", "a\nb", "\xff", strings.Repeat("x", 255)} {
		if err := CheckName(good); err != nil {
			t.Error(err)
		}
	}
}

func TestStoredLen(t *testing.T) {
	for _, c := range []struct {
		word       uint32
		n          uint32
		compressed bool
		ok         bool
	}{
		{0, 0, true, true}, {4096, 4096, true, true}, {4097, 0, false, false},
		{1<<24 | 4096, 4096, false, true}, {1<<24 | 4097, 0, false, false}, {1 << 25, 0, false, false}, {1<<32 - 1, 0, false, false},
	} {
		n, compressed, err := StoredLen(c.word, 4096)
		if n != c.n || compressed != c.compressed || (err == nil) != c.ok {
			t.Errorf("%#x: %d, %v, %v", c.word, n, compressed, err)
		}
	}
	if _, err := ParseFragment(make([]byte, FragmentSize), 4096); err == nil {
		t.Error("a fragment of 0 bytes passes")
	}
	if f, err := ParseFragment([]byte{1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 1, 0, 0, 0, 0}, 4096); err != nil || f != (Fragment{1, 1<<24 | 9}) {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestXattrForms(t *testing.T) {
	for typ, want := range map[uint16]string{0: "user.", 1: "trusted.", 2: "security.", 0x102: "security."} {
		prefix, outOfLine, err := XattrPrefix(typ)
		if prefix != want || outOfLine != (typ > 255) || err != nil {
			t.Errorf("%#x: %q, %v, %v", typ, prefix, outOfLine, err)
		}
	}
	for _, typ := range []uint16{3, 9, 0x103, 0x200, 0xffff} {
		if _, _, err := XattrPrefix(typ); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%#x: %v", typ, err)
		}
	}
	if x := ParseXattrID([]byte{1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0}); x != (XattrID{MakeRef(2, 1), 3, 4}) {
		t.Errorf("%+v", x)
	}
}

func TestHotTrailer(t *testing.T) {
	b := HotTrailer(1 << 40)
	if end, ok := ParseHotTrailer(append(b, 1, 2)); !ok || end != 1<<40 || len(b) != HotTrailerSize {
		t.Errorf("%d, %v from %d bytes", end, ok, len(b))
	}
	for _, b := range [][]byte{nil, b[:HotTrailerSize-1], make([]byte, HotTrailerSize)} {
		if _, ok := ParseHotTrailer(b); ok {
			t.Errorf("%x passes", b)
		}
	}
}
