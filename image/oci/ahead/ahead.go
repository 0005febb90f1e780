// Package ahead fetches the next blobs of an image while one is read, where the
// network is what is waited for.
//
// Input: blobs in the order in which they will be read, each with a function
// that opens it, and a directory for a temporary file. Output: their bytes, as
// they come. A blob that is read is fetched a few MiB ahead of its reader, which
// is enough where decompressing takes longer than fetching. Where it does not, a
// connection to a registry is often slower than the machine's network, so that
// up to three blobs are fetched at a time, each as far ahead as there is room in
// files without names.
//
// The package verifies nothing and knows no registry. It tries nothing twice: a
// blob's stream goes on by itself after a break.
package ahead

import (
	"context"
	"io"
	"sync"
	"time"
)

const (
	// connections is what Docker has by default (max-concurrent-downloads of
	// dockerd), which registries are made for.
	connections = 3
	// patience is how long, in sum, readers of what has begun to come wait before
	// more is fetched, if that is more than a share of the time since.
	patience = 200 * time.Millisecond
	share    = 8
	// inMemory is how much of a blob, in bytes, may wait for its reader in memory.
	inMemory  = 4 << 20
	chunkSize = 256 << 10 // bytes
)

// Blob is a blob to read.
type Blob struct {
	Size int64 // bytes
	// Open starts to fetch it, until ctx ends.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Queue fetches blobs. It can be used by several goroutines.
type Queue struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	dir    string

	mu      sync.Mutex
	changed sync.Cond // signals every change of what follows, and of fetches
	blobs   []Blob
	fetches []*fetch  // by blob; nil for one that nothing was done about
	begun   time.Time // when something came first
	waited  time.Duration
	room    int64 // bytes that files may still take
}

// New returns a queue of blobs, which puts into files in dir no more than the
// largest blob has. Nothing is fetched before the first one is opened.
func New(ctx context.Context, dir string, blobs []Blob) *Queue {
	q := &Queue{dir: dir, blobs: blobs, fetches: make([]*fetch, len(blobs))}
	q.changed.L = &q.mu
	// What is fetched belongs to whoever opens it, and ends with the queue.
	q.ctx, q.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, b := range blobs {
		q.room = max(q.room, b.Size)
	}
	return q
}

// Open opens the blob at place i. The stream has to be closed.
func (q *Queue) Open(ctx context.Context, i int) (io.ReadCloser, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	f := q.fetches[i]
	if f == nil || f.taken { // a second reader gets a stream of its own
		f = q.start(i)
	}
	f.taken = true
	r := &reader{fetch: f, ctx: ctx}
	r.stop = context.AfterFunc(ctx, q.wake)
	return r, nil
}

// Close ends all that is fetched.
func (q *Queue) Close() {
	q.cancel()
	q.wake()
	q.wg.Wait()
}

func (q *Queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.changed.Broadcast()
}

// start fetches a blob. The queue is locked.
func (q *Queue) start(i int) *fetch {
	f := &fetch{q: q, blob: q.blobs[i]}
	f.ctx, f.cancel = context.WithCancel(q.ctx)
	q.fetches[i] = f
	q.wg.Go(f.run)
	return f
}

// hungry tells whether the network is what is waited for.
func (q *Queue) hungry() bool { return q.waited > max(patience, time.Since(q.begun)/share) }

// waitFor waits for a change on behalf of a reader. The queue is locked.
func (q *Queue) waitFor(f *fetch) {
	begun, connected := time.Now(), f.began
	q.changed.Wait()
	if connected {
		q.waited += time.Since(begun)
	}
	q.startMore()
}

// startMore fetches as many blobs at a time as there may be, in their order.
func (q *Queue) startMore() {
	if !q.hungry() {
		return
	}
	running, last := 0, -1
	for i, f := range q.fetches {
		if f != nil {
			last = i
			if !f.done {
				running++
			}
		}
	}
	for i := last + 1; i < len(q.blobs) && running < connections; i++ {
		q.start(i)
		running++
	}
}
