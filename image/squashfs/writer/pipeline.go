package writer

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
)

// jobsPerWorker bounds the blocks in flight, each with up to two block sizes
// of memory: enough that no worker waits while one slow block holds up the
// order.
const jobsPerWorker = 4

var errClosed = errors.New("squashfs: the writer is closed")

type hash [sha256.Size]byte

// kind says what becomes of a job's bytes on their way into the image.
type kind uint8

const (
	data     kind = iota // hash; a hole if all zero; else compress
	fragment             // compress
	verbatim             // write as they are, already in stored form
)

// job is one block on its way into the image.
type job struct {
	kind  kind
	raw   []byte
	buf   []byte // a block's worth of memory that raw may use
	out   []byte // what is written
	size  uint32 // its length as the format has it, with its flag; not of verbatim
	hash  hash   // of a data block; zero for a hole
	err   error
	ready chan struct{} // receives one value when a worker is done
	// stored is called, in order, with the position the block was written at.
	stored func(j *job, pos uint64)
}

// pipeline compresses blocks in parallel and writes them in the order of
// submission. One goroutine acquires, submits and waits; Close is its last
// call.
type pipeline struct {
	out  io.Writer
	pos  uint64 // bytes written; the writing goroutine's until close returns
	free chan *job
	// work feeds the workers and order the writing goroutine. Each holds every
	// job there is, so that sending never blocks.
	work, order chan *job
	running     sync.WaitGroup
	submitted   uint64

	mu      sync.Mutex
	moved   sync.Cond // written has grown
	written uint64    // jobs done with
	err     error     // the first error; nothing is written after it
}

func newPipeline(out io.Writer, newCompressor func() (codec.Compressor, error), workers int) (*pipeline, error) {
	compressors := make([]codec.Compressor, workers)
	for i := range compressors {
		var err error
		if compressors[i], err = newCompressor(); err != nil {
			return nil, err
		}
	}
	jobs := jobsPerWorker * workers
	p := &pipeline{
		out:   out,
		free:  make(chan *job, jobs),
		work:  make(chan *job, jobs),
		order: make(chan *job, jobs),
	}
	p.moved.L = &p.mu
	for range jobs {
		p.free <- &job{ready: make(chan struct{}, 1)}
	}
	for _, c := range compressors {
		p.running.Go(func() { p.compress(c) })
	}
	p.running.Go(p.write)
	return p, nil
}

// acquire returns a free job whose buf is size bytes, waiting for one when all
// are in flight.
func (p *pipeline) acquire(size int) *job {
	j := <-p.free
	if len(j.buf) < size {
		j.buf = make([]byte, size)
	}
	return j
}

// release takes back an acquired job that is not submitted after all.
func (p *pipeline) release(j *job) { p.free <- j }

// submit sends j on its way and returns its sequence number for wait.
func (p *pipeline) submit(j *job, k kind, raw []byte, stored func(*job, uint64)) uint64 {
	j.kind, j.raw, j.stored, j.err = k, raw, stored, nil
	p.order <- j
	p.work <- j
	p.submitted++
	return p.submitted
}

// wait returns once the job numbered seq, and all before it, are written or
// given up; the error is the pipeline's first.
func (p *pipeline) wait(seq uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.written < seq {
		p.moved.Wait()
	}
	return p.err
}

func (p *pipeline) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// close gives up what is not written yet and returns when every goroutine has
// ended.
func (p *pipeline) close() {
	p.fail(errClosed)
	close(p.work)
	close(p.order)
	p.running.Wait()
}

func (p *pipeline) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

func (p *pipeline) compress(c codec.Compressor) {
	for j := range p.work {
		if p.failure() == nil {
			j.err = j.encode(c)
		}
		j.ready <- struct{}{}
	}
}

// encode sets j.out and j.size, and j.hash of data.
func (j *job) encode(c codec.Compressor) error {
	switch j.kind {
	case verbatim:
		j.out = j.raw
		return nil
	case data:
		if j.hash = hashOf(j.raw); j.hash == (hash{}) {
			j.out, j.size = j.out[:0], 0
			return nil
		}
	}
	var err error
	if j.out, err = c.Compress(j.out[:0], j.raw); err != nil {
		return err
	}
	if len(j.out) >= len(j.raw) {
		j.out = append(j.out[:0], j.raw...)
		j.size = uint32(len(j.raw)) | format.BlockUncompressed
		return nil
	}
	j.size = uint32(len(j.out))
	return nil
}

func (p *pipeline) write() {
	for j := range p.order {
		<-j.ready
		err := p.failure()
		if err == nil {
			err = p.emit(j)
		}
		j.raw, j.stored = nil, nil
		p.free <- j
		p.mu.Lock()
		p.written++
		if p.err == nil {
			p.err = err
		}
		p.moved.Broadcast()
		p.mu.Unlock()
	}
}

func (p *pipeline) emit(j *job) error {
	if j.err != nil {
		return j.err
	}
	j.stored(j, p.pos)
	return p.writeAll(j.out)
}

func (p *pipeline) writeAll(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	n, err := p.out.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("squashfs: write %d bytes at offset %d of the image: %w", len(b), p.pos, err)
	}
	p.pos += uint64(n)
	return nil
}

// hashOf identifies a block: its SHA-256, or zero for one of zeros only.
func hashOf(b []byte) hash {
	if b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1]) {
		return hash{}
	}
	return sha256.Sum256(b)
}
