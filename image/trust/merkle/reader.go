package merkle

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/sealift/sealift/image/squashfs/lru"
)

// Sizes of a Reader's caches in bytes: of nodes, enough for the hashes of 2 GiB of data,
// and of leaves. The leaf that one block of the image ends in is mostly that
// which the next begins in.
const (
	nodeCache = 4 << 20
	leafCache = 1 << 20
)

// Mismatch is the error of data that is not what the tree says, or of a tree
// that is not what its Root says.
type Mismatch struct {
	// Offset and Size, in bytes, say which part of the data is of no use.
	Offset, Size int64
	// Tree says that the tree is wrong, so that nothing is known of the data.
	Tree bool
	// Missing says that the file has become too short.
	Missing bool
}

// Error says what does not match, and where.
func (m *Mismatch) Error() string {
	switch what := fmt.Sprintf("block of %d bytes at %d", m.Size, m.Offset); {
	case m.Tree:
		return what + " cannot be checked: the image's hash tree does not match its root"
	case m.Missing:
		return what + " does not match the image's hash tree: the file has become shorter"
	default:
		return what + " does not match the image's hash tree"
	}
}

// Hint says what to do about it.
func (m *Mismatch) Hint() string {
	return "copy or download the image again: it was changed or damaged after its hash tree was made"
}

// Reader reads data that has a tree and checks all of it against the Root. What it
// reads is copied to private memory, hashed there, and used from there: a file
// that is overwritten while it is read yields the old bytes or an error. Data that
// is read again is checked again, unless it is still in the Reader's own memory.
// It is safe for concurrent use.
type Reader struct {
	data, tree io.ReaderAt
	root       Root
	levels     []level

	nodes  *lru.Cache[place, []byte]
	leaves *lru.Cache[int64, []byte]
	free   sync.Pool // *[]byte: room for a leaf
	first  atomic.Pointer[Mismatch]
}

// place is that of a node: its level, and its number there.
type place struct {
	level int
	node  int64
}

// NewReader returns a Reader of data whose tree has the Root. It reads nothing yet.
func NewReader(data, tree io.ReaderAt, root Root) *Reader {
	r := &Reader{data: data, tree: tree, root: root, levels: root.levels()}
	cost := func(b []byte) int64 { return int64(cap(b)) + 64 }
	r.nodes = lru.New[place](nodeCache, cost, nil)
	r.leaves = lru.New[int64](max(leafCache, 2*int64(root.LeafSize)), cost, r.putFree)
	return r
}

// Root returns what the data is checked against.
func (r *Reader) Root() Root { return r.root }

func (r *Reader) getFree() []byte {
	if b, ok := r.free.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, r.root.LeafSize)
}

func (r *Reader) putFree(b []byte) {
	b = b[:cap(b)]
	r.free.Put(&b)
}

// ReadAt reads as an io.ReaderAt does. For data that does not match, the error wraps a
// *Mismatch, and p holds, beyond the bytes that it counts, none of the data.
func (r *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("read at offset %d", off)
	}
	if off >= r.root.Size {
		return 0, io.EOF
	}
	short := int64(len(p)) > r.root.Size-off
	if short {
		p = p[:r.root.Size-off]
	}
	for n < len(p) {
		k, err := r.readLeaf(p[n:], off+int64(n))
		if m, ok := err.(*Mismatch); ok {
			r.first.CompareAndSwap(nil, m)
		}
		if err != nil {
			return n, err
		}
		n += k
	}
	if short {
		return n, io.EOF
	}
	return n, nil
}

// Err returns the first Mismatch that a read has met, or nil: for who would
// otherwise have to make sure that no error of reading is lost.
func (r *Reader) Err() error {
	if m := r.first.Load(); m != nil {
		return m
	}
	return nil
}

// readLeaf fills p as far as the leaf that holds byte off reaches.
func (r *Reader) readLeaf(p []byte, off int64) (int, error) {
	leafSize := int64(r.root.LeafSize)
	i, from := off/leafSize, off%leafSize
	size := min(leafSize, r.root.Size-i*leafSize)
	if from == 0 && int64(len(p)) >= size {
		p = p[:size]
		if err := r.load(p, i); err != nil {
			clear(p)
			return 0, err
		}
		return len(p), nil
	}
	e, err := r.leaves.Get(i, func() ([]byte, error) {
		b := r.getFree()[:size]
		if err := r.load(b, i); err != nil {
			r.putFree(b)
			return nil, err
		}
		return b, nil
	})
	if err != nil {
		return 0, err
	}
	defer r.leaves.Release(e)
	return copy(p, e.Value()[from:]), nil
}

// load reads leaf i into b, which is as long, and checks it.
func (r *Reader) load(b []byte, i int64) error {
	bad := &Mismatch{Offset: i * int64(r.root.LeafSize), Size: int64(len(b))}
	want, err := r.hash(0, i, bad)
	if err != nil {
		return err
	}
	if err := readFull(r.data, b, bad.Offset); err != nil {
		bad.Missing = errors.Is(err, io.ErrUnexpectedEOF)
		return bad.unless(err)
	}
	if sum(leafPrefix, b) != want {
		return bad
	}
	return nil
}

// hash returns hash i of a level, which was checked. bad is what to say if that
// shows the tree to be wrong.
func (r *Reader) hash(at int, i int64, bad *Mismatch) (Hash, error) {
	if at == len(r.levels) {
		return r.root.Top, nil
	}
	p := place{at, i / fanOut}
	node, err := r.nodes.Value(p, func() ([]byte, error) { return r.node(p, bad) })
	if err != nil {
		return Hash{}, err
	}
	return Hash(node[i%fanOut*HashSize:]), nil
}

// node reads a node of the tree and checks it.
func (r *Reader) node(p place, bad *Mismatch) ([]byte, error) {
	want, err := r.hash(p.level+1, p.node, bad)
	if err != nil {
		return nil, err
	}
	l := r.levels[p.level]
	b := make([]byte, min(fanOut, l.hashes-p.node*fanOut)*HashSize)
	bad = &Mismatch{Offset: bad.Offset, Size: bad.Size, Tree: true}
	if err := readFull(r.tree, b, l.offset+p.node*nodeSize); err != nil {
		return nil, bad.unless(err)
	}
	if sum(nodePrefix, b) != want {
		return nil, bad
	}
	return b, nil
}

// unless returns an error of reading the file, or m where that has become too short.
func (m *Mismatch) unless(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return m
	}
	return err
}

// readFull fills b from offset off.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(b), off, err)
}
