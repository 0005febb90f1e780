package gocryptfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// writeBlocks is how many blocks are encrypted and written at a time.
const writeBlocks = 64

// Writer encrypts a plaintext of at least a block as it comes. The first block
// is kept until the end, as its start may not be known before: Finish returns
// it.
type Writer struct {
	w       io.Writer
	c       *Cipher
	id      []byte
	first   []byte // plaintext of block 0
	plain   []byte // what is not encrypted yet
	block   int64  // the number of the block that plain begins with
	size    int64  // bytes written to w
	room    []byte
	written bool // the place of what Finish returns
}

// NewWriter returns a writer of a new file, which is written to w.
func (c *Cipher) NewWriter(w io.Writer) *Writer {
	return &Writer{
		w: w, c: c, id: random(idSize), block: 1, first: make([]byte, 0, blockSize),
		plain: make([]byte, 0, writeBlocks*blockSize),
	}
}

// headSize is how long the header and the first block are.
func (c *Cipher) headSize() int { return headerSize + int(c.stored()) }

// Size is how long the encrypted file is so far, in bytes.
func (w *Writer) Size() int64 { return w.size }

// Write appends to the plaintext.
func (w *Writer) Write(p []byte) (int, error) {
	n := min(len(p), blockSize-len(w.first))
	w.first = append(w.first, p[:n]...)
	for n < len(p) {
		k := min(len(p)-n, cap(w.plain)-len(w.plain))
		w.plain = append(w.plain, p[n:n+k]...)
		n += k
		if len(w.plain) == cap(w.plain) {
			if err := w.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// flush encrypts and writes what there is.
func (w *Writer) flush() error {
	if !w.written {
		w.written = true
		if err := w.put(make([]byte, w.c.headSize())); err != nil {
			return err
		}
	}
	nonces := random((len(w.plain) + blockSize - 1) / blockSize * w.c.nonceSize)
	associated := w.c.associated(w.id, w.block)
	out := w.room[:0]
	for rest := w.plain; len(rest) > 0; w.block++ {
		b := rest[:min(len(rest), blockSize)]
		rest = rest[len(b):]
		number(associated, w.block)
		out = w.c.seal(out, nonces[:w.c.nonceSize], b, associated)
		nonces = nonces[w.c.nonceSize:]
	}
	w.room, w.plain = out, w.plain[:0]
	return w.put(out)
}

func (w *Writer) put(b []byte) error {
	n, err := w.w.Write(b)
	w.size += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// Finish ends the file. It returns the header and the first block, for which
// zeros were written; start is what the plaintext begins with in place of what
// was.
func (w *Writer) Finish(start []byte) (head []byte, err error) {
	switch {
	case len(w.first) < blockSize:
		return nil, fmt.Errorf("a plaintext of %d bytes is shorter than a block", len(w.first))
	case len(start) > blockSize:
		return nil, errors.New("its start is longer than a block")
	}
	if err := w.flush(); err != nil {
		return nil, err
	}
	copy(w.first, start)
	head = append(binary.BigEndian.AppendUint16(nil, version), w.id...)
	return w.c.seal(head, random(w.c.nonceSize), w.first, w.c.associated(w.id, 0)), nil
}
