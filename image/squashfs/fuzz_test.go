package squashfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/sealift/sealift/e2e/trees"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
)

// fuzzed are the images of testdata whose tables are one metadata block each,
// so that these can be compressed anew.
var fuzzed = []string{"plain", "noI", "gzip", "zstd", "xz", "lz4", "lzo", "lzma"}

// maxAlloc bounds what a reader may allocate to open a small image, walk it
// and read its files, caches and garbage included.
const maxAlloc = 512 << 20

// explore opens an image, walks it and reads the start and end of its files.
// The result is an error that says what is wrong with the image, or none.
func explore(t testing.TB, image []byte) error {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := walk(image)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > maxAlloc {
		t.Errorf("%d MiB allocated for an image of %d bytes", n>>20, len(image))
	}
	blames(t, err)
	return err
}

// blames fails the test if err is an error that no image can be the cause of.
func blames(t testing.TB, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, squashfs.ErrCorrupt) && !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("the error does not blame the image: %v", err)
	}
}

func walk(image []byte) error {
	r, err := squashfs.Open(bytes.NewReader(image), int64(len(image)), squashfs.Options{CacheBytes: 1})
	if err != nil {
		return err
	}
	root, err := r.Tree()
	if err != nil {
		return err
	}
	files, room := 0, make([]byte, 64<<10)
	for name, n := range root.Walk() {
		f, ok := n.Content.(*squashfs.File)
		if !ok || files > 50 {
			continue
		}
		files++
		for _, off := range []int64{0, max(0, f.Size()-100)} {
			b := room[:min(int64(len(room)), f.Size()-off)]
			if k, err := f.ReadAt(b, off); err != nil && err != io.EOF || k < len(b) && err == nil {
				return errors.Join(err, errShort(k < len(b) && err == nil, name))
			}
		}
	}
	return nil
}

// errShort is an error that no image can cause.
func errShort(short bool, name string) error {
	if short {
		return errors.New("fewer bytes than asked for, and no error: " + name)
	}
	return nil
}

// numbers are what a field of an image is most likely to be wrong with.
var numbers = []uint64{
	0, 1, 2, 3, 20, 0x7f, 0xff, 0x100, 0x1fff, 0x2000, 0x2001, 0x7fff, 0x8000, 0xffff, 1 << 16, 1 << 20, 1 << 24,
	1<<24 | 4096, 1<<31 - 1, 1 << 31, 1<<32 - 2, 1<<32 - 1, 1 << 32, 1 << 40, 1 << 62, 1<<63 - 1, 1 << 63, 1<<64 - 1,
}

// edit changes the decoded tables of an image as the fuzzer says, five bytes
// for each change: table, place, kind of change, value.
func edit(x *tables, steps []byte) {
	for ; len(steps) >= 5; steps = steps[5:] {
		name := tableNames[int(steps[0])%len(tableNames)]
		b := x.part[name]
		if len(b) == 0 {
			continue
		}
		at, value := int(binary.LittleEndian.Uint16(steps[1:]))%len(b), steps[4]
		var number [8]byte
		binary.LittleEndian.PutUint64(number[:], numbers[int(value)%len(numbers)])
		switch kind := steps[3] % 8; kind {
		case 0:
			b[at] = value
		case 1:
			b[at] += value
		case 2, 3, 4:
			copy(b[at:], number[:1<<(kind-1)])
		case 5:
			x.part[name] = b[:at]
		case 6:
			copy(b[at:], b[int(value)*len(b)/256:])
		case 7:
			x.part[name] = append(bytes.Clone(b[:at]), b[at/2:]...)
		}
	}
}

// FuzzMetadata (F2) changes the decoded metadata of an image, compresses it again
// and explores the result.
func FuzzMetadata(f *testing.F) {
	for i := range fuzzed {
		for table := range tableNames {
			f.Add(uint8(i), i%2 == 0, []byte{byte(table), 16, 0, 2, 12, byte(table), 4, 0, 4, 20})
		}
	}
	packers := map[uint16]packer{format.Gzip: compressing(f, format.Gzip), format.Zstd: compressing(f, format.Zstd)}
	f.Fuzz(func(t *testing.T, seed uint8, compressed bool, steps []byte) {
		x := takeApart(t, checkedIn(t, fuzzed[int(seed)%len(fuzzed)]))
		edit(x, steps[:min(len(steps), 100)])
		pack := packers[x.super.Compression]
		if pack == nil || !compressed {
			pack = plainly
		}
		explore(t, x.image(t, pack))
	})
}

// FuzzListing (F3) makes any bytes the listing of the root directory.
func FuzzListing(f *testing.F) {
	x := takeApart(f, checkedIn(f, "plain"))
	f.Add(x.part["dirs"], uint32(len(x.part["dirs"])), uint16(0))
	f.Add(bytes.Repeat(x.part["dirs"], 100), uint32(20000), uint16(3))
	f.Add(format.AppendDirRun(nil, []format.DirEntry{{Name: "a", Number: 1, Type: format.Reg}, {Name: "b", Number: 2, Type: format.Dir}}), uint32(31), uint16(0))
	f.Fuzz(func(t *testing.T, listing []byte, size uint32, offset uint16) {
		x := takeApart(t, checkedIn(t, "plain"))
		root := format.Inode{Type: format.LDir, Number: 1, Nlink: 2, Xattr: format.NoXattr,
			Size: uint64(size), DirOffset: offset}
		x.super.Root = format.MakeRef(0, uint16(len(x.part["inodes"])))
		x.part["inodes"] = root.Append(x.part["inodes"])
		x.part["dirs"] = listing
		explore(t, x.image(t, plainly))
	})
}

// FuzzXattrs (F4) makes any bytes the extended attributes of a file.
func FuzzXattrs(f *testing.F) {
	x := takeApart(f, checkedIn(f, "plain"))
	f.Add(x.part["xattrs"], x.part["xattr ids"], uint32(0))
	f.Add(bytes.Repeat(x.part["xattrs"], 200), bytes.Repeat(x.part["xattr ids"], 600), uint32(1))
	f.Add([]byte{0, 1, 1, 0, 'a', 8, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0}, []byte{0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 20, 0, 0, 0}, uint32(0))
	f.Fuzz(func(t *testing.T, entries, ids []byte, id uint32) {
		x := takeApart(t, checkedIn(t, "plain"))
		root := format.Inode{Type: format.LDir, Number: 1, Nlink: 2, Xattr: id}
		x.super.Root = format.MakeRef(0, uint16(len(x.part["inodes"])))
		x.part["inodes"] = root.Append(x.part["inodes"])
		x.part["xattrs"], x.part["xattr ids"] = entries, ids
		explore(t, x.image(t, plainly))
	})
}

// TestTakenApartAndPutTogether shows that the images that are fuzzed are sound
// but for what is changed.
func TestTakenApartAndPutTogether(t *testing.T) {
	for _, name := range fuzzed {
		image := checkedIn(t, name)
		want := describe(t, image)
		x := takeApart(t, image)
		trees.Same(t, name, describe(t, x.image(t, plainly)), want)
		if id := x.super.Compression; id == format.Gzip || id == format.Zstd {
			trees.Same(t, name, describe(t, x.image(t, compressing(t, id))), want)
		}
	}
}

func describe(t testing.TB, image []byte) []string {
	t.Helper()
	r, err := squashfs.Open(bytes.NewReader(image), int64(len(image)), squashfs.Options{})
	check(t, err)
	root, err := r.Tree()
	check(t, err)
	return trees.Describe(t, root, trees.Count(root))
}
