package writer

import (
	"errors"
	"fmt"
	"io"

	"github.com/sealift/sealift/image/squashfs/table"
	"github.com/sealift/sealift/image/tree"
)

// Store streams one file's bytes into the image. The result is a handle for
// nodes of the tree that this Writer's Finish gets. Files of the same bytes
// share what is stored. An r that does not yield exactly size bytes is an
// error, after which the Writer is still usable. Where r is a tree.Sparse, its
// holes are not read.
func (w *Writer) Store(r io.Reader, size int64) (tree.Content, error) {
	f, err := w.store(r, size)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (w *Writer) store(r io.Reader, size int64) (*table.File, error) {
	if w.closed {
		return nil, errClosed
	}
	if err := w.pipe.failure(); err != nil {
		return nil, err
	}
	if size < 0 {
		return nil, fmt.Errorf("squashfs: content size %d is negative", size)
	}
	w.input = sizedReader{r: r, size: size}
	defer func() { w.input = sizedReader{} }()
	if size < int64(w.options.BlockSize) {
		return w.storeSmall(&w.input)
	}
	return w.storeBlocks(&w.input)
}

// storeSmall adds a file shorter than a block to the open batch.
func (w *Writer) storeSmall(in *sizedReader) (*table.File, error) {
	f := w.newFile(in.size)
	if in.size == 0 {
		return f, in.atEnd()
	}
	if w.batch != nil && len(w.batch.raw)+int(in.size) > w.options.BlockSize {
		w.sendBatch()
	}
	if w.batch == nil {
		w.batch = acquire(w.pipe.free, batch, w.options.BlockSize)
		w.batch.raw, w.batch.hashing = w.batch.buf[:0], true
	}
	b, err := in.next(w.batch.buf[len(w.batch.raw):w.options.BlockSize])
	if err != nil {
		return nil, err
	}
	w.batch.raw = w.batch.raw[:len(w.batch.raw)+len(b)]
	w.batch.small = append(w.batch.small, smallFile{file: f})
	return f, nil
}

func (w *Writer) sendBatch() {
	if w.batch != nil {
		w.pipe.submit(w.batch)
		w.batch = nil
	}
}

// storeBlocks submits the blocks of a file of at least one. Unless an equal
// file is possible, nothing has to be decided between hashing and compressing
// them.
func (w *Writer) storeBlocks(in *sizedReader) (*table.File, error) {
	f := &blockFile{
		File: w.newFile(in.size), blockSize: w.options.BlockSize,
		comparable: in.size <= maxHeld, suspect: w.sizes[in.size],
	}
	f.Data = &table.Data{}
	if f.comparable {
		w.sizes[in.size] = true
	}
	for in.read < in.size {
		if err := w.pipe.failure(); err != nil {
			return nil, err
		}
		if err := w.submitNext(f, in); err != nil {
			return nil, err
		}
	}
	return f.File, nil
}

// submitNext submits the holes or the block that come next in a file.
func (w *Writer) submitNext(f *blockFile, in *sizedReader) error {
	size, err := in.skipHoles(int64(w.options.BlockSize))
	if err != nil {
		return err
	}
	if size > 0 {
		j := acquire(w.pipe.free, holes, 0)
		j.file, j.size, j.last = f, size, in.read == in.size
		w.pipe.submit(j)
		return nil
	}
	j := acquire(w.pipe.free, data, w.options.BlockSize)
	if j.raw, err = in.next(j.buf); err != nil {
		j.release()
		return err
	}
	j.file, j.last = f, in.read == in.size
	j.hashing, j.compressing = f.comparable, !f.suspect
	w.pipe.submit(j)
	return nil
}

// sizedReader reads exactly size bytes, a block at a time.
type sizedReader struct {
	r          io.Reader
	size, read int64
	extra      [1]byte // what may follow
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
		return nil, s.failed(err)
	}
	if s.read < s.size {
		return b, nil
	}
	return b, s.atEnd()
}

// skipHoles passes over the whole blocks of holes that come next, and over a
// last one that is shorter, and returns how many bytes they are.
func (s *sizedReader) skipHoles(blockSize int64) (int64, error) {
	r, ok := s.r.(tree.Sparse)
	if !ok {
		return 0, nil
	}
	n, err := r.Hole()
	if err != nil {
		return 0, s.failed(err)
	}
	if n = min(n, s.size-s.read); n < s.size-s.read {
		n -= n % blockSize
	}
	if n == 0 {
		return 0, nil
	}
	if err := r.Skip(n); err != nil {
		return 0, s.failed(err)
	}
	if s.read += n; s.read < s.size {
		return n, nil
	}
	return n, s.atEnd()
}

func (s *sizedReader) atEnd() error {
	n, err := io.ReadFull(s.r, s.extra[:])
	if n > 0 {
		return fmt.Errorf("squashfs: content goes on after %d bytes: at least %d", s.size, s.size+1)
	}
	if err != io.EOF {
		return s.failed(err)
	}
	return nil
}

func (s *sizedReader) failed(err error) error {
	return fmt.Errorf("squashfs: read content at offset %d: %w", s.read, err)
}
