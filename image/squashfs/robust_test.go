package squashfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/squashfs/format"
)

// TestNoStaleBytes fills the buffers that are used again with a pattern and
// reads data that turns out too short: no byte of the pattern may come out.
func TestNoStaleBytes(t *testing.T) {
	const big, leaf = "big", "dir/sub2/leaf"
	images := staleImages(t)
	for _, c := range []struct {
		name, path string
		patch      func(v *victim)
	}{
		{"tail beyond its fragment", leaf, func(v *victim) { v.put(v.inode(leaf)+28, 4, 4000) }},
		{"offset at the fragment's end", leaf, func(v *victim) { v.put(v.inode(leaf)+24, 4, 19) }},
		{"offset far beyond", leaf, func(v *victim) { v.put(v.inode(leaf)+24, 4, 4000) }},
		{"last block too short", big, func(v *victim) { v.put(v.inode(big)+24, 8, 8192+4095) }},
		{"block ends too early", big, func(v *victim) { v.put(v.inode(big)+56, 4, 30) }},
	} {
		for comp, image := range images {
			v := &victim{t, bytes.Clone(image), open(t, image)}
			c.patch(v)
			noStaleBytes(t, comp+": "+c.name, c.path, v)
		}
	}
}

// staleImages returns an image of each compression that has plain inodes.
func staleImages(t *testing.T) map[string][]byte {
	images := map[string][]byte{"gzip": testdata(t, "noI")}
	needTool(t, "mksquashfs")
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(3, 4))
	check(t, os.MkdirAll(filepath.Join(dir, "dir/sub2"), 0o755))
	check(t, os.WriteFile(filepath.Join(dir, "big"), text(rnd, 8292), 0o644))
	check(t, os.Link(filepath.Join(dir, "big"), filepath.Join(dir, "hard"))) // so that its inode is an extended one
	check(t, os.WriteFile(filepath.Join(dir, "dir/sub2/leaf"), []byte("leaf\n"), 0o644))
	check(t, os.WriteFile(filepath.Join(dir, "other"), text(rnd, 14), 0o644))
	for _, comp := range []string{"zstd", "xz", "lz4", "lzo", "lzma"} {
		images[comp] = mksquashfs(t, dir, "-comp", comp, "-noI", "-b", "4096")
	}
	return images
}

func noStaleBytes(t *testing.T, name, path string, v *victim) {
	r, err := v.open()
	check(t, err)
	for range 8 {
		b := r.getFree()
		for i := range b.room {
			b.room[i] = 0xa5
		}
		r.putFree(b)
	}
	info, err := r.FS().Stat(path)
	check(t, err)
	ino := info.Sys().(*Inode)
	failed := false
	for off := int64(0); off < int64(ino.Size); off += 700 {
		b := make([]byte, 1000)
		n, err := r.ReadAt(ino, b, off)
		failed = failed || errors.Is(err, ErrCorrupt)
		if bytes.Contains(b[:n], []byte{0xa5}) {
			t.Errorf("%s: stale bytes at %d", name, off)
		}
	}
	if !failed {
		t.Errorf("%s: no error", name)
	}
}

// TestTruncated opens every prefix of an image, and reads one that becomes
// shorter while open.
func TestTruncated(t *testing.T) {
	image := testdata(t, "zstd")
	for n := range image {
		_, err := Open(bytes.NewReader(image[:n]), int64(n), Options{})
		damaged(t, fmt.Sprintf("%d bytes", n), err)
		if n >= format.SuperSize && hint.Of(err) == "" {
			t.Errorf("%d bytes: no hint in %v", n, err)
		}
	}
	src := &shrinking{Reader: bytes.NewReader(image)}
	r, err := Open(src, int64(len(image)), Options{})
	check(t, err)
	src.Reader = bytes.NewReader(image[:200])
	_, err = r.FS().ReadFile("big")
	damaged(t, "shrunk", err)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("shrunk: %v", err)
	}
}

type shrinking struct{ *bytes.Reader }

// TestReadError keeps an error of the medium apart from damage of the image.
func TestReadError(t *testing.T) {
	broken := errors.New("medium error")
	image := testdata(t, "zstd")
	src := &failing{ReaderAt: bytes.NewReader(image)}
	r, err := Open(src, int64(len(image)), Options{})
	check(t, err)
	src.err = broken
	if _, err := r.FS().ReadFile("big"); !errors.Is(err, broken) || errors.Is(err, ErrCorrupt) {
		t.Errorf("error %v", err)
	}
	src.err = nil
	if _, err := r.FS().ReadFile("big"); err != nil {
		t.Errorf("the failure stays: %v", err)
	}
}

type failing struct {
	io.ReaderAt
	err error
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, off)
}

// TestBitFlips flips one bit of every byte of images, one at a time: each must
// be an error or a tree.
func TestBitFlips(t *testing.T) {
	for _, name := range []string{"plain", "noI", "zstd", "indexed"} {
		image := testdata(t, name)
		trees := 0
		for i := range image {
			image[i] ^= 1 << (i % 8)
			if r, err := Open(bytes.NewReader(image), int64(len(image)), Options{CacheBytes: 1}); err == nil && readAll(r) == nil {
				trees++
			}
			image[i] ^= 1 << (i % 8)
		}
		t.Logf("%s: %d of %d flips go unnoticed", name, trees, len(image))
		if trees == len(image) {
			t.Errorf("%s: no flip is noticed", name)
		}
	}
}
