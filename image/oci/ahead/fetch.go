package ahead

import (
	"context"
	"os"
	"time"

	"github.com/sealift/sealift/image/output"
)

// fetch is a blob that is being fetched. Its fields are guarded by the queue's
// mutex.
type fetch struct {
	q      *Queue
	ctx    context.Context
	cancel context.CancelFunc
	blob   Blob
	taken  bool // it has a reader, or had one
	began  bool // something has come

	// What came and was not read: first the chunks, then the file's bytes from
	// off to end. Only who reads changes off, only who fetches all else.
	chunks   [][]byte
	held     int64 // bytes in chunks
	file     *os.File
	off, end int64
	noFile   bool // it could not be made, or not be written

	done bool  // nothing more comes
	err  error // why; io.EOF after the last byte
}

// run fetches until the blob or its context ends.
func (f *fetch) run() {
	err := f.copy()
	f.q.mu.Lock()
	defer f.q.mu.Unlock()
	f.done, f.err = true, err
	if f.ctx.Err() != nil {
		f.drop()
	}
	f.q.startMore()
	f.q.changed.Broadcast()
}

// copy returns why it ends, io.EOF after the last byte.
func (f *fetch) copy() error {
	from, err := f.blob.Open(f.ctx)
	if err != nil {
		return err
	}
	defer from.Close()
	var chunk []byte
	for {
		if chunk == nil {
			chunk = make([]byte, 0, min(chunkSize, max(f.blob.Size, 1)))
		}
		n, err := from.Read(chunk[len(chunk):cap(chunk)])
		chunk = chunk[:len(chunk)+n]
		if len(chunk) == cap(chunk) || (err != nil && len(chunk) > 0) {
			if err := f.put(chunk); err != nil {
				return err
			}
			chunk = nil
		}
		if err != nil {
			return err
		}
	}
}

// put hands over what came, as soon as there is a place for it.
func (f *fetch) put(chunk []byte) error {
	q := f.q
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.changed.Broadcast()
	f.began = true
	if q.begun.IsZero() {
		q.begun = time.Now()
	}
	for f.ctx.Err() == nil {
		if f.off == f.end {
			f.rewind()
			if f.held < inMemory {
				f.chunks, f.held = append(f.chunks, chunk), f.held+int64(len(chunk))
				return nil
			}
		}
		if q.hungry() && f.spool(chunk) {
			return nil
		}
		q.changed.Wait()
	}
	return f.ctx.Err()
}

// spool writes a chunk to the file, without the lock meanwhile. One that fails,
// for want of space perhaps, only means that less is fetched ahead.
func (f *fetch) spool(chunk []byte) bool {
	n := int64(len(chunk))
	if f.noFile || f.q.room < n {
		return false
	}
	f.q.room -= n
	f.q.mu.Unlock()
	var err error
	if f.file == nil {
		f.file, err = output.Unnamed(f.q.dir)
	}
	if err == nil {
		_, err = f.file.WriteAt(chunk, f.end)
	}
	f.q.mu.Lock()
	if err != nil {
		f.noFile = true
		f.q.room += n
		return false
	}
	f.end += n
	return true
}

// rewind gives back what a file takes of which all is read.
func (f *fetch) rewind() {
	if f.end == 0 {
		return
	}
	if err := f.file.Truncate(0); err != nil {
		f.noFile = true
		return
	}
	f.q.room += f.end
	f.off, f.end = 0, 0
}

// drop gives up what was not read. Nothing is fetched or read any more.
func (f *fetch) drop() {
	if f.file != nil {
		_ = f.file.Close() // what it held is not wanted
		f.q.room += f.end
	}
	f.chunks, f.held, f.file, f.noFile, f.off, f.end = nil, 0, nil, true, 0, 0
}

// reader reads a fetch.
type reader struct {
	*fetch
	ctx  context.Context // of who reads
	stop func() bool     // that it wakes the reader
	rest []byte          // of a chunk
}

// Read is io.Reader's.
func (r *reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		file, n, err := r.next()
		if err != nil {
			return 0, err
		}
		if file != nil {
			return r.readFile(file, p[:min(int64(len(p)), n)])
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// next waits until there is more: a chunk, which becomes the rest, or n bytes of
// the file.
func (r *reader) next() (file *os.File, n int64, err error) {
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	for r.ctx.Err() == nil {
		switch {
		case len(r.chunks) > 0:
			r.rest, r.chunks[0] = r.chunks[0], nil
			r.chunks = r.chunks[1:]
			r.held -= int64(len(r.rest))
			r.q.changed.Broadcast()
			return nil, 0, nil
		case r.off < r.end:
			return r.file, r.end - r.off, nil
		case r.done:
			return nil, 0, r.err
		}
		r.q.waitFor(r.fetch)
	}
	return nil, 0, r.ctx.Err()
}

func (r *reader) readFile(file *os.File, p []byte) (int, error) {
	n, err := file.ReadAt(p, r.off)
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	r.off += int64(n)
	r.q.changed.Broadcast()
	return n, err
}

// Close is io.Closer's.
func (r *reader) Close() error {
	r.stop()
	r.cancel()
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	r.q.changed.Broadcast()
	if r.done {
		r.drop()
	}
	return nil
}
