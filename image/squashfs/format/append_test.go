package format

import (
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestTypeOfMode(t *testing.T) {
	for typ := uint16(Dir); typ <= Socket; typ++ {
		i := Inode{Type: typ, Perm: 0o4755}
		if got := Type(i.Mode()); got != typ {
			t.Errorf("type %d comes back as %d", typ, got)
		}
	}
	for _, mode := range []uint32{0, 0o644, 0o030000, 0o170000} {
		if got := Type(mode); got != 0 {
			t.Errorf("mode %#o is of type %d", mode, got)
		}
	}
}

func TestExtendOnlyWhenNeeded(t *testing.T) {
	plain := Inode{Type: Reg, Nlink: 1, Xattr: NoXattr, Size: math.MaxUint32, Start: math.MaxUint32}
	folder := Inode{Type: Dir, Nlink: 70000, Xattr: NoXattr, Size: math.MaxUint16}
	device := Inode{Type: Char, Nlink: 3, Xattr: NoXattr}
	change := func(i Inode, f func(*Inode)) Inode { f(&i); return i }
	for name, c := range map[string]struct {
		inode Inode
		want  uint16
	}{
		"plain file":      {plain, Reg},
		"file attributes": {change(plain, func(i *Inode) { i.Xattr = 0 }), LReg},
		"file links":      {change(plain, func(i *Inode) { i.Nlink = 2 }), LReg},
		"file size":       {change(plain, func(i *Inode) { i.Size++ }), LReg},
		"file start":      {change(plain, func(i *Inode) { i.Start++ }), LReg},
		"file holes":      {change(plain, func(i *Inode) { i.Sparse = 1 }), LReg},
		"directory":       {folder, Dir},
		"dir size":        {change(folder, func(i *Inode) { i.Size++ }), LDir},
		"dir index":       {change(folder, func(i *Inode) { i.Index = make([]DirIndex, 1) }), LDir},
		"dir attributes":  {change(folder, func(i *Inode) { i.Xattr = 1 }), LDir},
		"device":          {device, Char},
		"device attrs":    {change(device, func(i *Inode) { i.Xattr = 5 }), LChar},
		"again":           {Inode{Type: LReg, Nlink: 2}, LReg},
	} {
		if c.inode.Extend(); c.inode.Type != c.want {
			t.Errorf("%s: type %d, not %d", name, c.inode.Type, c.want)
		}
	}
}

// The fixed part of what Append writes parses back, and what follows it is as
// long as the parser expects.
func TestAppendedInodesParse(t *testing.T) {
	common := Inode{
		Perm: 0o4755, UIDIdx: 1, GIDIdx: 65534, MTime: math.MaxUint32, Number: 77,
		Nlink: 1, Xattr: NoXattr, Fragment: NoFragment,
	}
	file := func(i Inode) Inode {
		i.Size, i.Start, i.Fragment, i.FragOff = 3*4096+5, 96, 4, 1000
		i.Blocks = []uint32{17, 0, 4096 | BlockUncompressed}
		return i
	}
	dir := func(i Inode) Inode {
		i.Size, i.DirBlock, i.DirOffset, i.Parent, i.Nlink = 300, 9, 8000, 78, 5
		return i
	}
	cases := map[uint16]Inode{Reg: file(common), LReg: file(common), Dir: dir(common), LDir: dir(common)}
	for typ := uint16(Symlink); typ <= Socket; typ++ {
		cases[typ], cases[typ+LDir-Dir] = common, common
	}
	for typ, i := range cases {
		i.Type = typ
		items, width := 0, 0
		switch BasicType(typ) {
		case Reg:
			items, width = len(i.Blocks), 4
		case Symlink:
			i.Target = "target"
			items, width = len(i.Target), 1
			i.Size = uint64(items)
		case Block, Char:
			i.Rdev = 0x12345678
		}
		if typ >= LDir {
			i.Xattr = 3
		}
		if typ == LReg {
			i.Size, i.Start, i.Sparse, i.Nlink = 1<<40+5, 1<<50, 4096, 9
			items = 1 << 28
		}
		checkAppended(t, i, items, width)
	}
}

func checkAppended(t *testing.T, i Inode, items, width int) {
	t.Helper()
	b := i.Append([]byte("x"))[1:]
	size, err := InodeSize(b)
	if err != nil {
		t.Fatal(err)
	}
	got, tail, err := ParseInode(b[:size], 4096)
	if err != nil {
		t.Fatalf("type %d: %v", i.Type, err)
	}
	if tail != uint64(items) {
		t.Errorf("type %d: %d items follow, not %d", i.Type, tail, items)
	}
	want := i
	rest := len(want.Blocks) * 4
	if width == 1 {
		rest = items
	}
	if i.Type == LSymlink { // its attributes stand behind the target
		rest += 4
		want.Xattr = NoXattr
	}
	if len(b)-size != rest {
		t.Errorf("type %d: %d bytes follow the fixed part, not %d", i.Type, len(b)-size, rest)
	}
	want.Blocks, want.Target = nil, ""
	if !reflect.DeepEqual(got, want) {
		t.Errorf("type %d:\n got %+v\nwant %+v", i.Type, got, want)
	}
}

func TestAppendedIndex(t *testing.T) {
	i := Inode{Type: LDir, Xattr: NoXattr, Index: []DirIndex{
		{Offset: 8190, Block: 500, Name: "name"}, {Offset: 16000, Block: 900, Name: "o"},
	}}
	b := i.Append(nil)[inodeSizes[LDir]:]
	for _, want := range i.Index {
		got, length, err := ParseDirIndex(b[:DirIndexSize])
		if err != nil {
			t.Fatal(err)
		}
		got.Name = string(b[DirIndexSize : DirIndexSize+length])
		if b = b[DirIndexSize+length:]; got != want {
			t.Errorf("index entry %+v, not %+v", got, want)
		}
	}
	if len(b) != 0 {
		t.Errorf("%d bytes too many", len(b))
	}
}

func TestRunLength(t *testing.T) {
	entries := func(n int) []DirEntry {
		list := make([]DirEntry, n)
		for i := range list {
			list[i] = DirEntry{Name: "n", Ref: MakeRef(100, uint16(i)), Number: uint32(40000 + i)}
		}
		return list
	}
	change := func(i int, f func(*DirEntry)) []DirEntry {
		list := entries(10)
		f(&list[i])
		return list
	}
	for name, c := range map[string]struct {
		entries []DirEntry
		want    int
	}{
		"one":        {entries(1), 1},
		"full":       {entries(MaxDirCount), MaxDirCount},
		"over":       {entries(MaxDirCount + 1), MaxDirCount},
		"block":      {change(4, func(e *DirEntry) { e.Ref = MakeRef(101, 0) }), 4},
		"farthest":   {change(9, func(e *DirEntry) { e.Number = 40000 + 32767 }), 10},
		"too far":    {change(9, func(e *DirEntry) { e.Number = 40000 + 32768 }), 9},
		"lowest":     {change(3, func(e *DirEntry) { e.Number = 40000 - 32768 }), 10},
		"too low":    {change(3, func(e *DirEntry) { e.Number = 40000 - 32769 }), 3},
		"wraparound": {change(3, func(e *DirEntry) { e.Number = math.MaxUint32 }), 3},
	} {
		if got := RunLength(c.entries); got != c.want {
			t.Errorf("%s: %d entries, not %d", name, got, c.want)
		}
	}
}

func TestAppendDirRun(t *testing.T) {
	got := hex.EncodeToString(AppendDirRun(nil, []DirEntry{
		{Name: "ab", Ref: MakeRef(0x1234, 0x20), Number: 0x105, Type: Reg},
		{Name: "c", Ref: MakeRef(0x1234, 0x40), Number: 0x104, Type: Dir},
	}))
	want := strings.Join([]string{
		"01000000", "34120000", "05010000", // count-1, inode block, first number
		"2000", "0000", "0200", "0100", hex.EncodeToString([]byte("ab")),
		"4000", "ffff", "0100", "0000", hex.EncodeToString([]byte("c")),
	}, "")
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
