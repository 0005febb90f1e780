package squashfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"testing"

	"github.com/sealift/sealift/e2e/trees"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// withRoot returns an image with another root directory: of the entries given,
// which lead to inodes of the sound image, with the inode changed by change.
func withRoot(t testing.TB, entries []format.DirEntry, change func(root *format.Inode)) []byte {
	t.Helper()
	x := takeApart(t, checkedIn(t, "plain"))
	listing := format.AppendDirRun(nil, entries)
	root := format.Inode{
		Type: format.LDir, Number: x.super.Inodes, Nlink: 2, Xattr: format.NoXattr, Size: uint64(len(listing)) + 3,
	}
	if change != nil {
		change(&root)
	}
	x.super.Root = format.MakeRef(0, uint16(len(x.part["inodes"])))
	x.part["inodes"] = root.Append(x.part["inodes"])
	x.part["dirs"] = append(listing, x.part["dirs"]...)
	return x.image(t, plainly)
}

// known returns the entry that the sound image has for a name in its root.
func known(t testing.TB, name string) format.DirEntry {
	t.Helper()
	r := opened(t, checkedIn(t, "plain"))
	root, err := r.Inode(r.Root())
	check(t, err)
	e, err := r.Lookup(root, name)
	check(t, err)
	return e
}

func opened(t testing.TB, image []byte) *squashfs.Reader {
	t.Helper()
	r, err := squashfs.Open(bytes.NewReader(image), int64(len(image)), squashfs.Options{})
	check(t, err)
	return r
}

// TestImpossibleListings makes directories that no file system has.
// Listing them, looking names up in them and taking the tree fail alike.
func TestImpossibleListings(t *testing.T) {
	file, link, dir := known(t, "owned"), known(t, "link"), known(t, "dir")
	named := func(e format.DirEntry, name string) format.DirEntry { e.Name = name; return e }
	for what, entries := range map[string][]format.DirEntry{
		"parent's parent":    {named(file, "../../evil")},
		"slash":              {named(file, "a/b")},
		"dot":                {named(file, ".")},
		"dot dot":            {named(file, "..")},
		"NUL":                {named(file, "a\x00b")},
		"slash alone":        {named(file, "/")},
		"256 bytes":          {named(file, strings.Repeat("n", 256))},
		"file twice":         {named(file, "a"), named(file, "a")},
		"link and directory": {named(link, "a"), named(dir, "a")},
		"directory and link": {named(dir, "a"), named(link, "a")},
		"unsorted":           {named(file, "b"), named(file, "a")},
	} {
		r := opened(t, withRoot(t, entries, nil))
		root, err := r.Inode(r.Root())
		check(t, err)
		_, err = r.Lookup(root, entries[0].Name)
		blamed(t, what+", look-up", err)
		_, err = r.ReadDir(root)
		blamed(t, what+", listing", err)
		_, err = r.Tree()
		blamed(t, what+", tree", err)
	}
}

func blamed(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, squashfs.ErrCorrupt) {
		t.Errorf("%s: error %v", what, err)
	}
}

// TestEveryNameLength gives a name each length that its field can say.
func TestEveryNameLength(t *testing.T) {
	image := withRoot(t, []format.DirEntry{known(t, "owned")}, nil)
	at := int(opened(t, image).Super().DirTable) + 2 + format.DirHeaderSize + 6
	inParallel(1<<16, func(length int) {
		b := bytes.Clone(image)
		b[at], b[at+1] = byte(length), byte(length>>8)
		if err := walk(b); (err == nil) != (length == len("owned")-1) {
			t.Errorf("length field %d: %v", length, err)
		}
	})
}

// TestEmptyAndEndlessListings sets the length of a listing.
func TestEmptyAndEndlessListings(t *testing.T) {
	for size, fine := range map[uint64]bool{0: true, 1: true, 2: true, 3: true, 4: false, 14: false, 1 << 20: false, math.MaxUint32: false} {
		r := opened(t, withRoot(t, []format.DirEntry{known(t, "owned")}, func(root *format.Inode) { root.Size = size }))
		list, err := fs.ReadDir(r.FS(), ".")
		if fine && (err != nil || len(list) != 0) {
			t.Errorf("%d bytes: %d entries, %v", size, len(list), err)
		}
		if !fine {
			blamed(t, fmt.Sprint(size, " bytes"), err)
		}
	}
}

// TestIndexThatLies: an index that does not lead to the name it says is damage,
// not a reason to miss names.
func TestIndexThatLies(t *testing.T) {
	var entries []format.DirEntry
	for i := range 200 {
		e := known(t, "owned")
		e.Name = fmt.Sprintf("%03d", i)
		entries = append(entries, e)
	}
	second := format.DirIndex{Offset: 0, Block: 0, Name: "050"}
	for what, index := range map[string][]format.DirIndex{
		"place of another name": {second},
		"inside an entry":       {{Offset: 50, Name: "000"}},
		"far beyond":            {{Offset: 1 << 31, Name: "000"}},
		"block beyond":          {{Offset: 20, Block: 1 << 30, Name: "000"}},
		"65535 entries":         nil,
	} {
		image := withRoot(t, entries, func(root *format.Inode) { root.Index = index })
		if index == nil {
			ref := opened(t, image).Root()
			at := int(opened(t, image).Super().InodeTable) + 2 + int(ref.Offset()) + 32
			image[at], image[at+1] = 0xff, 0xff
			blamed(t, what, walk(image))
			continue
		}
		r, err := squashfs.Open(bytes.NewReader(image), int64(len(image)), squashfs.Options{})
		if err == nil {
			var root *squashfs.Inode
			root, err = r.Inode(r.Root())
			check(t, err)
			_, err = r.Lookup(root, "070")
		}
		blamed(t, what, err)
	}
}

// TestDeepImage nests directories deeper than any tree may.
func TestDeepImage(t *testing.T) {
	x := takeApart(t, checkedIn(t, "plain"))
	const depth = format.MaxDepth + 50
	x.part = map[string][]byte{"ids": x.part["ids"], "xattrs": x.part["xattrs"], "xattr ids": x.part["xattr ids"]}
	x.super.Inodes, x.super.ExportTable, x.super.Fragments = depth, format.None, 0
	at := func(n int) format.Ref { // of inode n, from 0; stored plainly, blocks are 2 bytes longer
		off := n * 32
		return format.MakeRef(uint64(off/format.MetaBlockSize*(format.MetaBlockSize+2)), uint16(off%format.MetaBlockSize))
	}
	for n := range depth {
		dir := format.Inode{Type: format.Dir, Perm: 0o755, Number: uint32(n + 1), Nlink: 2, Size: 3, Xattr: format.NoXattr}
		if n+1 < depth {
			run := format.AppendDirRun(nil, []format.DirEntry{{Name: "d", Ref: at(n + 1), Number: uint32(n + 2), Type: format.Dir}})
			off := n * len(run)
			dir.DirBlock = uint32(off / format.MetaBlockSize * (format.MetaBlockSize + 2))
			dir.DirOffset, dir.Size = uint16(off%format.MetaBlockSize), uint64(len(run)+3)
			x.part["dirs"] = append(x.part["dirs"], run...)
		}
		x.part["inodes"] = dir.Append(x.part["inodes"])
	}
	x.super.Root = at(0)
	r := opened(t, x.image(t, plainly))
	_, err := r.Tree()
	if blamed(t, "tree", err); err != nil && !strings.Contains(err.Error(), "1024") {
		t.Errorf("error %v", err)
	}
	_, err = r.FS().Stat(strings.Repeat("d/", depth-2) + "d")
	blamed(t, "path", err)
	_, err = r.FS().Stat(strings.Repeat("d/", 1000) + "d")
	check(t, err)
}

// TestBlocksThatExpand has compressed metadata and data decode to 1 MiB where
// 8 KiB and 4 KiB are the most there can be.
func TestBlocksThatExpand(t *testing.T) {
	for _, name := range []string{"gzip", "zstd"} {
		x := takeApart(t, checkedIn(t, name))
		pack := compressing(t, x.super.Compression)
		for _, table := range tableNames {
			bomb := func(b, plain []byte) ([]byte, bool, error) {
				if bytes.Equal(plain, x.part[table]) {
					plain = append(bytes.Clone(plain), make([]byte, 1<<20-len(plain))...)
				}
				return pack(b, plain)
			}
			if len(x.part[table]) > 0 {
				err := explore(t, x.image(t, bomb))
				if table == "exports" { // which only NFS servers read
					check(t, err)
				} else {
					blamed(t, name+" "+table, err)
				}
			}
		}
	}
}

// TestAnyDevice: the number of a device means nothing to a reader.
func TestAnyDevice(t *testing.T) {
	for _, rdev := range []uint32{0, 1, 1<<20 - 1, 1 << 20, 1<<31 - 1, 1 << 31, math.MaxUint32} {
		i := format.Inode{Rdev: rdev}
		major, minor := rdev>>8&0xfff, rdev&0xff|rdev>>12&0xfff00
		ino := squashfs.Inode{Inode: i}
		n := &tree.Node{Mode: tree.TypeChar, Rdev: ino.Device()}
		if got := trees.Describe(t, n, nil)[0]; !strings.HasSuffix(got, fmt.Sprintf("device %d:%d", major, minor)) {
			t.Errorf("%#x: %s", rdev, got)
		}
	}
}
