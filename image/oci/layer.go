package oci

import (
	"bufio"
	"context"
	"errors"
	"hash"
	"io"

	"github.com/sealift/sealift/image/oci/compression"
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
	// compression is what the media type says, compression.Any if there is
	// none.
	compression compression.Kind
	// received, if not nil, is told of the bytes of the blob as they come.
	received func(n int64)
}

// String returns the digest, or the diff ID of a layer without one.
func (l *layer) String() string {
	if l.digest == (digest{}) {
		return l.diffID.String()
	}
	return l.digest.String()
}

// Open starts the decompressed stream, which goes on by itself for as far as
// it may run ahead of its reader.
func (l *layer) Open(ctx context.Context) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	d, err := l.decode(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	return newStream(d, cancel), nil
}

// decode opens the blob and what decompresses it.
func (l *layer) decode(ctx context.Context) (*decoding, error) {
	f, err := l.source.open(ctx, l.path, l.size)
	if err != nil {
		return nil, missing(err)
	}
	d := &decoding{layer: l, ctx: ctx, file: f, raw: &meter{ctx: ctx, r: f, told: l.received}, ratio: compression.Limit}
	if err := d.start(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d, nil
}

// meter counts and hashes what is read through it, until its context ends.
type meter struct {
	ctx  context.Context
	r    io.Reader
	n    int64
	hash hash.Hash // nil for none
	told func(n int64)
}

func (m *meter) Read(p []byte) (int, error) {
	// A decoder may read far without yielding anything.
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	m.n += int64(n)
	if m.hash != nil {
		m.hash.Write(p[:n])
	}
	if m.told != nil {
		m.told(int64(n))
	}
	return n, err
}

// decoding is a blob being decompressed. It ends with io.EOF only if the blob
// is the one that the image names.
type decoding struct {
	layer   *layer
	ctx     context.Context
	file    *blob
	raw     *meter // the blob
	decoder io.ReadCloser
	n       int64 // bytes decompressed
	ratio   compression.Expansion
}

func (d *decoding) start() error {
	l := d.layer
	if l.size != unknownSize && d.file.size != l.size {
		return damaged("blob has %d bytes, not %d", d.file.size, l.size)
	}
	buffered := bufio.NewReaderSize(d.raw, 64<<10)
	found, err := compression.Sniff(buffered)
	if err != nil {
		return err
	}
	if l.compression != compression.Any && l.compression != found {
		return damaged("blob is %s, its media type says %s", found, l.compression)
	}
	// An uncompressed blob whose digest is its diff ID is hashed once.
	if l.digest != (digest{}) && !(found == compression.None && l.digest == l.diffID) {
		d.raw.hash = l.digest.new()
		// What sniff has made buffered read is not hashed yet.
		head, _ := buffered.Peek(buffered.Buffered())
		d.raw.hash.Write(head)
	}
	if d.decoder, err = compression.NewDecoder(found, buffered); err != nil {
		return damaged("%w", err)
	}
	return nil
}

// Read is not called again after an error.
func (d *decoding) Read(p []byte) (int, error) {
	n, err := d.decoder.Read(p)
	d.n += int64(n)
	switch {
	case err == io.EOF:
		return n, d.verify()
	case err != nil && d.ctx.Err() != nil:
		return n, d.ctx.Err()
	case err != nil:
		return n, damaged("after %d bytes of the blob: %w", d.raw.n, err)
	}
	return n, d.ratio.Check(d.n, d.raw.n)
}

// verify returns io.EOF if the blob is what the image says. The decoders have
// read their input to its end.
func (d *decoding) verify() error {
	if d.raw.n != d.file.size {
		return damaged("blob ends after %d of %d bytes", d.raw.n, d.file.size)
	}
	if d.raw.hash != nil {
		if err := d.layer.digest.check("blob", d.raw.hash); err != nil {
			return err
		}
	}
	return io.EOF
}

func (d *decoding) Close() error { return errors.Join(d.decoder.Close(), d.file.Close()) }
