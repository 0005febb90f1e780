// Package writer writes SquashFS 4.0 images, front to back, in one pass.
//
// Input: file contents as they come, then the tree that holds them. Output:
// the image's bytes in order, and the superblock for the caller to put at its
// start. Blocks are compressed in parallel; the bytes depend only on the
// input, never on the number of workers. Memory is bounded by the tree's
// metadata and a fixed number of blocks.
//
// It must not open files of the host, seek in its output, or keep state
// outside a Writer.
package writer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"runtime"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/tree"
)

// DefaultBlockSize is what most SquashFS images use, in bytes.
const DefaultBlockSize = 128 << 10

// padding is the multiple of bytes an image ends on, because a loop device
// shows whole sectors only, and disks have sectors of up to 4096 bytes.
const padding = 4096

// Options say how to write an image. The zero value is usable.
type Options struct {
	// Codec says how blocks and metadata are compressed; zero is zstd.
	Codec codec.Choice
	// BlockSize is a power of two from 4096 to 1048576 bytes; 0 means
	// DefaultBlockSize.
	BlockSize int
	// ModTime is the image's own time in seconds since the epoch.
	ModTime int64
	// Workers compress blocks in parallel; 0 means one for each CPU the
	// process may use. The image is the same for any number.
	Workers int
}

// A Writer writes one image. It serves one goroutine at a time.
type Writer struct {
	options  Options
	encoding *codec.Encoding
	pipe     *pipeline
	closed   bool

	small  []byte              // where a file shorter than a block is read
	bySum  map[hash]*stored    // files shorter than a block by their hash
	bySize map[int64][]*stored // longer files
	frag   *fragmentBlock      // the fragment block being filled, or nil

	adoption adoption
}

// New starts an image on out, whose first byte becomes the image's first: a
// placeholder of format.SuperSize zero bytes that the caller overwrites with
// what Finish returns. Close must be called in the end.
func New(out io.Writer, o Options) (*Writer, error) {
	if o.BlockSize == 0 {
		o.BlockSize = DefaultBlockSize
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.BlockSize < format.MinBlockSize || o.BlockSize > format.MaxBlockSize || bits.OnesCount(uint(o.BlockSize)) != 1 {
		return nil, fmt.Errorf("squashfs: block size %d is not a power of two from %d to %d",
			o.BlockSize, format.MinBlockSize, format.MaxBlockSize)
	}
	encoding, err := codec.NewEncoding(o.Codec, o.BlockSize)
	if err != nil {
		return nil, err
	}
	p, err := newPipeline(out, encoding.New, o.Workers)
	if err != nil {
		return nil, err
	}
	if err := p.writeAll(head(encoding.Options)); err != nil {
		p.close()
		return nil, err
	}
	return &Writer{
		options: o, encoding: encoding, pipe: p,
		small: make([]byte, o.BlockSize), bySum: map[hash]*stored{}, bySize: map[int64][]*stored{},
		adoption: adoption{map[adoptedFile][]*stored{}, map[adoptedFragment]*fragmentBlock{}},
	}, nil
}

// head is what stands before the first block: room for the superblock and the
// options of the compressor, if any, as a metadata block.
func head(options []byte) []byte {
	b := make([]byte, format.SuperSize)
	if len(options) > 0 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(options))|format.MetaUncompressed)
	}
	return append(b, options...)
}

// Finish stores every content of the tree that is not stored yet, directory by
// directory and sorted by name, then writes the tree and pads the image to a
// multiple of 4096 bytes. The result is the superblock; its Bytes belong at
// the image's start. The Writer is closed whether or not that succeeds.
func (w *Writer) Finish(root *tree.Node) (*format.Super, error) {
	if w.closed {
		return nil, errClosed
	}
	defer w.Close()
	t, err := newInodes(root)
	if err != nil {
		return nil, err
	}
	if err := w.storeAll(t); err != nil {
		return nil, err
	}
	if err := w.drain(); err != nil {
		return nil, err
	}
	s, err := w.writeTables(t)
	if err != nil {
		return nil, err
	}
	if err := w.pipe.writeAll(make([]byte, -s.BytesUsed%padding)); err != nil {
		return nil, err
	}
	return s, nil
}

// Close stops the workers, giving up what is not written yet, and returns when
// they have ended. It is safe to call more than once and after Finish; it does
// not close the output.
func (w *Writer) Close() error {
	if !w.closed {
		w.closed = true
		w.pipe.close()
	}
	return nil
}

// drain writes the open fragment block and waits until all blocks are out.
func (w *Writer) drain() error {
	w.flushFragment()
	return w.pipe.wait(w.pipe.submitted)
}

// storeAll makes every regular file of t a stored one.
func (w *Writer) storeAll(t *inodes) error {
	for _, d := range t.dirs {
		for _, name := range d.names {
			node := d.node.Entries[name]
			ino := t.of[node]
			if node.Mode&tree.TypeMask != tree.TypeRegular || ino.content != nil {
				continue
			}
			var err error
			if ino.content, err = w.storeContent(node.Content); err != nil {
				return fmt.Errorf("%q: %w", d.path(name), err)
			}
		}
	}
	return nil
}

func (w *Writer) storeContent(c tree.Content) (*stored, error) {
	switch c := c.(type) {
	case nil:
		return &stored{}, nil
	case *stored:
		if c.owner != w {
			return nil, errors.New("squashfs: its content was stored by another writer")
		}
		return c, nil
	case *squashfs.File:
		if w.canAdopt(c) {
			return w.adopt(c)
		}
	}
	o, ok := c.(tree.Opener)
	if !ok {
		return nil, fmt.Errorf("squashfs: a content of type %T cannot be opened", c)
	}
	r, err := o.Open()
	if err != nil {
		return nil, err
	}
	f, err := w.store(r, o.Size())
	return f, errors.Join(err, r.Close())
}

// clampTime turns seconds since the epoch into what the format can hold.
func clampTime(t int64) uint32 { return uint32(min(max(t, 0), math.MaxUint32)) }
