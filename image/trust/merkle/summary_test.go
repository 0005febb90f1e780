package merkle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/payload"
)

func digestOf(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// A Summary has the tree that Build makes and the digest of the data, for all sizes around
// those of pieces and leaves.
func TestSummarize(t *testing.T) {
	const piece, leaf = checkSize, DefaultLeafSize
	all := noise(3*piece + 7)
	for _, size := range []int64{1, leaf - 1, leaf, leaf + 1, 100*leaf + 5, piece - 1, piece, piece + 1, piece + leaf, 2 * piece, 3*piece + 7} {
		data := all[:size]
		want, tree, err := Build(t.Context(), bytes.NewReader(data), size, 1)
		must(t, err)
		var read int64
		s, err := Summarize(t.Context(), bytes.NewReader(data), size, func(n int64) { read += n })
		if err != nil || s.Digest != digestOf(data) || s.Root != want || !bytes.Equal(s.Tree, tree) || read != size {
			t.Errorf("%d bytes: %s, %+v, %v; it tells of %d bytes", size, s.Digest, s.Root, err, read)
		}
	}
}

// counted counts how often each byte is read, and is other data after each read.
type counted struct {
	mu    sync.Mutex
	b     []byte
	times []int
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := copy(p, c.b[off:])
	for i := off; i < off+int64(n); i++ {
		c.times[i]++
		c.b[i] ^= 0xff
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Each byte is read once, so that the tree and the digest are of the same data.
func TestSummarizeReadsOnce(t *testing.T) {
	data := noise(2*checkSize + 12345)
	c := &counted{b: bytes.Clone(data), times: make([]int, len(data))}
	s, err := Summarize(t.Context(), c, int64(len(data)), func(int64) {})
	must(t, err)
	root, _, err := Build(t.Context(), bytes.NewReader(data), int64(len(data)), 0)
	must(t, err)
	if s.Digest != digestOf(data) || s.Root != root {
		t.Error("the digest and the tree are of other data than was there first")
	}
	for i, n := range c.times {
		if n != 1 {
			t.Fatalf("byte %d is read %d times", i, n)
		}
	}
}

func TestSummarizeFails(t *testing.T) {
	data := bytes.NewReader(noise(2 * checkSize))
	none := func(int64) {}
	if _, err := Summarize(t.Context(), data, 0, none); err == nil || !strings.Contains(err.Error(), "no data") {
		t.Error(err)
	}
	for _, size := range []int64{2*checkSize + 1, 4 * checkSize} {
		if _, err := Summarize(t.Context(), data, size, none); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a file that is shorter than %d: %v", size, err)
		}
	}
	ctx, stop := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	_, err := Summarize(ctx, data, 2*checkSize, func(int64) { stop(why) })
	if err != why {
		t.Error(err)
	}
}

func TestHolds(t *testing.T) {
	for _, leaves := range []int64{1, 2, fanOut, fanOut + 1, 3*fanOut*fanOut + 5} {
		p := plant(t, leaves*testLeaf-1)
		if !p.root.Holds(p.tree.b) {
			t.Errorf("%d leaves: it is not its tree", leaves)
		}
		step := max(1, len(p.tree.b)/97)
		for i := 0; i < len(p.tree.b); i += step {
			p.tree.flip(int64(i))
			if p.root.Holds(p.tree.b) {
				t.Errorf("%d leaves: a flip at %d of the tree is not noticed", leaves, i)
			}
			p.tree.flip(int64(i))
		}
		for _, other := range [][]byte{nil, p.tree.b[1:], append(bytes.Clone(p.tree.b), 0)} {
			if p.root.Holds(other) {
				t.Errorf("%d leaves: a tree of %d bytes is taken", leaves, len(other))
			}
		}
		if (Root{LeafSize: p.root.LeafSize, Size: p.root.Size}).Holds(p.tree.b) {
			t.Errorf("%d leaves: another root holds it", leaves)
		}
	}
}

// summary is that of an image's partition.
func summary(t testing.TB, img *sif.Image) Summary {
	t.Helper()
	part, err := img.Primary()
	must(t, err)
	o, _ := img.Object(part.ID)
	s, err := Summarize(t.Context(), img.Section(o), o.Size, func(int64) {})
	must(t, err)
	return s
}

// Of a Summary, the image's own tree is used if it is the same, else the Summary's. Either way
// a signature has to name the digest.
func TestOf(t *testing.T) {
	f := created(t)
	img := open(t, f)
	good := summary(t, img)
	other := good
	other.Root.Top[0] ^= 1
	other.Tree = []byte("another")
	bare := good
	bare.Tree = nil
	for name, c := range map[string]struct {
		s    Summary
		own  bool
		want string
	}{
		"the same": {good, true, ""}, "the same, without": {bare, true, ""}, "another": {other, false, ""},
		"another, without": {Summary{Digest: good.Digest, Root: other.Root}, false, ErrNoTree.Error()},
		"another size":     {Summary{Digest: good.Digest, Root: Root{LeafSize: DefaultLeafSize, Size: 5}}, false, "and not 5"},
	} {
		tree, err := c.s.Of(img)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
			continue
		}
		must(t, err)
		if own := tree.TreeObject.ID != 0; own != c.own || tree.Vouched(0) && own || !tree.Vouched(tree.Partition.ID) {
			t.Errorf("%s: the tree is the image's own: %t", name, own)
		}
		must(t, tree.SignedBy(text(t, sign(t, f))))
		m := sign(t, f)
		for _, digest := range []payload.Digest{m.Objects[0].Data, "sha512_256:" + m.Objects[1].Data[7:]} {
			m.Objects[1].Data = digest
			if err := tree.SignedBy(text(t, m)); err == nil {
				t.Errorf("%s: a signature of %s is taken", name, digest)
			}
		}
		b := make([]byte, 1)
		if _, err := tree.Reader().ReadAt(b, 0); (err == nil) != c.own {
			t.Errorf("%s: it is read: %v", name, err)
		}
	}
}

// Every object but the partition is read, and has to be what was signed: also a tree in the
// image that is not used.
func TestOfReadsTheRest(t *testing.T) {
	f := created(t)
	img := open(t, f)
	signed := text(t, sign(t, f))
	s := summary(t, img)
	s.Root.LeafSize *= 2 // not that of the image's own tree
	s.Tree = make([]byte, s.Root.TreeSize())
	tree, err := s.Of(img)
	must(t, err)
	must(t, tree.SignedBy(signed))
	for _, o := range img.Objects() {
		if o.ID == tree.Partition.ID {
			continue
		}
		b := make([]byte, 1)
		_, err := f.ReadAt(b, o.Offset)
		must(t, err)
		_, err = f.WriteAt([]byte{b[0] ^ 1}, o.Offset)
		must(t, err)
		if err := tree.SignedBy(signed); !errors.Is(err, ErrAltered) {
			t.Errorf("%v is changed: %v", o, err)
		}
		_, err = f.WriteAt(b, o.Offset)
		must(t, err)
	}
}

func TestDigest(t *testing.T) {
	f := created(t)
	img := open(t, f)
	m := sign(t, f)
	says := func(want string) {
		t.Helper()
		if got, err := Digest(img, text(t, m)); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	want := summary(t, img).Digest
	says(want)
	m.Objects[1].Data = payload.Digest("sha256:" + strings.ToUpper(want))
	says(want)
	m.Objects[1].Data = payload.Digest("sha512_256:" + want)
	says("")
	m.Objects = m.Objects[2:]
	says("")
	if got, err := Digest(img, []byte("{")); err == nil || got != "" {
		t.Errorf("%q, %v", got, err)
	}
}
