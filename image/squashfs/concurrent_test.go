package squashfs

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sealift/sealift/image/tree"
)

// TestConcurrentReads has many goroutines read everything in any order while
// the cache holds two blocks.
func TestConcurrentReads(t *testing.T) {
	for _, name := range compressions {
		image := testdata(t, name)
		r, err := Open(bytes.NewReader(image), int64(len(image)), Options{CacheBytes: 1})
		check(t, err)
		want := map[string][]byte{}
		for _, path := range []string{"big", "sparse", "owned", "dir/CCCC1", "dir/CCCC2", "dir/sub2/leaf"} {
			want[path], err = r.FS().ReadFile(path)
			check(t, err)
		}
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for range 10 {
					for path, b := range want {
						if err := readSome(r, path, b, rand.New(rand.NewPCG(uint64(g), 9))); err != nil {
							t.Errorf("%s: %v", name, err)
						}
					}
				}
				if _, err := r.Tree(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

func readSome(r *Reader, path string, want []byte, rnd *rand.Rand) error {
	info, err := r.FS().Stat(path)
	if err != nil {
		return err
	}
	off := rnd.IntN(len(want))
	b := make([]byte, 1+rnd.IntN(len(want)))
	n, err := r.ReadAt(info.Sys().(*Inode), b, int64(off))
	if err != nil && err != io.EOF || !bytes.Equal(b[:n], want[off:off+n]) {
		return fmt.Errorf("%s: %d bytes at %d: %v", path, n, off, err)
	}
	if _, err := r.Xattrs(info.Sys().(*Inode)); err != nil {
		return err
	}
	return nil
}

// TestSmallReadsDecodeOnce reads files a few bytes at a time and counts the
// reads of the image: one for each block, two blocks being kept.
func TestSmallReadsDecodeOnce(t *testing.T) {
	src := &counting{Reader: bytes.NewReader(testdata(t, "zstd"))}
	r, err := Open(src, src.Size(), Options{CacheBytes: 1})
	check(t, err)
	info, err := r.FS().Stat("big")
	check(t, err)
	ino := info.Sys().(*Inode)
	src.reads.Store(0)
	buf := make([]byte, 10)
	for off := int64(0); off < 4000; off += 10 {
		for _, at := range []int64{off, 4096 + off} {
			_, err := r.ReadAt(ino, buf, at)
			check(t, err)
		}
	}
	if n := src.reads.Load(); n != 2 {
		t.Errorf("%d reads for two blocks", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, err = r.ReadAt(ino, buf, 4096) }); n > 1 || err != nil {
		t.Errorf("%v allocations for a read from the cache, %v", n, err)
	}
	whole := make([]byte, 4096)
	if n := testing.AllocsPerRun(100, func() { _, err = r.ReadAt(ino, whole, 0) }); n > 1 || err != nil {
		t.Errorf("%v allocations for a read of a whole block, %v", n, err)
	}
}

// TestReadReady reads what is in memory and nothing else: a read that it does
// costs none of the image, and one that it leaves does.
func TestReadReady(t *testing.T) {
	src := &counting{Reader: bytes.NewReader(testdata(t, "zstd"))}
	r, err := Open(src, src.Size(), Options{CacheBytes: 1 << 20})
	check(t, err)
	_, err = r.FragmentEntry(0) // the table is one metadata block
	check(t, err)
	ready, waiting := 0, 0
	check(t, fs.WalkDir(r.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		check(t, err)
		ino := info.Sys().(*Inode)
		half := int64(r.Super().BlockSize) / 2
		for off := int64(0); off < info.Size(); off += half {
			// Over the border of two blocks, of which the first may be there.
			got, want := make([]byte, 2*half), make([]byte, 2*half)
			src.reads.Store(0)
			n, quick := r.ReadReady(ino, got, off)
			if src.reads.Load() != 0 {
				t.Errorf("%s at %d: storage was read", path, off)
			}
			m, slow := r.ReadAt(ino, want, off)
			switch {
			case quick == ErrNotReady && src.reads.Load() == 0:
				t.Errorf("%s at %d: all of it was in memory", path, off)
			case quick == ErrNotReady:
				waiting++
			case quick != slow || n != m || !bytes.Equal(got, want):
				t.Errorf("%s at %d: %d bytes, %v; ReadAt: %d bytes, %v", path, off, n, quick, m, slow)
			default:
				ready++
			}
		}
		return nil
	}))
	if ready == 0 || waiting == 0 {
		t.Errorf("%d reads were ready, %d not", ready, waiting)
	}
}

type counting struct {
	*bytes.Reader
	reads atomic.Int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.reads.Add(1)
	return c.Reader.ReadAt(p, off)
}

// FuzzOpen (F2) opens any bytes as an image, walks the tree and reads the files.
func FuzzOpen(f *testing.F) {
	for _, name := range append(compressions, "huge", "indexed") {
		f.Add(testdata(f, name))
	}
	f.Fuzz(func(t *testing.T, image []byte) {
		r, err := Open(bytes.NewReader(image), int64(len(image)), Options{CacheBytes: 1 << 20})
		if err != nil {
			return
		}
		root, err := r.Tree()
		if err != nil {
			return
		}
		files := 0
		readFuzzed(t, root, &files)
	})
}

// readFuzzed reads the first MiB and the end of up to 50 files.
func readFuzzed(t *testing.T, n *tree.Node, files *int) {
	if f, ok := n.Content.(*File); ok && *files < 50 {
		*files++
		for _, off := range []int64{0, f.Size() - 100} {
			b := make([]byte, 1<<20)
			k, err := f.ReadAt(b, max(off, 0))
			if k > len(b) || k < len(b) && err == nil {
				t.Errorf("%d bytes of %d without an error", k, len(b))
			}
		}
	}
	for _, child := range n.Entries {
		readFuzzed(t, child, files)
	}
}
