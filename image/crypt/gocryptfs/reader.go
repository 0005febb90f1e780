package gocryptfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/squashfs/lru"
)

// ErrDamaged is wrapped by every error that is the fault of the encrypted file:
// it was changed, cut or damaged, or belongs to another key.
var ErrDamaged = errors.New("it is damaged, or was changed without the key")

// A read decrypts so many blocks at a time at most. Of those that it wants only
// a part of, some are kept.
const (
	readBlocks = 64
	keptBytes  = 1 << 20
)

// Reader is the plaintext of a file. It is safe for concurrent use.
type Reader struct {
	r    io.ReaderAt
	c    *Cipher
	id   []byte
	size int64 // of the plaintext
	kept *lru.Cache[int64, []byte]
	room sync.Pool // *[]byte, for readBlocks encrypted blocks
}

// Open returns the plaintext of the encrypted file that is the first size bytes
// of r. Blocks are checked as they are read.
func (c *Cipher) Open(r io.ReaderAt, size int64) (*Reader, error) {
	head := make([]byte, headerSize)
	blocks := size - headerSize
	last := blocks % c.stored()
	if blocks <= 0 || last > 0 && last <= int64(c.overhead()) {
		return nil, damaged("it has %d bytes", size)
	}
	if err := readFull(r, head, 0); err != nil {
		return nil, err
	}
	if v := binary.BigEndian.Uint16(head); v != version {
		return nil, damaged("version %d of its format is not %d", v, version)
	}
	count := (blocks + c.stored() - 1) / c.stored()
	f := &Reader{r: r, c: c, id: head[2:], size: blocks - count*int64(c.overhead())}
	f.kept = lru.New[int64](keptBytes, func(b []byte) int64 { return int64(cap(b)) + 64 }, nil)
	f.room.New = func() any { b := make([]byte, min(count, readBlocks)*c.stored()); return &b }
	return f, nil
}

func damaged(text string, args ...any) error {
	err := fmt.Errorf("encrypted file: "+text+": %w", append(args, ErrDamaged)...)
	return hint.Wrap(err, "copy or download the image again")
}

// readFull fills b from off; a file that ends before is damaged.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == io.EOF:
		return damaged("it ends at byte %d", off+int64(n))
	}
	return fmt.Errorf("encrypted file: read %d bytes at %d: %w", len(b), off, err)
}

// Size is the length of the plaintext in bytes.
func (f *Reader) Size() int64 { return f.size }

// Stored returns where in the encrypted file n bytes of the plaintext from off
// on lie, with what authenticates them.
func (f *Reader) Stored(off, n int64) (start, length int64) {
	first, last := off/blockSize, (off+max(n, 1)-1)/blockSize
	return headerSize + first*f.c.stored(), (last - first + 1) * f.c.stored()
}

// ReadAt is io.ReaderAt's. A block that does not authenticate is an error that
// wraps ErrDamaged; what was read before it is right.
func (f *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	switch {
	case off < 0:
		return 0, fmt.Errorf("encrypted file: read at offset %d", off)
	case off >= f.size:
		return 0, io.EOF
	}
	short := int64(len(p)) > f.size-off
	if short {
		p = p[:f.size-off]
	}
	for n < len(p) {
		k, err := f.read(p[n:], off+int64(n))
		if n += k; err != nil {
			return n, err
		}
	}
	if short {
		return n, io.EOF
	}
	return n, nil
}

// read reads a part of a block, or whole ones.
func (f *Reader) read(p []byte, off int64) (int, error) {
	block, skip := off/blockSize, off%blockSize
	if skip == 0 && len(p) >= f.length(block) {
		return f.blocks(p, block)
	}
	b, err := f.kept.Value(block, func() ([]byte, error) {
		b := make([]byte, f.length(block))
		_, err := f.blocks(b, block)
		return b, err
	})
	if err != nil {
		return 0, err
	}
	return copy(p, b[skip:]), nil
}

// length is that of a block's plaintext.
func (f *Reader) length(block int64) int { return int(min(blockSize, f.size-block*blockSize)) }

// blocks decrypts into p as many whole blocks from the given one on as fit, and
// are read at a time.
func (f *Reader) blocks(p []byte, block int64) (n int, err error) {
	room := f.room.Get().(*[]byte)
	defer f.room.Put(room)
	want := min(int64(len(p)), readBlocks*blockSize)
	if block*blockSize+want < f.size {
		want -= want % blockSize
	}
	count := (want + blockSize - 1) / blockSize
	stored := (*room)[:want+count*int64(f.c.overhead())]
	at := headerSize + block*f.c.stored()
	if err := readFull(f.r, stored, at); err != nil {
		return 0, err
	}
	associated := f.c.associated(f.id, block)
	for ; len(stored) > 0; block++ {
		b := stored[:min(int64(len(stored)), f.c.stored())]
		stored = stored[len(b):]
		number(associated, block)
		length := len(b) - f.c.overhead()
		if isZero(b[:f.c.nonceSize]) {
			err = errHole
		} else {
			_, err = f.c.open(p[n:n:n+length], b, associated)
		}
		if err != nil {
			clear(p[n : n+length])
			return n, damaged("block %d at byte %d: %w", block, headerSize+block*f.c.stored(), err)
		}
		n += length
	}
	return n, nil
}

var errHole = errors.New("a hole, which nothing authenticates")

func isZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }
