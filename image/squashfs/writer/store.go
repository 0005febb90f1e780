package writer

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// maxHeld bounds the bytes of one file that are held back while they equal an
// earlier file's. A longer file that differs only after that cannot be
// recalled from the output, so past it the file is written again.
const maxHeld = 64 << 20

// stored is a file's content in the image. The pipeline's writing goroutine
// fills in the blocks; everyone else may look only after waiting for last.
type stored struct {
	owner   *Writer
	size    int64
	last    uint64 // sequence number of its last job
	start   uint64 // position of the first block that is not a hole
	sparse  uint64 // bytes in holes
	blocks  []uint32
	hashes  []hash
	frag    *fragmentBlock // nil if none
	fragOff uint32
}

// Size returns the file's length in bytes.
func (f *stored) Size() int64 { return f.size }

func (f *stored) addBlock(j *job, pos uint64) {
	f.blocks = append(f.blocks, j.size)
	f.hashes = append(f.hashes, j.hash)
	if j.size == 0 {
		f.sparse += uint64(len(j.raw))
	} else if f.start == 0 {
		f.start = pos
	}
}

// fragmentBlock is a block of the ends of several files, here of files that
// are shorter than a block. Its entry is filled in when it is written.
type fragmentBlock struct {
	job   *job // while it is being filled
	used  int
	entry format.Fragment
}

// Store streams one file's bytes into the image. The result is a handle for
// nodes of the tree that this Writer's Finish gets, and equals that of an
// earlier file with the same bytes. An r that does not yield exactly size
// bytes is an error, after which the Writer is still usable.
func (w *Writer) Store(r io.Reader, size int64) (tree.Content, error) {
	f, err := w.store(r, size)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (w *Writer) store(r io.Reader, size int64) (*stored, error) {
	if w.closed {
		return nil, errClosed
	}
	if err := w.pipe.failure(); err != nil {
		return nil, err
	}
	if size < 0 {
		return nil, fmt.Errorf("squashfs: content size %d is negative", size)
	}
	in := &sizedReader{r: r, size: size}
	if size < int64(w.options.BlockSize) {
		return w.storeSmall(in)
	}
	return w.storeBlocks(in)
}

// storeSmall puts a file shorter than a block into a fragment block.
func (w *Writer) storeSmall(in *sizedReader) (*stored, error) {
	b, err := in.next(w.small)
	if err != nil {
		return nil, err
	}
	f := &stored{owner: w, size: in.size}
	if len(b) == 0 {
		return f, nil
	}
	sum := hash(sha256.Sum256(b))
	if twin := w.bySum[sum]; twin != nil {
		return twin, nil
	}
	if w.frag != nil && w.frag.used+len(b) > w.options.BlockSize {
		w.flushFragment()
	}
	if w.frag == nil {
		w.frag = &fragmentBlock{job: w.pipe.acquire(w.options.BlockSize)}
	}
	f.frag, f.fragOff = w.frag, uint32(w.frag.used)
	w.frag.used += copy(w.frag.job.buf[w.frag.used:], b)
	w.bySum[sum] = f
	return f, nil
}

func (w *Writer) flushFragment() {
	f := w.frag
	if f == nil {
		return
	}
	w.frag = nil
	j := f.job
	f.job = nil
	w.pipe.submit(j, fragment, j.buf[:f.used], func(j *job, pos uint64) {
		f.entry = format.Fragment{Start: pos, Size: j.size}
	})
}

// storeBlocks writes a file of at least one block, unless it turns out equal
// to an earlier one: as long as its blocks equal those of a file of the same
// size, they are held back.
func (w *Writer) storeBlocks(in *sizedReader) (*stored, error) {
	f := &stored{owner: w, size: in.size}
	twins, err := w.finished(w.bySize[in.size])
	if err != nil {
		return nil, err
	}
	var held [][]byte
	for i := 0; in.read < in.size; i++ {
		if err := w.pipe.failure(); err != nil {
			return nil, err
		}
		j := w.pipe.acquire(w.options.BlockSize)
		b, err := in.next(j.buf)
		if err != nil {
			w.pipe.release(j)
			return nil, err
		}
		if len(twins) > 0 {
			sum := hashOf(b)
			twins = slices.DeleteFunc(twins, func(t *stored) bool { return t.hashes[i] != sum })
			if len(twins) > 0 && len(held) < maxHeld/w.options.BlockSize {
				held = append(held, bytes.Clone(b))
				w.pipe.release(j)
				continue
			}
			w.submitHeld(f, held)
			twins, held = nil, nil
		}
		f.last = w.pipe.submit(j, data, b, f.addBlock)
	}
	if len(twins) > 0 {
		return twins[0], nil
	}
	w.bySize[f.size] = append(w.bySize[f.size], f)
	return f, nil
}

func (w *Writer) submitHeld(f *stored, held [][]byte) {
	for _, b := range held {
		f.last = w.pipe.submit(w.pipe.acquire(0), data, b, f.addBlock)
	}
}

// finished waits until all of files are written and returns a copy of the
// list.
func (w *Writer) finished(files []*stored) ([]*stored, error) {
	for _, f := range files {
		if err := w.pipe.wait(f.last); err != nil {
			return nil, err
		}
	}
	return slices.Clone(files), nil
}

// sizedReader reads exactly size bytes, a block at a time.
type sizedReader struct {
	r          io.Reader
	size, read int64
}

// next fills the start of buf with the next block: as much of what is left as
// fits. With the last block it makes sure that nothing follows.
func (s *sizedReader) next(buf []byte) ([]byte, error) {
	b := buf[:min(int64(len(buf)), s.size-s.read)]
	n, err := io.ReadFull(s.r, b)
	s.read += int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("squashfs: content ends after %d bytes, not %d", s.read, s.size)
	}
	if err != nil {
		return nil, fmt.Errorf("squashfs: read content at offset %d: %w", s.read, err)
	}
	if s.read < s.size {
		return b, nil
	}
	return b, s.atEnd()
}

func (s *sizedReader) atEnd() error {
	var extra [1]byte
	n, err := io.ReadFull(s.r, extra[:])
	if n > 0 {
		return fmt.Errorf("squashfs: content goes on after %d bytes: at least %d", s.size, s.size+1)
	}
	if err != io.EOF {
		return fmt.Errorf("squashfs: read content at offset %d: %w", s.read, err)
	}
	return nil
}
