package squashfs

import (
	"errors"
	"fmt"
	"io"

	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/lru"
	"github.com/sealift/sealift/image/squashfs/meta"
)

// block is room for one block of data and how much of it is used.
type block struct {
	room []byte // as long as the image's block size
	n    int
}

func (b *block) data() []byte { return b.room[:b.n] }

// copyTo copies the data to p, which may be too short, and returns the data's
// length.
func (b *block) copyTo(p []byte) int {
	copy(p, b.data())
	return b.n
}

func (b *block) cost() int64 { return int64(cap(b.room)) + 128 }

func (r *Reader) getFree() *block {
	if b, ok := r.free.Get().(*block); ok {
		return b
	}
	return &block{room: make([]byte, r.super.BlockSize, r.super.BlockSize+codec.Slack)}
}

// putFree takes back a block no one uses any more.
func (r *Reader) putFree(b *block) {
	b.n = 0
	r.free.Put(b)
}

// ErrNotReady is that of reads which may not wait.
var ErrNotReady = errors.New("squashfs: not decoded yet")

// ReadAt reads a regular file's bytes as an io.ReaderAt does.
func (r *Reader) ReadAt(ino *Inode, p []byte, off int64) (n int, err error) {
	return r.readAt(ino, p, off, true)
}

// ReadReady is ReadAt of what is decoded and in memory; of anything else the
// error is ErrNotReady, and p may have been written to. It reads no data from
// storage, though a piece of the fragment table if that is not kept.
func (r *Reader) ReadReady(ino *Inode, p []byte, off int64) (n int, err error) {
	return r.readAt(ino, p, off, false)
}

func (r *Reader) readAt(ino *Inode, p []byte, off int64, wait bool) (n int, err error) {
	switch {
	case !ino.IsRegular():
		return 0, fmt.Errorf("squashfs: inode %d is not a regular file", ino.Number)
	case off < 0:
		return 0, fmt.Errorf("squashfs: read at offset %d", off)
	case uint64(off) >= ino.Size:
		return 0, io.EOF
	}
	short := uint64(len(p)) > ino.Size-uint64(off)
	if short {
		p = p[:ino.Size-uint64(off)]
	}
	p = p[:len(p):len(p)] // a decoder may use what is behind
	for n < len(p) {
		k, err := r.readBlock(ino, p[n:], off+int64(n), wait)
		n += k
		if err == ErrNotReady {
			return 0, err
		}
		if err != nil {
			return n, fmt.Errorf("file inode %d at %d: %w", ino.Number, off+int64(n), err)
		}
	}
	if short {
		return n, io.EOF
	}
	return n, nil
}

// readBlock fills p as far as the block or fragment that holds byte off of the
// file reaches. off must lie inside the file.
func (r *Reader) readBlock(ino *Inode, p []byte, off int64, wait bool) (int, error) {
	size := int64(r.super.BlockSize)
	index, from := off/size, int(off%size)
	length := int(min(size, int64(ino.Size)-index*size))
	p = p[:min(len(p), length-from)]
	if index >= int64(len(ino.Blocks)) {
		return r.readTail(ino, p, from, length, wait)
	}
	word := ino.Blocks[index]
	if word == 0 {
		clear(p)
		return len(p), nil
	}
	at := format.Fragment{Start: ino.blockStart(index), Size: word}
	if word&format.BlockUncompressed != 0 {
		if got := int(word &^ format.BlockUncompressed); got != length {
			return 0, corrupt("block at %d has %d bytes, not %d", at.Start, got, length)
		}
		return r.readPlain(p, at.Start+uint64(from), wait)
	}
	if len(p) == length {
		return r.readWhole(p, at, wait)
	}
	e, err := r.cached(at, wait)
	if err != nil {
		return 0, err
	}
	defer r.blocks.Release(e)
	if e.Value().n != length {
		return 0, corrupt("block at %d has %d bytes, not %d", at.Start, e.Value().n, length)
	}
	return copy(p, e.Value().data()[from:]), nil
}

// readTail fills p from byte from of the file's tail of length bytes, which
// lies in a fragment.
func (r *Reader) readTail(ino *Inode, p []byte, from, length int, wait bool) (int, error) {
	at, err := r.FragmentEntry(ino.Fragment)
	if err != nil {
		return 0, err
	}
	first := uint64(ino.FragOff)
	if at.Size&format.BlockUncompressed != 0 {
		stored := uint64(at.Size &^ format.BlockUncompressed)
		if !meta.Within(first, uint64(length), stored) {
			return 0, corrupt("tail of %d bytes at %d in fragment %d of %d bytes", length, first, ino.Fragment, stored)
		}
		return r.readPlain(p, at.Start+first+uint64(from), wait)
	}
	e, err := r.cached(at, wait)
	if err == ErrNotReady {
		return 0, err
	}
	if err != nil {
		return 0, fmt.Errorf("fragment %d: %w", ino.Fragment, err)
	}
	defer r.blocks.Release(e)
	if !meta.Within(first, uint64(length), uint64(e.Value().n)) {
		return 0, corrupt("tail of %d bytes at %d in fragment %d of %d bytes", length, first, ino.Fragment, e.Value().n)
	}
	return copy(p, e.Value().data()[int(first)+from:]), nil
}

// readPlain fills p from bytes stored uncompressed. Those stay out of the
// cache: the kernel keeps them already.
func (r *Reader) readPlain(p []byte, off uint64, wait bool) (int, error) {
	if !wait {
		return 0, ErrNotReady
	}
	if err := r.src.ReadFull(p, off); err != nil {
		return 0, err
	}
	return len(p), nil
}

// readWhole fills p with a whole compressed block: from the cache if it is
// there, else decoded in place. Where that lacks the decoder's slack, decoding
// elsewhere and copying is faster.
func (r *Reader) readWhole(p []byte, at format.Fragment, wait bool) (int, error) {
	var n int
	var err error
	if e := r.blocks.Acquire(at); e != nil {
		n = e.Value().copyTo(p)
		r.blocks.Release(e)
	} else if !wait {
		return 0, ErrNotReady
	} else if cap(p)-len(p) < codec.Slack && codec.WantsSlack(r.super.Compression) {
		b := r.getFree()
		b.n, err = r.decode(b.room, at)
		n = b.copyTo(p)
		r.putFree(b)
	} else {
		n, err = r.decode(p, at)
	}
	switch {
	case err != nil:
		return 0, err
	case n != len(p):
		return 0, corrupt("block at %d has %d bytes, not %d", at.Start, n, len(p))
	}
	return n, nil
}

// cached returns the decoded block or fragment at, to be released.
func (r *Reader) cached(at format.Fragment, wait bool) (*lru.Entry[format.Fragment, *block], error) {
	if !wait {
		if e := r.blocks.Acquire(at); e != nil {
			return e, nil
		}
		return nil, ErrNotReady
	}
	return r.blocks.Get(at, func() (*block, error) {
		b := r.getFree()
		var err error
		if b.n, err = r.decode(b.room, at); err != nil {
			r.putFree(b)
			return nil, err
		}
		return b, nil
	})
}

// decode reads the block or fragment at into p and returns its length.
func (r *Reader) decode(p []byte, at format.Fragment) (int, error) {
	n, compressed, err := format.StoredLen(at.Size, r.super.BlockSize)
	if err != nil {
		return 0, fmt.Errorf("block at %d: %w", at.Start, err)
	}
	if !compressed {
		if int(n) > len(p) {
			return 0, corrupt("block at %d has %d bytes, more than %d", at.Start, n, len(p))
		}
		return r.readPlain(p[:n], at.Start, true)
	}
	stored, ok := r.stored.Get().(*block)
	if !ok {
		stored = &block{room: make([]byte, r.super.BlockSize)}
	}
	defer r.stored.Put(stored)
	src := stored.room[:n]
	if err := r.src.ReadFull(src, at.Start); err != nil {
		return 0, err
	}
	m, err := r.codec.Decompress(p, src)
	if err != nil {
		return 0, fmt.Errorf("block of %d bytes at %d: %w", n, at.Start, err)
	}
	return m, nil
}

// Source returns the image's bytes as they are stored.
func (r *Reader) Source() meta.Source { return r.src }

// FragmentEntry returns entry i of the fragment table.
func (r *Reader) FragmentEntry(i uint32) (format.Fragment, error) {
	b, err := r.fragments.Entry(i)
	if err != nil {
		return format.Fragment{}, err
	}
	f, err := format.ParseFragment(b, r.super.BlockSize)
	if err != nil {
		return f, fmt.Errorf("fragment %d: %w", i, err)
	}
	if n := f.Size &^ format.BlockUncompressed; !meta.Within(f.Start, uint64(n), r.super.BytesUsed) {
		return f, corrupt("fragment %d of %d bytes at %d lies beyond its end", i, n, f.Start)
	}
	return f, nil
}
