package gate

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/merkle"
	"github.com/sealift/sealift/image/trust/remember"
)

// whole is the rule that all images are signed, by people who may have signed any tree.
var whole = strings.ReplaceAll(verify, "tree = true\n", "")

// remembering has a Gate remember in a cache of its own.
func remembering(t *testing.T, g *Gate) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "cache")
	g.Memory = &remember.Trees{
		Open: func() (*cache.Cache, error) {
			return cache.Open(dir, cache.Options{Warn: func(err error) { t.Error(err) }})
		},
		Warn: func(err error) { t.Error(err) },
	}
	return dir
}

// counting counts the bytes that are read of a part of a file, and of the rest.
type counting struct {
	*os.File
	offset, size int64

	mu          sync.Mutex
	part, other int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.File.ReadAt(p, off)
	c.mu.Lock()
	defer c.mu.Unlock()
	if off >= c.offset && off < c.offset+c.size {
		c.part += int64(n)
	} else {
		c.other += int64(n)
	}
	return n, err
}

// reads asks the Gate about an image, and returns how much is read of the partition and of
// the rest before it answers.
func reads(t *testing.T, g *Gate, f *os.File) (part, other int64, r *merkle.Reader, err error) {
	t.Helper()
	o, _ := load(t, f).PrimaryObject()
	c := &counting{File: f, offset: o.Offset, size: o.Size}
	st, err := f.Stat()
	must(t, err)
	img, err := sif.Open(c, st.Size())
	must(t, err)
	r, err = g.Hold(t.Context(), "")(f, img)
	return c.part, c.other, r, err
}

// allowedAfter wants an image to be allowed when so many bytes of its partition were read, and to
// be read as it was written.
func allowedAfter(t *testing.T, g *Gate, f *os.File, want int64) {
	t.Helper()
	part, other, r, err := reads(t, g, f)
	if err != nil || part != want || other > 256<<10 {
		t.Errorf("%v; %d bytes of the partition are read, not %d, and %d others", err, part, want, other)
		return
	}
	got := make([]byte, len(body))
	if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, body) {
		t.Errorf("the partition is read otherwise than it was written: %v", err)
	}
}

// copied copies an image.
func copied(t *testing.T, f *os.File) *os.File {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	must(t, err)
	to, err := os.OpenFile(filepath.Join(t.TempDir(), "copy.sif"), os.O_RDWR|os.O_CREATE, 0o644)
	must(t, err)
	t.Cleanup(func() { must(t, to.Close()) })
	_, err = to.Write(b)
	must(t, err)
	return to
}

// An image is read whole once, in which each byte is read once: afterwards nothing of it, nor of any
// other that has the same file system, whatever the tree in it and whoever signed.
func TestRemembered(t *testing.T) {
	ada, bob, _ := people(t)
	both(t, func(t *testing.T, tree bool) {
		g := rules(t, []*keyring.Key{ada, bob}, whole)
		dir := remembering(t, g)
		f := newImage(t, tree)
		sign(t, f, ada)
		var read progress
		g.Whole = read.start
		size := int64(len(body))
		allowedAfter(t, g, f, size)
		if read != (progress{size, size, 1}) {
			t.Errorf("it is told that %+v is read", read)
		}
		for _, again := range []*os.File{f, copied(t, f)} {
			allowedAfter(t, g, again, 0)
		}
		sign(t, f, bob, ada)
		allowedAfter(t, g, f, 0)
		other := newImage(t, !tree)
		sign(t, other, bob)
		allowedAfter(t, g, other, 0)
		must(t, os.RemoveAll(dir))
		allowedAfter(t, g, f, size)
		g.Memory = nil
		for range 2 {
			allowedAfter(t, g, f, size)
		}
	})
}

// Signatures over other objects alone, and those of before SIF 1.0, do not say what the
// file system is: it is read whole, each time.
func TestNotRemembered(t *testing.T) {
	ada, _, _ := people(t)
	g := rules(t, []*keyring.Key{ada}, whole)
	remembering(t, g)
	f := newImage(t, false)
	must(t, trust.Sign(t.Context(), f, trust.SignOptions{Key: ada, Objects: []uint32{1}, Now: time.Now()}))
	refused(t, g, f, "0 of the 1 known signers")
	sign(t, f, ada)
	for range 2 {
		if part, _, r, err := reads(t, g, f); r == nil || err != nil || part < int64(len(body)) {
			t.Errorf("with a signature in part: %v; %d bytes are read", err, part)
		}
	}
	for _, name := range []string{"one-group-signed-legacy-all", "one-group-signed-pgp"} {
		f, k := corpus(t, name)
		g := ecl(t, k, true)
		remembering(t, g)
		part, err := load(t, f).Primary()
		must(t, err)
		for range 2 {
			if n, _, r, err := reads(t, g, f); r == nil || err != nil || n < part.Size {
				t.Errorf("%s: %v; %d bytes are read", name, err, n)
			}
		}
	}
}

// Images of others' programs have no tree in them, and are remembered all the same.
func TestOthersImage(t *testing.T) {
	f, k := corpus(t, "one-group-signed-pgp")
	g := ecl(t, k, false)
	remembering(t, g)
	part, err := load(t, f).Primary()
	must(t, err)
	was := make([]byte, part.Size)
	_, err = f.ReadAt(was, part.Offset)
	must(t, err)
	for _, want := range []int64{part.Size, 0} {
		n, _, r, err := reads(t, g, f)
		if err != nil || n != want {
			t.Errorf("%v; %d bytes are read, not %d", err, n, want)
			continue
		}
		got := make([]byte, part.Size)
		if _, err := r.ReadAt(got, 0); err != nil && err != io.EOF || !bytes.Equal(got, was) {
			t.Error(err)
		}
	}
	overwrite(t, f, part.Offset+part.Size-1)
	r, err := hold(t, g, f)
	must(t, err)
	wantMismatch(t, r, part.Size-1)
}

// With a tree that the signers made sure of, nothing is read nor remembered.
func TestBelievedTree(t *testing.T) {
	ada, _, _ := people(t)
	f := newImage(t, true)
	sign(t, f, ada)
	g := rules(t, []*keyring.Key{ada}, verify, fmt.Sprintf("[[rule]]\npath = %q\naction = \"allow\"\n", f.Name()))
	dir := remembering(t, g)
	allowedAfter(t, g, f, 0)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("there is a cache: %v", err)
	}
	// One file of rules that does not believe them is enough to have it read.
	g = rules(t, []*keyring.Key{ada}, verify, whole)
	remembering(t, g)
	allowedAfter(t, g, f, int64(len(body)))
	allowedAfter(t, g, f, 0)
}
