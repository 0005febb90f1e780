package writer

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
)

// The jobs in flight for each worker, each with up to two block sizes of
// memory: enough that no worker waits while one slow block holds up the order.
// Those of the sequencer are apart, so that it gets one however many the
// submitting goroutine has taken.
const (
	jobsPerWorker   = 3
	placedPerWorker = 2
)

// blockBudget bounds the memory of all jobs, in bytes.
const blockBudget = 128 << 20

var errClosed = errors.New("squashfs: the writer is closed")

// kind says what becomes of a job on its way into the image.
type kind uint8

const (
	batch    kind = iota // small files: hash each; the sequencer places them
	data                 // a block of a file: a hole if all zero, else compress
	holes                // blocks of a file that are known to be zero
	fragment             // a full fragment block: compress
	extent               // bytes of another image: copy
	flush                // end the open fragment block
)

// job is one thing on its way into the image.
type job struct {
	kind kind
	home chan *job // where it waits while it is free
	raw  []byte
	buf  []byte // a block's worth of memory that raw may use

	// hashing jobs are hashed by a worker before the sequencer sees them,
	// compressing ones are compressed before they are written; both are done in
	// one go where nothing has to be decided in between.
	hashing, compressing bool
	hashed, ready        chan struct{} // receive one value when that is done

	small []smallFile      // of a batch
	file  *blockFile       // of data and holes
	last  bool             // its file ends with it
	size  int64            // bytes of holes
	hash  hash             // of data
	frag  *format.Fragment // of a fragment
	run   run              // of an extent
	done  chan struct{}    // of a flush, closed when all before it is written

	out  []byte // what is written
	word uint32 // its length as the format has it, with its flag
	err  error
}

// pipeline carries jobs through hashing, sequencing, compression and writing.
// One goroutine acquires and submits, and ends it; one sequences and one
// writes, in the order of submission; the workers do what takes time.
type pipeline struct {
	out     io.Writer
	hashing hashing
	pos     uint64 // bytes written; the writing goroutine's until end returns
	// free are the submitting goroutine's jobs, spare the sequencer's.
	free, spare chan *job
	// work feeds the workers, in the sequencer and order the writing
	// goroutine. Each holds every job there is, so that sending never blocks.
	work, in, order chan *job
	running         sync.WaitGroup
	copying         []byte // room for what is copied
	ended           bool

	mu  sync.Mutex
	err error // the first error; nothing is written after it
}

func newPipeline(out io.Writer, newCompressor func() (codec.Compressor, error), o Options) (*pipeline, error) {
	hashing, err := newHashing()
	if err != nil {
		return nil, err
	}
	limit := blockBudget / (2 * o.BlockSize * (jobsPerWorker + placedPerWorker))
	compressors := make([]codec.Compressor, min(o.Workers, limit))
	for i := range compressors {
		var err error
		if compressors[i], err = newCompressor(); err != nil {
			return nil, err
		}
	}
	p := &pipeline{out: out, hashing: hashing}
	// One more for the batch and the fragment block that are being filled.
	p.free = newJobs(jobsPerWorker*len(compressors) + 1)
	p.spare = newJobs(placedPerWorker*len(compressors) + 1)
	all := cap(p.free) + cap(p.spare)
	p.work, p.in, p.order = make(chan *job, all), make(chan *job, all), make(chan *job, all)
	for _, c := range compressors {
		p.running.Go(func() { p.serve(c) })
	}
	p.running.Go(newSequencer(p, o.BlockSize).run)
	p.running.Go(p.write)
	return p, nil
}

func newJobs(n int) chan *job {
	home := make(chan *job, n)
	for range n {
		home <- &job{home: home, hashed: make(chan struct{}, 1), ready: make(chan struct{}, 1)}
	}
	return home
}

// acquire returns a free job of k whose buf is size bytes, waiting for one when
// all are in flight.
func acquire(from chan *job, k kind, size int) *job {
	j := <-from
	j.kind = k
	if len(j.buf) < size {
		j.buf = make([]byte, size)
	}
	return j
}

// release takes back a job that is done with or not submitted after all.
func (j *job) release() {
	*j = job{home: j.home, buf: j.buf, hashed: j.hashed, ready: j.ready, small: j.small[:0], out: j.out[:0]}
	j.home <- j
}

// submit sends j on its way.
func (p *pipeline) submit(j *job) {
	if j.hashing || j.compressing {
		p.work <- j
	}
	p.in <- j
}

// sync ends the open fragment block and waits until all that was submitted is
// written or given up; the error is the pipeline's first.
func (p *pipeline) sync() error {
	j := acquire(p.free, flush, 0)
	done := make(chan struct{})
	j.done = done
	p.submit(j)
	<-done
	return p.failure()
}

func (p *pipeline) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// end returns when all that was submitted is written or given up and every
// goroutine has ended; the error is the pipeline's first.
func (p *pipeline) end() error {
	if !p.ended {
		p.ended = true
		close(p.in)
	}
	p.running.Wait()
	return p.failure()
}

func (p *pipeline) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

// serve is a worker. Once it has reported a job hashed it may not look at it
// again, unless it compresses it in one go.
func (p *pipeline) serve(c codec.Compressor) {
	for j := range p.work {
		compressing, failed := j.compressing, p.failure() != nil
		if j.hashing {
			if !failed {
				j.sum(p.hashing)
			}
			j.hashed <- struct{}{}
		}
		if compressing {
			if !failed {
				j.err = j.compress(c)
			}
			j.ready <- struct{}{}
		}
	}
}

// sum hashes the job's block, or each of its files.
func (j *job) sum(h hashing) {
	if j.kind == data {
		j.hash = h.ofBlock(j.raw)
		return
	}
	rest := j.raw
	for i := range j.small {
		n := j.small[i].file.Length
		j.small[i].sum = h.of(rest[:n])
		rest = rest[n:]
	}
}

// compress sets j.out and j.word.
func (j *job) compress(c codec.Compressor) error {
	if j.kind == data && isZero(j.raw) {
		j.out, j.word = j.out[:0], 0
		return nil
	}
	var err error
	if j.out, err = c.Compress(j.out[:0], j.raw); err != nil {
		return err
	}
	if len(j.out) >= len(j.raw) {
		j.out = append(j.out[:0], j.raw...)
		j.word = uint32(len(j.raw)) | format.BlockUncompressed
		return nil
	}
	j.word = uint32(len(j.out))
	return nil
}

func (p *pipeline) write() {
	for j := range p.order {
		if j.compressing {
			<-j.ready
		}
		err := p.failure()
		if err == nil {
			err = p.emit(j)
		}
		if err != nil {
			p.fail(err)
		}
		if j.done != nil {
			close(j.done)
		}
		j.release()
	}
}

// emit records where j comes to lie and writes it.
func (p *pipeline) emit(j *job) error {
	if j.err != nil {
		return j.err
	}
	switch j.kind {
	case data:
		addBlock(j.file.Data, j.word, len(j.raw), p.pos)
	case holes:
		addHoles(j.file.Data, j.size, j.file.blockSize)
	case fragment:
		*j.frag = format.Fragment{Start: p.pos, Size: j.word}
	case extent:
		return p.copyRun(j.run)
	}
	_, err := p.Write(j.out)
	return err
}

// Write appends b to the image.
func (p *pipeline) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := p.out.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return n, fmt.Errorf("squashfs: write %d bytes at offset %d of the image: %w", len(b), p.pos, err)
	}
	p.pos += uint64(n)
	return n, nil
}
