package oci

import (
	"context"
	"hash"
	"io"
)

// What a stream may hold of a layer before it is read: so many chunks of so
// many bytes.
const (
	chunksAhead = 32
	chunkSize   = 256 << 10
)

// stream is a layer being read. A goroutine decompresses ahead of the reader.
// It ends with io.EOF only after everything was verified.
type stream struct {
	decoding *decoding // the goroutine's until full is closed
	cancel   context.CancelFunc
	// free holds what the goroutine may fill, nil for a chunk that is not made
	// yet; full what it filled, in order. Each has room for every chunk, so
	// that handing one over never blocks.
	free, full chan []byte
	ended      error // of decoding; set before full is closed

	chunk  []byte // the last one taken from full
	unread []byte // its end
	plain  hash.Hash
	err    error // that the stream ended with
}

func newStream(d *decoding, cancel context.CancelFunc) *stream {
	s := &stream{
		decoding: d, cancel: cancel, plain: d.layer.diffID.new(),
		free: make(chan []byte, chunksAhead), full: make(chan []byte, chunksAhead),
	}
	for range chunksAhead {
		s.free <- nil
	}
	go s.fillAll()
	return s
}

// fillAll decompresses until the layer or its context ends.
func (s *stream) fillAll() {
	defer close(s.full)
	for s.ended == nil {
		select {
		case chunk := <-s.free:
			if chunk == nil {
				chunk = make([]byte, chunkSize)
			}
			chunk, s.ended = fill(chunk, s.decoding)
			s.full <- chunk
		case <-s.decoding.ctx.Done():
			s.ended = s.decoding.ctx.Err()
		}
	}
}

// fill reads until b is full or r ends, and returns what it read.
func fill(b []byte, r io.Reader) ([]byte, error) {
	for n := 0; n < len(b); {
		m, err := r.Read(b[n:])
		if n += m; err != nil {
			return b[:n], err
		}
	}
	return b, nil
}

func (s *stream) Read(p []byte) (int, error) {
	for len(s.unread) == 0 {
		if s.err == nil {
			s.err = s.next()
		}
		if s.err != nil {
			return 0, s.err
		}
	}
	n := copy(p, s.unread)
	s.unread = s.unread[n:]
	return n, nil
}

// next exchanges the chunk that was read for the one that follows.
func (s *stream) next() error {
	if s.chunk != nil {
		s.free <- s.chunk[:cap(s.chunk)]
		s.chunk = nil
	}
	chunk, more := <-s.full
	if !more {
		return s.verify()
	}
	s.chunk, s.unread = chunk, chunk
	s.plain.Write(chunk)
	return nil
}

// verify returns io.EOF if the whole layer is what the image says.
func (s *stream) verify() error {
	if s.ended != io.EOF {
		return s.ended
	}
	if err := s.decoding.layer.diffID.check("decompressed content", s.plain); err != nil {
		return err
	}
	return io.EOF
}

// Close ends the stream. It verifies nothing: only io.EOF tells that.
func (s *stream) Close() error {
	s.cancel()
	for range s.full {
		// The goroutine is still at work.
	}
	return s.decoding.Close()
}
