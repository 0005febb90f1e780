package merkle

import (
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testLeaf is the size of leaves in tests.
const testLeaf = minLeafSize

// noise returns n bytes that do not repeat.
func noise(n int64) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// memory is a file that tests change while it is read.
type memory struct {
	mu sync.RWMutex
	b  []byte
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if off >= int64(len(m.b)) {
		return 0, io.EOF
	}
	n := copy(p, m.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// flip changes one bit, and back again when called a second time.
func (m *memory) flip(at int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.b[at] ^= 1 << (at % 8)
}

// planted is data with its tree.
type planted struct {
	data, tree memory
	root       Root
}

func plant(t testing.TB, size int64) *planted {
	t.Helper()
	p := &planted{data: memory{b: noise(size)}}
	root, tree, err := build(context.Background(), &p.data, size, testLeaf, 2)
	must(t, err)
	p.root, p.tree.b = root, tree
	return p
}

func (p *planted) reader() *Reader { return NewReader(&p.data, &p.tree, p.root) }
