package merkle

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// Builder makes the tree of data that is still being written: it reads and hashes,
// behind the writer, what is there already. Its memory is the tree's and a leaf for
// each worker.
type Builder struct {
	r        io.ReaderAt
	leafSize int64
	ctx      context.Context
	workers  sync.WaitGroup

	mu    sync.Mutex
	more  *sync.Cond
	end   int64  // up to which the data is there
	whole bool   // nothing more comes, and the start will not change
	next  int64  // the leaf to be hashed next
	first bool   // the first leaf is hashed
	sums  []byte // level 0, as far as it is known
	err   error
}

// NewBuilder starts so many workers, 0 for one for each CPU the process may use,
// on the data that r will have. Either Finish or Abort must be called.
func NewBuilder(ctx context.Context, r io.ReaderAt, leafSize, workers int) *Builder {
	b := &Builder{r: r, leafSize: int64(leafSize), ctx: ctx, next: 1}
	b.more = sync.NewCond(&b.mu)
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	for range workers {
		b.workers.Go(b.work)
	}
	return b
}

// Grow says that the first n bytes of the data are there. Those of the first leaf may
// still change.
func (b *Builder) Grow(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end = n
	b.more.Broadcast()
}

// Finish says that the data is complete and returns its Root and its tree.
func (b *Builder) Finish() (Root, []byte, error) {
	b.mu.Lock()
	b.whole = true
	size := b.end
	b.more.Broadcast()
	b.mu.Unlock()
	b.workers.Wait()
	if b.err != nil {
		return Root{}, nil, b.err
	}
	if size < 1 {
		return Root{}, nil, fmt.Errorf("hash tree: there are no data")
	}
	root, tree := grow(Root{LeafSize: int(b.leafSize), Size: size}, b.sums)
	return root, tree, nil
}

// Abort gives the tree up; after Finish it does nothing.
func (b *Builder) Abort() {
	b.fail(context.Canceled)
	b.workers.Wait()
}

func (b *Builder) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.more.Broadcast()
}

// work hashes leaves until there are no more.
func (b *Builder) work() {
	room := make([]byte, b.leafSize)
	for {
		i, size, ok := b.take()
		if !ok {
			return
		}
		leaf := room[:size]
		if n, err := b.r.ReadAt(leaf, i*b.leafSize); n < len(leaf) {
			b.fail(fmt.Errorf("hash tree: read %d bytes at %d: %w", size, i*b.leafSize, err))
			return
		}
		b.put(i, sum(leafPrefix, leaf))
	}
}

// take waits for a leaf to be hashed and returns its number and size.
func (b *Builder) take() (i, size int64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if err := b.ctx.Err(); err != nil && b.err == nil {
			b.err = context.Cause(b.ctx)
		}
		rest := b.end - b.next*b.leafSize
		switch {
		case b.err != nil:
			return 0, 0, false
		case rest >= b.leafSize, b.whole && rest > 0:
			b.next++
			return b.next - 1, min(rest, b.leafSize), true
		case b.whole && !b.first && b.end > 0:
			b.first = true
			return 0, min(b.end, b.leafSize), true
		case b.whole:
			return 0, 0, false
		}
		b.more.Wait()
	}
}

func (b *Builder) put(i int64, h Hash) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := i * HashSize
	if missing := at + HashSize - int64(len(b.sums)); missing > 0 {
		b.sums = append(b.sums, make([]byte, missing)...)
	}
	copy(b.sums[at:], h[:])
}

// grow makes the tree above level 0 and completes the Root.
func grow(r Root, sums []byte) (Root, []byte) {
	tree := make([]byte, r.TreeSize())
	levels := r.levels()
	copy(tree[levels[0].offset:], sums)
	for i, l := range levels {
		nodes := tree[l.offset:][:l.hashes*HashSize]
		parent := r.Top[:]
		if i+1 < len(levels) {
			parent = tree[levels[i+1].offset:]
		}
		for n := 0; len(nodes) > 0; n++ {
			node := nodes[:min(nodeSize, len(nodes))]
			h := sum(nodePrefix, node)
			copy(parent[n*HashSize:], h[:])
			nodes = nodes[len(node):]
		}
	}
	return r, tree
}

// Build returns the Root and the tree of the first size bytes of r, hashed by so
// many workers, 0 for one for each CPU the process may use.
func Build(ctx context.Context, r io.ReaderAt, size int64, workers int) (Root, []byte, error) {
	return build(ctx, r, size, DefaultLeafSize, workers)
}

func build(ctx context.Context, r io.ReaderAt, size int64, leafSize, workers int) (Root, []byte, error) {
	b := NewBuilder(ctx, r, leafSize, workers)
	defer b.Abort()
	b.Grow(size)
	return b.Finish()
}
