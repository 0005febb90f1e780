// Package writer writes SquashFS 4.0 images, front to back, in one pass.
//
// WriteFile makes a file of a tree of nodes, which may hold files of any other
// image: blocks that are compressed already as the new image wants them are
// copied. A Source that stores contents while it makes the tree can take them
// from a stream. Write is for an output that is not a file, and a Writer what
// both use.
//
// Input: file contents as they come, then the tree that holds them. Output:
// the image's bytes in order, and the superblock for the caller to put at its
// start. Blocks are compressed in parallel; the bytes depend only on the
// input, never on the number of workers. Memory is bounded by the tree's
// metadata and a fixed number of blocks. Where the output and an image that
// blocks are adopted from are both files, the kernel copies them.
//
// It must not open files of the host, seek in its output, or keep state
// outside a Writer.
package writer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"runtime"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/table"
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

	input    sizedReader
	batch    *job           // the small files that are being gathered, or nil
	sizes    map[int64]bool // of longer files that later ones may equal
	adoption adoption
	first    map[*tree.Node]*table.File // what StoreFirst stored
	hot      uint64                     // where that ends in the image; 0 if there is none
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
	p, err := newPipeline(out, encoding.New, o)
	if err != nil {
		return nil, err
	}
	if _, err := p.Write(head(encoding.Options)); err != nil {
		return nil, errors.Join(err, p.end())
	}
	return &Writer{
		options: o, encoding: encoding, pipe: p,
		sizes: map[int64]bool{}, first: map[*tree.Node]*table.File{},
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

// Finish stores every content of the tree that is not stored yet, then writes
// the tree and pads the image to a multiple of 4096 bytes. What other images
// hold in the form this one needs comes first, copied in the order in which it
// lies there; the rest follows directory by directory and sorted by name. The
// result is the superblock; its Bytes belong at the image's start. The Writer
// is closed whether or not that succeeds.
func (w *Writer) Finish(root *tree.Node) (*format.Super, error) {
	if w.closed {
		return nil, errClosed
	}
	defer w.Close()
	t, err := table.Number(root)
	if err != nil {
		return nil, err
	}
	if err := w.storeAll(t); err != nil {
		return nil, err
	}
	w.sendBatch()
	if err := w.pipe.end(); err != nil {
		return nil, err
	}
	return w.writeTables(t)
}

func (w *Writer) writeTables(t *table.Tree) (*format.Super, error) {
	c, err := w.encoding.New()
	if err != nil {
		return nil, err
	}
	s := &format.Super{
		ModTime: table.ClampTime(w.options.ModTime), BlockSize: uint32(w.options.BlockSize),
		Compression: w.encoding.ID, Flags: codecFlags(w.encoding),
	}
	if err := t.Write(w.pipe, w.pipe.pos, c, s); err != nil {
		return nil, err
	}
	_, err = w.pipe.Write(w.end(s.BytesUsed))
	return s, err
}

// end is what follows the used bytes of an image: padding, with the trailer of
// one that has hot data.
func (w *Writer) end(used uint64) []byte {
	var b []byte
	if w.hot > 0 {
		b = format.HotTrailer(w.hot)
	}
	return append(b, make([]byte, -(used+uint64(len(b)))%padding)...)
}

// codecFlags are the superblock's flags that tell how an image is compressed.
func codecFlags(e *codec.Encoding) (flags uint16) {
	if e.Store {
		flags |= format.FlagUncompressedInodes | format.FlagUncompressedData | format.FlagUncompressedFragments |
			format.FlagUncompressedXattrs | format.FlagUncompressedIDs
	}
	if len(e.Options) > 0 {
		flags |= format.FlagCompressorOptions
	}
	return flags
}

// Close stops the workers, giving up what is not written yet, and returns when
// they have ended. It is safe to call more than once and after Finish; it does
// not close the output.
func (w *Writer) Close() error {
	if !w.closed {
		w.closed = true
		w.pipe.fail(errClosed)
		w.pipe.end()
	}
	return nil
}

// StoreFirst stores the contents of regular files ahead of all that Finish
// stores, in the given order and close to each other, for programs that will
// read them soon after they start (squashfs.Reader.Hot). Small ones get
// fragment blocks that they share with no other file, rather than those of the
// image they come from. Nodes of other types are passed over.
func (w *Writer) StoreFirst(nodes []*tree.Node) (err error) {
	if w.closed {
		return errClosed
	}
	if len(nodes) == 0 {
		return nil
	}
	if err := w.drain(); err != nil {
		return err
	}
	for _, n := range nodes {
		if n.Mode&tree.TypeMask != tree.TypeRegular || w.first[n] != nil {
			continue
		}
		if w.first[n], err = w.storeNow(n.Content); err != nil {
			return err
		}
	}
	if err := w.drain(); err != nil {
		return err
	}
	if len(w.first) > 0 {
		w.hot = w.pipe.pos
	}
	return nil
}

// storeNow stores a content in the place where the image has got to.
func (w *Writer) storeNow(c tree.Content) (*table.File, error) {
	f, ok := c.(*squashfs.File)
	if ok && f.Inode().Fragment == format.NoFragment {
		if s, err := w.adopt(f); s != nil || err != nil {
			w.copyAdopted()
			return s, err
		}
	}
	return w.storeContent(c)
}

// drain writes the open fragment block and waits until all blocks are out.
func (w *Writer) drain() error {
	w.sendBatch()
	return w.pipe.sync()
}

// storeAll makes every regular file of t a stored one.
func (w *Writer) storeAll(t *table.Tree) error {
	err := t.EachFile(func(n *tree.Node) (*table.File, error) {
		s := w.first[n]
		if f, ok := n.Content.(*squashfs.File); ok && s == nil {
			var err error
			if s, err = w.adopt(f); err != nil {
				return nil, err
			}
		}
		return s, nil
	})
	if err != nil {
		return err
	}
	w.copyAdopted()
	return t.EachFile(func(n *tree.Node) (*table.File, error) {
		return w.storeContent(n.Content)
	})
}

// storeContent stores a content by its bytes, unless it is stored already.
func (w *Writer) storeContent(c tree.Content) (*table.File, error) {
	switch c := c.(type) {
	case nil:
		return &table.File{}, nil
	case *table.File:
		if c.Mark != w.pipe.hashing.mark {
			return nil, errors.New("squashfs: its content was stored by another writer")
		}
		return c, nil
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
