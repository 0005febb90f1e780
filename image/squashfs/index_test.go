package squashfs

import (
	"bytes"
	"testing"

	"github.com/sealift/sealift/image/squashfs/format"
)

// TestDamagedXattrs breaks attributes and references to their values.
func TestDamagedXattrs(t *testing.T) {
	for _, c := range []struct {
		name  string
		patch func(v *victim, at int)
	}{
		{"prefix 9", func(v *victim, at int) { v.put(at, 2, 9) }},
		{"prefix 0x200", func(v *victim, at int) { v.put(at, 2, 0x200) }},
		{"name of 0 bytes", func(v *victim, at int) { v.put(at+2, 2, 0) }},
		{"name of 65535 bytes", func(v *victim, at int) { v.put(at+2, 2, 0xffff) }},
		{"name with NUL", func(v *victim, at int) { v.put(at+4, 1, 0) }},
		{"value of 2^32-1 bytes", func(v *victim, at int) { v.put(at+10, 4, 1<<32-1) }},
		{"value beyond the table", func(v *victim, at int) { v.put(at+10, 4, 60000) }},
		{"reference of 68 bytes", func(v *victim, at int) { v.put(at, 2, format.XattrOOL) }},
	} {
		v := newVictim(t, "plain")
		at := bytes.Index(v.image, []byte("shared\x44\x00\x00\x00")) - 4
		c.patch(v, at)
		r, err := v.open()
		check(t, err)
		_, err = r.Tree()
		damaged(t, c.name, err)
	}
}

// TestXattrPointsToItself makes a value stored elsewhere refer to its own
// reference: the eight bytes are then taken for a value, and that is all.
func TestXattrPointsToItself(t *testing.T) {
	v := newVictim(t, "plain")
	start := int(v.r.xattrs.Start) + 2
	ool := bytes.Index(v.image[start:], []byte{format.XattrOOL & 0xff, format.XattrOOL >> 8, 6, 0})
	if ool < 0 {
		t.Fatal("no value is stored elsewhere")
	}
	value := ool + 4 + len("shared")
	v.put(start+value+4, 8, uint64(value))
	r, err := v.open()
	check(t, err)
	if _, err := r.Tree(); err != nil {
		damaged(t, "loop", err)
	}
}

// TestDamagedIndex breaks the index of a directory.
func TestDamagedIndex(t *testing.T) {
	image := testdata(t, "indexed")
	r := open(t, image)
	root, err := r.Inode(r.Root())
	check(t, err)
	for name, patch := range map[string]func(ino *Inode){
		"block beyond the table": func(ino *Inode) { ino.Index[len(ino.Index)-1].Block = 1 << 30 },
		"block in the middle":    func(ino *Inode) { ino.Index[len(ino.Index)-1].Block-- },
		"offset in the middle":   func(ino *Inode) { ino.Index[len(ino.Index)-1].Offset -= 5 },
	} {
		bad := *root
		bad.Index = append([]format.DirIndex(nil), root.Index...)
		patch(&bad)
		fresh := open(t, image)
		if _, err := fresh.Lookup(&bad, "a-name-long-enough-to-need-an-index-399"); err == nil {
			t.Errorf("%s: found", name)
		}
	}
}

// TestIndexMustAscend rewrites the index of a directory's inode.
func TestIndexMustAscend(t *testing.T) {
	good := format.Inode{
		Type: format.LDir, Number: 1, Nlink: 2, Xattr: format.NoXattr, Size: 20000, DirBlock: 5,
		Index: []format.DirIndex{{Offset: 8000, Block: 10, Name: "m"}, {Offset: 16000, Block: 20, Name: "s"}},
	}
	for name, patch := range map[string]func(i *format.Inode){
		"":                           func(*format.Inode) {},
		"equal names":                func(i *format.Inode) { i.Index[1].Name = "m" },
		"equal offsets":              func(i *format.Inode) { i.Index[1].Offset = 8000 },
		"blocks that descend":        func(i *format.Inode) { i.Index[1].Block = 9 },
		"block before the directory": func(i *format.Inode) { i.Index[0].Block = 4 },
		"offset beyond the listing":  func(i *format.Inode) { i.Index[1].Offset = 20000 },
	} {
		v := newVictim(t, "plain")
		bad := good
		bad.Index = append([]format.DirIndex(nil), good.Index...)
		patch(&bad)
		at := int(v.r.super.InodeTable) + 2
		copy(v.image[at:], bad.Append(nil))
		r, err := v.open()
		check(t, err)
		_, err = r.Inode(format.MakeRef(0, 0))
		if name == "" {
			check(t, err)
		} else {
			damaged(t, name, err)
		}
	}
}
