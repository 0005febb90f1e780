package oci

import (
	"bufio"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/sealift/sealift/buildcfg/hint"
)

const unknownSize = -1

// layer is one layer; it implements tree.Layer.
type layer struct {
	source source
	path   string // in source
	// digest and size are of the blob as it lies there. A docker-archive may
	// tell neither: the digest is then zero and the size unknownSize.
	digest digest
	size   int64
	diffID digest // of the decompressed stream
	// compression is what the media type says, anyCompression if there is
	// none.
	compression compression
}

// String returns the digest, or the diff ID of a layer without one.
func (l *layer) String() string {
	if l.digest == (digest{}) {
		return l.diffID.String()
	}
	return l.digest.String()
}

// Open starts the decompressed stream.
func (l *layer) Open() (io.ReadCloser, error) {
	f, err := l.source.open(l.path)
	if err != nil {
		return nil, missing(err)
	}
	s, err := l.stream(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func (l *layer) stream(f *blob) (*stream, error) {
	if l.size != unknownSize && f.size != l.size {
		return nil, damaged("blob has %d bytes, not %d", f.size, l.size)
	}
	s := &stream{layer: l, file: f, plain: l.diffID.new(), ratio: ratioLimit}
	s.raw = &meter{r: f}
	buffered := bufio.NewReaderSize(s.raw, 64<<10)
	found, err := sniff(buffered)
	if err != nil {
		return nil, err
	}
	if l.compression != anyCompression && l.compression != found {
		return nil, damaged("blob is %s, its media type says %s", found, l.compression)
	}
	// An uncompressed blob whose digest is its diff ID is hashed once.
	if l.digest != (digest{}) && !(found == noCompression && l.digest == l.diffID) {
		s.raw.hash = l.digest.new()
		// What sniff has made buffered read is not hashed yet.
		head, _ := buffered.Peek(buffered.Buffered())
		s.raw.hash.Write(head)
	}
	s.decoder, err = newDecoder(found, buffered)
	return s, err
}

// meter counts and hashes what is read through it.
type meter struct {
	r    io.Reader
	n    int64
	hash hash.Hash // nil for none
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	if m.hash != nil {
		m.hash.Write(p[:n])
	}
	return n, err
}

// expansion bounds what a decoder may make of its input: when it has made
// more than free bytes, these are at most times the bytes it has read.
type expansion struct{ free, times int64 }

// ratioLimit stops bombs. DEFLATE expands by less than 1032, and no layer of
// 64 GiB compresses nearly as well.
var ratioLimit = expansion{free: 64 << 30, times: 1000}

func (e expansion) check(out, in int64) error {
	if out > e.free && out/e.times > in {
		return hint.New(fmt.Sprintf("%d bytes expand to more than %d", in, out),
			"check where the image comes from; this looks like a decompression bomb")
	}
	return nil
}

// stream is a layer being read. It ends with io.EOF only after everything was
// verified.
type stream struct {
	layer   *layer
	file    *blob
	raw     *meter // the blob
	decoder io.ReadCloser
	plain   hash.Hash // of what was decompressed
	n       int64
	ratio   expansion
	err     error // that the stream ended with
}

func (s *stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.decoder.Read(p)
	s.n += int64(n)
	s.plain.Write(p[:n])
	switch {
	case err == io.EOF:
		err = s.verify()
	case err != nil:
		err = damaged("after %d bytes of the blob: %w", s.raw.n, err)
	default:
		err = s.ratio.check(s.n, s.raw.n)
	}
	s.err = err
	return n, err
}

// verify returns io.EOF if the whole layer is what the image says. The
// decoders have read their input to its end.
func (s *stream) verify() error {
	if s.raw.n != s.file.size {
		return damaged("blob ends after %d of %d bytes", s.raw.n, s.file.size)
	}
	if s.raw.hash != nil {
		if err := s.layer.digest.check("blob", s.raw.hash); err != nil {
			return err
		}
	}
	if err := s.layer.diffID.check("decompressed content", s.plain); err != nil {
		return err
	}
	return io.EOF
}

// Close releases the stream. It verifies nothing: only io.EOF tells that.
func (s *stream) Close() error { return errors.Join(s.decoder.Close(), s.file.Close()) }
