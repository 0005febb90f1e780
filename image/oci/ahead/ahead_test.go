package ahead

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// network is where blobs come from: so many bytes at a time, after a pause.
type network struct {
	pause                time.Duration
	open, most, requests atomic.Int32
	fail                 error // what ends every blob after its first half
}

func (n *network) blob(content []byte) Blob {
	return Blob{Size: int64(len(content)), Open: func(ctx context.Context) (io.ReadCloser, error) {
		n.requests.Add(1)
		if now := n.open.Add(1); now > n.most.Load() {
			n.most.Store(now)
		}
		end := error(io.EOF)
		if n.fail != nil {
			content, end = content[:len(content)/2], n.fail
		}
		return &connection{network: n, ctx: ctx, unread: content, end: end}, nil
	}}
}

type connection struct {
	*network
	ctx    context.Context
	unread []byte
	end    error
}

func (c *connection) Read(p []byte) (int, error) {
	if c.pause > 0 {
		time.Sleep(c.pause)
	}
	if c.ctx.Err() != nil {
		return 0, c.ctx.Err()
	}
	n := copy(p[:min(len(p), 100_000)], c.unread)
	if c.unread = c.unread[n:]; len(c.unread) == 0 {
		return n, c.end
	}
	return n, nil
}

func (c *connection) Close() error {
	c.network.open.Add(-1)
	return nil
}

// contents are blobs of the given sizes.
func contents(sizes ...int) (list [][]byte) {
	r := rand.NewChaCha8([32]byte{1})
	for _, size := range sizes {
		b := make([]byte, size)
		r.Read(b)
		list = append(list, b)
	}
	return list
}

func (n *network) queue(t *testing.T, dir string, list [][]byte) *Queue {
	var blobs []Blob
	for _, content := range list {
		blobs = append(blobs, n.blob(content))
	}
	q := New(t.Context(), dir, blobs)
	t.Cleanup(q.Close)
	return q
}

// read reads a blob to its end.
func read(t *testing.T, q *Queue, i int) ([]byte, error) {
	t.Helper()
	r, err := q.Open(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	return got, err
}

// used is how many bytes there are in files.
func (q *Queue) used() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	most := int64(0)
	for _, b := range q.blobs {
		most = max(most, b.Size)
	}
	return most - q.room
}

// Where the network is slow, three blobs are fetched at a time, in their order,
// into files with no more than the largest one has.
func TestSlowNetwork(t *testing.T) {
	list := contents(3e6, 9e6, 1, 7e6, 2e6, 0, 8e6, 1e5)
	n := &network{pause: 4 * time.Millisecond}
	q := n.queue(t, t.TempDir(), list)
	stop, watched := make(chan struct{}), make(chan int64)
	go func() {
		most := int64(0)
		for {
			select {
			case <-stop:
				watched <- most
				return
			case <-time.After(time.Millisecond):
				most = max(most, q.used())
			}
		}
	}()
	for i, want := range list {
		if i == 1 {
			time.Sleep(time.Second) // a reader that is busy; others go on
		}
		if got, err := read(t, q, i); err != nil || !bytes.Equal(got, want) {
			t.Errorf("blob %d: %d bytes of %d, %v", i, len(got), len(want), err)
		}
	}
	close(stop)
	if most := <-watched; most == 0 || most > 9e6 {
		t.Errorf("%d bytes in files", most)
	}
	if most := n.most.Load(); most != connections {
		t.Errorf("%d connections", most)
	}
	if asked := n.requests.Load(); int(asked) != len(list) {
		t.Errorf("%d requests for %d blobs", asked, len(list))
	}
	if q.used() != 0 {
		t.Errorf("%d bytes are left", q.used())
	}
}

// Where it is fast, no more than what is read is fetched, and in memory.
func TestFastNetwork(t *testing.T) {
	list := contents(9e6, 9e6, 9e6)
	n := &network{}
	q := n.queue(t, "", list)
	for i, want := range list {
		if got, err := read(t, q, i); err != nil || !bytes.Equal(got, want) {
			t.Errorf("blob %d: %d bytes, %v", i, len(got), err)
		}
	}
	if most := n.most.Load(); most != 1 {
		t.Errorf("%d connections", most)
	}
}

// Without a place for a file, blobs come all the same.
func TestNoFile(t *testing.T) {
	list := contents(1e6, 9e6, 9e6)
	q := (&network{pause: time.Millisecond}).queue(t, "/proc", list)
	q.begun, q.waited = time.Now(), time.Hour
	for i, want := range list {
		if got, err := read(t, q, i); err != nil || !bytes.Equal(got, want) {
			t.Errorf("blob %d: %d bytes, %v", i, len(got), err)
		}
	}
}

// A blob may be read again, and by two readers.
func TestSecondReader(t *testing.T) {
	list := contents(5e6)
	n := &network{}
	q := n.queue(t, t.TempDir(), list)
	first, err := q.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	for range 2 {
		if got, err := read(t, q, 0); err != nil || !bytes.Equal(got, list[0]) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	if got, err := io.ReadAll(first); err != nil || !bytes.Equal(got, list[0]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// An error comes after what came before it, also of one that was fetched ahead.
func TestBroken(t *testing.T) {
	broken := errors.New("broken")
	n := &network{fail: broken, pause: time.Millisecond}
	list := contents(1e6, 1e6)
	q := n.queue(t, t.TempDir(), list)
	q.begun, q.waited = time.Now(), time.Hour
	for i, content := range list {
		if got, err := read(t, q, i); !errors.Is(err, broken) || !bytes.Equal(got, content[:len(content)/2]) {
			t.Errorf("blob %d: %d bytes, %v", i, len(got), err)
		}
	}
	refused := errors.New("refused")
	q = New(t.Context(), "", []Blob{{Size: 1, Open: func(context.Context) (io.ReadCloser, error) { return nil, refused }}})
	defer q.Close()
	if _, err := read(t, q, 0); !errors.Is(err, refused) {
		t.Error(err)
	}
}

// Whoever gives up ends what was fetched for it, and nothing stays open.
func TestEnd(t *testing.T) {
	n := &network{pause: time.Millisecond}
	q := n.queue(t, t.TempDir(), contents(9e6, 9e6, 9e6))
	q.begun, q.waited = time.Now(), time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	r, err := q.Open(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, r, 1e6); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	q.Close()
	if left := n.open.Load(); left != 0 {
		t.Errorf("%d connections are left", left)
	}
	for i, f := range q.fetches {
		if f != nil && f.file != nil {
			t.Errorf("blob %d has a file still", i)
		}
	}
	if _, err := read(t, q, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A file whose bytes are all read takes no space.
func TestRewind(t *testing.T) {
	q := New(t.Context(), t.TempDir(), []Blob{{Size: 2}})
	q.begun, q.waited = time.Now(), time.Hour
	f := &fetch{q: q, ctx: t.Context(), held: inMemory}
	q.mu.Lock()
	if !f.spool([]byte("ab")) || q.room != 0 || f.spool([]byte("c")) {
		t.Errorf("room for %d bytes", q.room)
	}
	f.off = 2
	f.rewind()
	q.mu.Unlock()
	if info, err := f.file.Stat(); err != nil || info.Size() != 0 || q.room != 2 {
		t.Errorf("%v, %v, room for %d bytes", info, err, q.room)
	}
	f.drop()
}
