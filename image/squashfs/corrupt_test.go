package squashfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// victim is an image with plain inodes, to be damaged.
type victim struct {
	t     *testing.T
	image []byte
	r     *Reader // of the intact image
}

func newVictim(t *testing.T, name string) *victim {
	b := testdata(t, name)
	return &victim{t, b, open(t, bytes.Clone(b))}
}

// inode returns the offset in the image of the inode of path.
func (v *victim) inode(path string) int {
	v.t.Helper()
	info, err := v.r.FS().Lstat(path)
	check(v.t, err)
	ref := info.Sys().(*Inode).Ref
	return int(v.r.super.InodeTable+ref.Block()) + 2 + int(ref.Offset())
}

// entry returns the offset in the image of the directory entry called name,
// which is 8 bytes before the name.
func (v *victim) entry(name string) int {
	v.t.Helper()
	i := bytes.Index(v.image[v.r.super.DirTable:], []byte(name))
	if i < 0 {
		v.t.Fatalf("no entry %q", name)
	}
	return int(v.r.super.DirTable) + i - format.DirEntrySize
}

// put writes a number of the given bytes.
func (v *victim) put(at, size int, value uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], value)
	copy(v.image[at:at+size], b[:])
}

func (v *victim) open() (*Reader, error) {
	return Open(bytes.NewReader(v.image), int64(len(v.image)), Options{})
}

// damaged fails the test unless err says that the image is.
func damaged(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("%s: error %v", what, err)
	} else if strings.Count(err.Error(), ErrCorrupt.Error()) != 1 {
		t.Errorf("%s: the error repeats itself: %v", what, err)
	}
}

// TestDamagedSuperblock puts extreme values into each field.
func TestDamagedSuperblock(t *testing.T) {
	const none = 1<<64 - 1
	for _, c := range []struct {
		field    string
		at, size int
		values   []uint64
	}{
		{"magic", 0, 4, []uint64{0, 0x71736873}},
		{"inodes", 4, 4, []uint64{0, 1<<32 - 1, 1 << 30}},
		{"block size", 12, 4, []uint64{0, 1, 2048, 4097, 1 << 21, 1 << 31, 1<<32 - 1}},
		{"fragments", 16, 4, []uint64{1<<32 - 1, 1 << 20}},
		{"compression", 20, 2, []uint64{0, 7, 1<<16 - 1}},
		{"block log", 22, 2, []uint64{0, 11, 13, 1<<16 - 1}},
		{"ids", 26, 2, []uint64{0, 1<<16 - 1}},
		{"version", 28, 2, []uint64{3, 5}},
		{"root", 32, 8, []uint64{0xffff, 1 << 63, none, 7}},
		{"bytes used", 40, 8, []uint64{0, 95, 96, 1 << 62, none}},
		{"id table", 48, 8, []uint64{0, 8, none, 1 << 62, 1 << 63}},
		{"xattr table", 56, 8, []uint64{0, 8, 1 << 62, none - 1, none - 15}},
		{"inode table", 64, 8, []uint64{0, 8, none, 1 << 62}},
		{"directory table", 72, 8, []uint64{0, 8, none, 1 << 62}},
		{"fragment table", 80, 8, []uint64{0, 8, none, 1 << 62}},
		{"export table", 88, 8, []uint64{0, 8, none - 1, 1 << 62}},
	} {
		for _, value := range c.values {
			v := newVictim(t, "plain")
			v.put(c.at, c.size, value)
			_, err := v.open()
			damaged(t, fmt.Sprintf("%s %#x", c.field, value), err)
		}
		if c.size == 8 {
			v := newVictim(t, "plain")
			v.put(c.at, 8, uint64(len(v.image)))
			if r, err := v.open(); err == nil && c.at != 40 {
				_, err = r.Tree()
				damaged(t, c.field+" at the end", err)
			}
		}
	}
}

// TestFlagsDoNotMatter: the reader takes no length or place from flags.
func TestFlagsDoNotMatter(t *testing.T) {
	v := newVictim(t, "plain")
	v.put(24, 2, 0xffff)
	r, err := v.open()
	check(t, err)
	_, err = r.Tree()
	check(t, err)
}

// TestDamage patches one thing each. The path shows it, and others do not.
func TestDamage(t *testing.T) {
	for _, c := range []struct {
		name  string
		path  string
		patch func(v *victim)
	}{
		// Inodes.
		{"inode type 0", "big", func(v *victim) { v.put(v.inode("big"), 2, 0) }},
		{"inode type 15", "big", func(v *victim) { v.put(v.inode("big"), 2, 15) }},
		{"inode number 0", "big", func(v *victim) { v.put(v.inode("big")+12, 4, 0) }},
		{"inode number beyond", "big", func(v *victim) { v.put(v.inode("big")+12, 4, 1<<31) }},
		{"owner beyond", "big", func(v *victim) { v.put(v.inode("big")+4, 2, 200) }},
		{"group beyond", "big", func(v *victim) { v.put(v.inode("big")+6, 2, 0xffff) }},
		{"type other than the entry's", "fifo", func(v *victim) { v.put(v.inode("fifo"), 2, format.Socket) }},
		{"link of 0 bytes", "link", func(v *victim) { v.put(v.inode("link")+20, 4, 0) }},
		{"link of 4096 bytes", "link", func(v *victim) { v.put(v.inode("link")+20, 4, 4096) }},
		{"link of 4 GiB", "link", func(v *victim) { v.put(v.inode("link")+20, 4, 1<<32-1) }},
		{"link with NUL", "link", func(v *victim) { v.put(v.inode("link")+25, 1, 0) }},
		// File data; big is an extended inode: start, size, sparse, nlink, fragment, offset, xattr.
		{"size 2^63", "big", func(v *victim) { v.put(v.inode("big")+24, 8, 1<<63) }},
		{"size negative", "big", func(v *victim) { v.put(v.inode("big")+24, 8, 1<<64-1) }},
		{"size 2^62", "big", func(v *victim) { v.put(v.inode("big")+24, 8, 1<<62) }},
		{"block list longer than the table", "big", func(v *victim) { v.put(v.inode("big")+24, 8, 1<<35) }},
		{"last block shorter than the size says", "big", func(v *victim) { v.put(v.inode("big")+24, 8, 8192+4095) }},
		{"start beyond the end", "big", func(v *victim) { v.put(v.inode("big")+16, 8, 1<<40) }},
		{"start near 2^64", "big", func(v *victim) { v.put(v.inode("big")+16, 8, 1<<64-4096) }},
		// leaf is a basic inode: start, fragment, offset, size.
		{"fragment beyond", "dir/sub2/leaf", func(v *victim) { v.put(v.inode("dir/sub2/leaf")+20, 4, 1) }},
		{"fragment offset beyond", "dir/sub2/leaf", func(v *victim) { v.put(v.inode("dir/sub2/leaf")+24, 4, 4096) }},
		{"fragment offset 2^32-1", "dir/sub2/leaf", func(v *victim) { v.put(v.inode("dir/sub2/leaf")+24, 4, 1<<32-1) }},
		{"tail beyond its fragment", "dir/sub2/leaf", func(v *victim) { v.put(v.inode("dir/sub2/leaf")+28, 4, 4095) }},
		{"block longer than the block size", "big", func(v *victim) { v.put(v.inode("big")+56, 4, 1<<24|4097) }},
		{"block of 2^32-1", "big", func(v *victim) { v.put(v.inode("big")+56, 4, 1<<32-1) }},
		{"block shorter than the block size", "big", func(v *victim) { v.put(v.inode("big")+60, 4, 1<<24|4095) }},
		{"block that does not decode", "big", func(v *victim) { v.put(v.inode("big")+56, 4, 4096) }},
		{"xattr id beyond", "big", func(v *victim) { v.put(v.inode("big")+52, 4, 100) }},
		// Directories.
		{"name ..", "dir/sub2", func(v *victim) { copy(v.image[v.entry("leaf")+8:], "..\x00\x00"); v.put(v.entry("..")+6, 2, 1) }},
		{"name with slash", "dir/sub2", func(v *victim) { copy(v.image[v.entry("leaf")+8:], "../x") }},
		{"name with NUL", "dir/sub2", func(v *victim) { v.put(v.entry("leaf")+9, 1, 0) }},
		{"name of 65536 bytes", "dir/sub2", func(v *victim) { v.put(v.entry("leaf")+6, 2, 0xffff) }},
		{"name longer than the listing", "dir/sub2", func(v *victim) { v.put(v.entry("leaf")+6, 2, 4) }},
		{"duplicate name", "dir", func(v *victim) { copy(v.image[v.entry("CCCC2")+8:], "CCCC1") }},
		{"names that descend", "dir", func(v *victim) { copy(v.image[v.entry("CCCC2")+8:], "CCCC0") }},
		{"entry of an extended type", "dir", func(v *victim) { v.put(v.entry("CCCC1")+4, 2, format.LReg) }},
		{"entry of type 0", "dir", func(v *victim) { v.put(v.entry("CCCC1")+4, 2, 0) }},
		{"entry whose number underflows", "dir", func(v *victim) { v.put(v.entry("CCCC1")+2, 2, 0x8000) }},
		{"entry whose number is too big", "dir", func(v *victim) { v.put(v.entry("CCCC1")+2, 2, 0x7fff) }},
		{"header counts 257", "dir/sub2", func(v *victim) { v.put(v.entry("leaf")-12, 4, 256) }},
		{"header counts 2^32", "dir/sub2", func(v *victim) { v.put(v.entry("leaf")-12, 4, 1<<32-1) }},
		{"listing of 1 byte", "dir/sub2", func(v *victim) { v.put(v.inode("dir/sub2")+24, 2, 4) }},
		{"listing too long", "dir/sub2", func(v *victim) { v.put(v.inode("dir/sub2")+24, 2, 0xffff) }},
		{"listing beyond the table", "dir/sub2", func(v *victim) { v.put(v.inode("dir/sub2")+16, 4, 1<<32-1) }},
		{"listing beyond its block", "dir/sub2", func(v *victim) { v.put(v.inode("dir/sub2")+26, 2, 0xffff) }},
	} {
		v := newVictim(t, "plain")
		c.patch(v)
		r, err := v.open()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		damaged(t, c.name, readPath(r, c.path))
		_, err = r.Tree()
		if err == nil {
			err = readAll(r)
		}
		damaged(t, c.name+", whole tree", err)
		for _, path := range elsewhere(c.path) {
			if err := readPath(r, path); err != nil {
				t.Errorf("%s: damage shows at %s: %v", c.name, path, err)
			}
		}
	}
}

// elsewhere returns the paths of the victim that damage to one must leave
// alone: all but what lies beneath it, and but another name of its inode.
func elsewhere(path string) []string {
	all := []string{"abs", "big", "dev", "fifo", "hard", "link", "owned", "sparse", "dir/CCCC1", "dir/CCCC2", "dir/sub", "dir/sub2", "dir/sub2/leaf"}
	return slices.DeleteFunc(all, func(other string) bool {
		return other == path || strings.HasPrefix(other, path+"/") || path == "big" && other == "hard"
	})
}

// readPath reads all there is to a path.
func readPath(r *Reader, path string) error {
	info, err := r.FS().Lstat(path)
	if err != nil {
		return err
	}
	ino := info.Sys().(*Inode)
	if _, err := r.Xattrs(ino); err != nil {
		return err
	}
	switch {
	case ino.IsDir():
		_, err = fs.ReadDir(r.FS(), path)
	case ino.IsRegular():
		_, err = r.FS().ReadFile(path)
	}
	return err
}

// readAll reads the content of every file, up to 1 MiB of each.
func readAll(r *Reader) error {
	root, err := r.Tree()
	if err != nil {
		return err
	}
	return readNode(root)
}

func readNode(n *tree.Node) error {
	if f, ok := n.Content.(*File); ok {
		if _, err := io.Copy(io.Discard, io.NewSectionReader(f, 0, min(f.Size(), 1<<20))); err != nil {
			return err
		}
	}
	for _, child := range n.Entries {
		if err := readNode(child); err != nil {
			return err
		}
	}
	return nil
}

// TestDirectoryLoops points a directory entry at an ancestor, and at a
// directory that has a name already.
func TestDirectoryLoops(t *testing.T) {
	for _, target := range []string{".", "dir", "dir/sub2"} {
		v := newVictim(t, "plain")
		info, err := v.r.FS().Stat(target)
		check(t, err)
		ino := info.Sys().(*Inode)
		at := v.entry("sub") // dir/sub
		old, err := v.r.FS().Stat("dir/sub")
		check(t, err)
		delta := binary.LittleEndian.Uint16(v.image[at+2:]) + uint16(ino.Number-old.Sys().(*Inode).Number)
		v.put(at, 2, uint64(ino.Ref.Offset()))
		v.put(at+2, 2, uint64(delta))
		r, err := v.open()
		check(t, err)
		_, err = r.Tree()
		damaged(t, target, err)
		if target != "dir/sub2" {
			_, err = r.FS().Stat("dir/sub")
			damaged(t, target, err)
		}
	}
}

// TestDamagedMetadata breaks the length word of the first block of each table
// that is read on use.
func TestDamagedMetadata(t *testing.T) {
	for _, word := range []uint64{0, 0x8000, 0xffff, 0x8000 | 8193, 8193, 40, 0x8000 | 8192} {
		for _, table := range []string{"inode", "directory"} {
			v := newVictim(t, "plain")
			at := map[string]uint64{"inode": v.r.super.InodeTable, "directory": v.r.super.DirTable}[table]
			v.put(int(at), 2, word)
			r, err := v.open()
			if err == nil {
				_, err = r.Tree()
			}
			damaged(t, fmt.Sprintf("%s table, length %#x", table, word), err)
		}
	}
}
