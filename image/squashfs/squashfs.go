// Package squashfs reads SquashFS 4.0 images (the kernel's
// Documentation/filesystems/squashfs.rst): by inode and position for a file
// server, as an fs.FS for programs, and as a tree with its blocks as stored
// for a writer.
//
// Input: an io.ReaderAt, which is read with positioned reads only and never
// mapped, and its size. Output: inodes, listings and file bytes. The image is
// untrusted: every number in it is checked against the image before it is
// used, memory is bounded by Options and by what the image really holds, and
// an image that contradicts itself yields an error that wraps ErrCorrupt. The
// package does not write images (see writer), does not close its input, and
// enforces no permission.
package squashfs

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
)

// ErrCorrupt is wrapped by every error that is the image's fault.
var ErrCorrupt = errors.New("squashfs image is damaged")

// corrupt returns an error that wraps ErrCorrupt and says where and what.
func corrupt(text string, args ...any) error {
	return fmt.Errorf("%w: "+text, append([]any{ErrCorrupt}, args...)...)
}

// Sizes of the caches in bytes. Those of metadata hold the working set of an
// image of about 100,000 files.
const (
	defaultCache = 32 << 20
	metaCache    = 4 << 20
	inodeCache   = 4 << 20
	dirCache     = 8 << 20
)

// Options are choices of Open; the zero value is the default.
type Options struct {
	// CacheBytes is the size of the decoded data blocks and fragments kept,
	// 32 MiB when 0. At least two blocks are kept.
	CacheBytes int64
}

// Reader reads one image. Its methods may be called concurrently.
type Reader struct {
	src   io.ReaderAt
	super format.Super
	codec codec.Decompressor

	meta   *cache[uint64, metaBlock] // by offset in the image
	inodes *cache[format.Ref, *Inode]
	dirs   *cache[format.Ref, []format.DirEntry]
	blocks *cache[format.Fragment, *block] // data blocks and fragments

	stored sync.Pool // *block: room for a stored block
	free   sync.Pool // *block: room for a decoded block

	inodeTable, dirTable region
	xattrs               region // the entries; starts where references count from
	ids                  []uint32
	fragments, xattrIDs  table
}

// Open checks the superblock and tables of the image in the first size bytes
// of r and returns a Reader of it. r must stay open as long as the Reader is
// used.
func Open(r io.ReaderAt, size int64, o Options) (*Reader, error) {
	super, err := readSuper(r, size)
	if err != nil {
		return nil, err
	}
	dec, err := codec.NewDecompressor(super.Compression)
	if err != nil {
		return nil, err
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = defaultCache
	}
	rd := &Reader{
		src: r, super: *super, codec: dec,
		meta:   newCache[uint64](metaCache, metaBlock.cost),
		inodes: newCache[format.Ref](inodeCache, (*Inode).cost),
		dirs:   newCache[format.Ref](dirCache, listingCost),
		blocks: newCache[format.Fragment](max(o.CacheBytes, 2*int64(super.BlockSize)), (*block).cost),
	}
	rd.blocks.recycle = rd.putFree
	if err := rd.loadTables(); err != nil {
		return nil, err
	}
	root, err := rd.Inode(super.Root)
	if err != nil {
		return nil, fmt.Errorf("root directory: %w", err)
	}
	if !root.IsDir() {
		return nil, corrupt("the root is not a directory")
	}
	return rd, nil
}

// readSuper reads the superblock and holds its length of the image against
// size.
func readSuper(r io.ReaderAt, size int64) (*format.Super, error) {
	b := make([]byte, format.SuperSize)
	if n, err := r.ReadAt(b, 0); n < len(b) && err != io.EOF {
		return nil, fmt.Errorf("squashfs superblock: %w", err)
	} else if n < len(b) || size < int64(len(b)) {
		return nil, corrupt("%d bytes are too few for a superblock", min(int64(n), size))
	}
	super, err := format.ParseSuper(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if super.BytesUsed > uint64(size) {
		err := corrupt("truncated: it should have %d bytes and has %d", super.BytesUsed, size)
		return nil, hint.Wrap(err, "copy or download the image again")
	}
	return super, nil
}

// Super returns the superblock.
func (r *Reader) Super() format.Super { return r.super }

// Root returns the reference of the root directory's inode.
func (r *Reader) Root() format.Ref { return r.super.Root }

// HasXattrs tells whether any inode may have extended attributes.
func (r *Reader) HasXattrs() bool { return r.xattrIDs.count > 0 }

// readAt fills b from the image at offset off, all of which must lie inside.
func (r *Reader) readAt(b []byte, off uint64) error {
	if !within(off, uint64(len(b)), r.super.BytesUsed) {
		return corrupt("%d bytes at %d lie beyond its end", len(b), off)
	}
	n, err := r.src.ReadAt(b, int64(off))
	switch {
	case n == len(b):
		return nil
	case err == io.EOF:
		err := corrupt("truncated at %d: %w", off+uint64(n), io.ErrUnexpectedEOF)
		return hint.Wrap(err, "copy or download the image again, and replace a running image by rename only")
	}
	return fmt.Errorf("squashfs: read %d bytes at %d: %w", len(b), off, err)
}

// within tells whether n bytes at off end at or before limit.
func within(off, n, limit uint64) bool { return off <= limit && n <= limit-off }
