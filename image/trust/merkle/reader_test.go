package merkle

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestReadsWhatIsThere(t *testing.T) {
	for _, size := range []int64{1, testLeaf, testLeaf + 1, 130*testLeaf + 9} {
		p := plant(t, size)
		r := p.reader()
		if err := iotest.TestReader(io.NewSectionReader(r, 0, size), p.data.b); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		rng := rand.New(rand.NewPCG(1, 2))
		for range 300 {
			off := rng.Int64N(size + 10)
			got := make([]byte, rng.Int64N(3*testLeaf))
			n, err := r.ReadAt(got, off)
			want := p.data.b[min(off, size):min(off+int64(len(got)), size)]
			if !bytes.Equal(got[:n], want) || (err == io.EOF) != (n < len(got) || off >= size) || err != nil && err != io.EOF {
				t.Fatalf("%d bytes at %d of %d: %d, %v", len(got), off, size, n, err)
			}
		}
		if _, err := r.ReadAt(make([]byte, 1), -1); err == nil {
			t.Error("a negative offset is read")
		}
	}
}

// affected returns which leaves r refuses, having checked that it refuses them rightly.
func affected(t *testing.T, r *Reader, want []byte) (bad []int64) {
	t.Helper()
	for i := int64(0); i*testLeaf < r.root.Size; i++ {
		b := bytes.Repeat([]byte{0xaa}, testLeaf)
		n, err := r.ReadAt(b, i*testLeaf)
		if err == nil || err == io.EOF {
			if !bytes.Equal(b[:n], want[i*testLeaf:][:n]) {
				t.Fatalf("leaf %d is read and wrong", i)
			}
			continue
		}
		var m *Mismatch
		if !errors.As(err, &m) || n != 0 || m.Offset/testLeaf != i {
			t.Fatalf("leaf %d: %d bytes, %v", i, n, err)
		}
		if rest := bytes.TrimRight(b, "\xaa"); len(bytes.Trim(rest, "\x00")) > 0 {
			t.Fatalf("leaf %d is refused and its bytes are handed out", i)
		}
		bad = append(bad, i)
	}
	return bad
}

// A changed bit of the data makes its leaf unreadable, and no other.
func TestFlipOfData(t *testing.T) {
	p := plant(t, 131*testLeaf+3)
	want := bytes.Clone(p.data.b)
	rng := rand.New(rand.NewPCG(3, 4))
	at := []int64{0, testLeaf - 1, testLeaf, 131 * testLeaf, p.root.Size - 1}
	for range 60 {
		at = append(at, rng.Int64N(p.root.Size))
	}
	for _, at := range at {
		p.data.flip(at)
		if bad := affected(t, p.reader(), want); len(bad) != 1 || bad[0] != at/testLeaf {
			t.Errorf("a flip at %d makes %v unreadable", at, bad)
		}
		p.data.flip(at)
	}
}

// A changed bit of the tree makes the leaves below unreadable, and no other: one
// hash is checked by its node, so all that share the node are.
func TestFlipOfTree(t *testing.T) {
	p := plant(t, 131*testLeaf+3)
	want := bytes.Clone(p.data.b)
	for at := int64(0); at < int64(len(p.tree.b)); at += 7 {
		p.tree.flip(at)
		bad := affected(t, p.reader(), want)
		from, n := int64(0), 132 // the top
		if bottom := p.root.levels()[0].offset; at >= bottom+nodeSize {
			from, n = fanOut, 4
		} else if at >= bottom {
			n = fanOut
		}
		if len(bad) != n || bad[0] != from {
			t.Fatalf("a flip of the tree at %d makes %d leaves unreadable from %v on", at, len(bad), bad)
		}
		p.tree.flip(at)
	}
}

// With any bit of the Root changed, it is refused or nothing can be read.
func TestFlipOfRoot(t *testing.T) {
	p := plant(t, 5*testLeaf+3)
	good := p.root.Bytes()
	for bit := range len(good) * 8 {
		b := bytes.Clone(good)
		b[bit/8] ^= 1 << (bit % 8)
		root, err := ParseRoot(b)
		if err != nil || root.Size != p.root.Size || root.TreeSize() != p.root.TreeSize() {
			continue // FromImage compares the sizes
		}
		r := NewReader(&p.data, &p.tree, root)
		if n, err := r.ReadAt(make([]byte, 1), 0); err == nil || n > 0 {
			t.Errorf("bit %d of the root may be any", bit)
		}
	}
}

// What a leaf, a node and another place hash to does not pass for each other.
func TestNoMixing(t *testing.T) {
	p := plant(t, 4*testLeaf)
	want := bytes.Clone(p.data.b)
	copy(p.data.b[testLeaf:], want[:testLeaf])
	if bad := affected(t, p.reader(), want); len(bad) != 1 || bad[0] != 1 {
		t.Errorf("a leaf in the place of another: %v", bad)
	}
	// Data that is the tree of p, with p's top as its leaf.
	hashes := p.tree.b
	forged := Root{LeafSize: testLeaf, Size: int64(len(hashes)), Top: p.root.Top}
	r := NewReader(bytes.NewReader(hashes), bytes.NewReader(p.root.Top[:]), forged)
	if _, err := r.ReadAt(make([]byte, 1), 0); err == nil {
		t.Error("a node passes for a leaf")
	}
}

func TestShortFiles(t *testing.T) {
	p := plant(t, 140*testLeaf)
	want := bytes.Clone(p.data.b)
	p.data.b = p.data.b[:139*testLeaf+5]
	if bad := affected(t, p.reader(), want); len(bad) != 1 || bad[0] != 139 {
		t.Errorf("data cut short: %v", bad)
	}
	r := p.reader()
	_, err := r.ReadAt(make([]byte, 1), 139*testLeaf)
	if r.Err() != err || p.reader().Err() != nil {
		t.Errorf("Err is %v after %v", r.Err(), err)
	}
	if m, ok := errors.AsType[*Mismatch](err); !ok || !m.Missing || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("data cut short: %v", err)
	}
	p.data.b = want
	p.tree.b = p.tree.b[:len(p.tree.b)-1]
	if bad := affected(t, p.reader(), want); len(bad) != 12 || bad[0] != fanOut {
		t.Errorf("tree cut short: %v", bad)
	}
}

// What fails because the storage does is no mismatch.
func TestStorageErrors(t *testing.T) {
	broken := errors.New("broken")
	p := plant(t, 3*testLeaf)
	for name, r := range map[string]*Reader{
		"data": NewReader(readerAt{iotest.ErrReader(broken)}, &p.tree, p.root),
		"tree": NewReader(&p.data, readerAt{iotest.ErrReader(broken)}, p.root),
	} {
		_, err := r.ReadAt(make([]byte, 1), testLeaf+1)
		if _, mismatch := errors.AsType[*Mismatch](err); mismatch || !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A file that is overwritten in place while it is read yields what it held or an
// error, also where it was read before.
func TestOverwrittenInPlace(t *testing.T) {
	p := plant(t, 4*leafCache)
	want := bytes.Clone(p.data.b)
	r := p.reader()
	if bad := affected(t, r, want); bad != nil {
		t.Fatalf("sound data: %v", bad)
	}
	for i := range p.data.b {
		p.data.b[i] = 'x'
	}
	for i := range p.tree.b {
		p.tree.b[i] = 'x' // its nodes are kept
	}
	bad := affected(t, r, want)
	if len(bad) != int(p.root.Size/testLeaf) {
		t.Errorf("after it was overwritten, %d leaves are refused", len(bad))
	}
	// A leaf that was read in part is in private memory, and sound.
	p = plant(t, 4*testLeaf)
	want, r = bytes.Clone(p.data.b), p.reader()
	got := make([]byte, testLeaf-1)
	for range 2 {
		if _, err := r.ReadAt(got, testLeaf); err != nil || !bytes.Equal(got, want[testLeaf:][:len(got)]) {
			t.Errorf("a leaf in memory: %v", err)
		}
		p.data.flip(testLeaf + 5)
	}
}

// Readers that run while bits flip never get a wrong byte.
func TestConcurrentReaders(t *testing.T) {
	p := plant(t, 300*testLeaf)
	want := bytes.Clone(p.data.b)
	r := p.reader()
	var wg sync.WaitGroup
	for seed := range uint64(4) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 7))
			for range 1500 {
				b := make([]byte, rng.IntN(2*testLeaf)+1)
				off := rng.Int64N(p.root.Size - int64(len(b)))
				n, err := r.ReadAt(b, off)
				if !bytes.Equal(b[:n], want[off:][:n]) {
					t.Errorf("wrong bytes at %d", off)
				}
				if m, mismatch := errors.AsType[*Mismatch](err); err != nil && (!mismatch || m.Tree) {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		rng := rand.New(rand.NewPCG(8, 9))
		for range 500 {
			at := rng.Int64N(p.root.Size)
			p.data.flip(at)
			p.data.flip(at)
		}
	})
	wg.Wait()
}

func TestMismatchSaysWhatToDo(t *testing.T) {
	m := &Mismatch{Offset: 8192, Size: 4096}
	if got := m.Error(); got != "block of 4096 bytes at 8192 does not match the image's hash tree" {
		t.Error(got)
	}
	if !strings.Contains(hint.Of(m), "copy or download the image again") {
		t.Errorf("hint %q", hint.Of(m))
	}
	if got := (&Mismatch{Tree: true}).Error(); !strings.Contains(got, "tree does not match its root") {
		t.Error(got)
	}
}

// Whatever the three parts hold, no other bytes are read than those that were hashed.
func FuzzReader(f *testing.F) {
	p := plant(f, 3*testLeaf+5)
	f.Add(p.root.Bytes(), p.tree.b, p.data.b)
	f.Add(p.root.Bytes(), []byte{}, []byte("x"))
	f.Fuzz(func(t *testing.T, rootBytes, tree, data []byte) {
		root, err := ParseRoot(rootBytes)
		if err != nil {
			return
		}
		r := NewReader(bytes.NewReader(data), bytes.NewReader(tree), root)
		got := make([]byte, len(data)+1)
		n, err := r.ReadAt(got, 0)
		if n > 0 && root.Top == p.root.Top && !bytes.HasPrefix(p.data.b, got[:n]) {
			t.Fatalf("%d bytes are read that were not hashed", n)
		}
		if err == nil {
			t.Fatal("more bytes are read than there are")
		}
	})
}
